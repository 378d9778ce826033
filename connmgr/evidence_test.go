package connmgr_test

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// noMTU is the rule of a device that hangs up at the MTU request.
func noMTU() sim.Rule {
	return sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp}
}

// callOnce makes a call of one attempt to device 1, and reports whether it has connected.
func (l *lab) callOnce() bool {
	l.t.Helper()
	c, err := l.m.Establish(l.t.Context(), address(1).String(), single())
	if err == nil {
		c.Close()
	}
	return err == nil
}

// Calls of one attempt each, or with a deadline before the 30 s of ATT, learn from each
// other as the attempts of one call do.
func TestCallsLearnFromEachOther(t *testing.T) { inBubble(t, testCallsLearn) }

func testCallsLearn(t *testing.T) {
	for _, c := range []struct {
		o      *connmgr.Options
		rule   sim.Rule
		failed int
		trait  string
	}{
		{single(), noMTU(), 1, "mtu 1"},
		{single(), sim.Rule{On: sim.OnLink, Below: 30 * time.Millisecond, Do: sim.HangUp, Status: hci.StatusConnectionTimeout}, 1, "initial-parameters 1"},
		{&connmgr.Options{Timeout: 20 * second}, sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.Ignore}, 1, "mtu 1"},
		{&connmgr.Options{Timeout: 20 * second}, sim.Rule{On: sim.OnRequest, Opcode: att.OpReadByGroupTypeReq, Do: sim.Ignore}, 1, "discovery 1"},
	} {
		l := newLab(t, connmgr.Config{})
		l.picky(uart(), c.rule)
		failed := 0
		for range 10 {
			if cl, err := l.m.Establish(t.Context(), address(1).String(), c.o); err != nil {
				failed++
			} else {
				cl.Close()
			}
			time.Sleep(3 * second)
		}
		if failed != c.failed {
			t.Errorf("%v %v: %d of 10 calls failed, want %d", c.rule.On, c.rule.Do, failed, c.failed)
		}
		l.wantTraits(c.trait)
		l.m.Close()
	}
}

// So do those of a connection that is kept.
func TestKeepLearnsFromCallToCall(t *testing.T) { inBubble(t, testKeepLearns) }

func testKeepLearns(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.picky(uart(), noMTU())
	k := l.keep(1, &connmgr.KeepOptions{Options: *single()})
	time.Sleep(10 * second)
	if s := k.Status(); s.State != connmgr.KeepReady || s.Failures != 1 {
		t.Errorf("%s after %d failures, want ready after 1: %v", s.State, s.Failures, s.Err)
	}
}

// A device that hangs up whatever comes first is not blamed for a step, though each call
// makes one attempt.
func TestCallsDoNotBlameABusyDevice(t *testing.T) { inBubble(t, testCallsDoNotBlame) }

func testCallsDoNotBlame(t *testing.T) {
	for n := range 12 {
		l := newLab(t, connmgr.Config{})
		l.picky(uart(), sim.Rule{On: sim.OnLink, Do: sim.HangUp, Times: n + 2})
		failed := 0
		for ; !l.callOnce(); failed++ {
			time.Sleep(second)
		}
		if failed != n+2 {
			t.Errorf("%d calls failed, want %d", failed, n+2)
		}
		l.wantTraits()
		l.m.Close()
	}
}

// A call that waits for the dial of another one goes on where that one has ended.
func TestCallLearnsWhileItWaits(t *testing.T) { inBubble(t, testCallLearnsWhileItWaits) }

func testCallLearnsWhileItWaits(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.picky(uart(), noMTU())
	results := make(chan bool)
	for range 2 {
		go func() { results <- l.callOnce() }()
	}
	if first, second := <-results, <-results; first || !second {
		t.Errorf("connected: %v, then %v; want the second call alone", first, second)
	}
}

// The end of a call tells against a step only after five seconds without an answer, and
// after the supervision timeout of the link.
func TestEndOfACallAfterSilence(t *testing.T) { inBubble(t, testEndOfACallAfterSilence) }

func testEndOfACallAfterSilence(t *testing.T) {
	long := hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 30 * time.Millisecond, Timeout: 8 * second}
	for _, c := range []struct {
		o    connmgr.Options
		want bool // the next call leaves the step out
	}{
		{connmgr.Options{Timeout: 4 * second}, false},
		{connmgr.Options{Timeout: 6 * second}, true},
		{connmgr.Options{Timeout: 6 * second, InitialParams: long}, false},
		{connmgr.Options{Timeout: 9 * second, InitialParams: long}, true},
	} {
		l := newLab(t, connmgr.Config{})
		l.picky(uart(), sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.Ignore})
		for n, want := range []bool{false, c.want} {
			cl, err := l.m.Establish(t.Context(), address(1).String(), &c.o)
			if (err == nil) != want {
				t.Errorf("%v: call %d: %v, want success %v", c.o.Timeout, n, err, want)
			}
			if err == nil {
				cl.Close()
			}
			time.Sleep(10 * second)
		}
		l.m.Close()
	}
}

// The evidence goes with the cache, and ten minutes after its last sign.
func TestEvidenceIsForgotten(t *testing.T) { inBubble(t, testEvidenceIsForgotten) }

func testEvidenceIsForgotten(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(l *lab)
		want bool // the next call connects, since it goes on where the last one has ended
	}{
		{"at once", func(*lab) {}, true},
		{"within ten minutes", func(*lab) { time.Sleep(9 * time.Minute) }, true},
		{"after ten minutes", func(*lab) { time.Sleep(10 * time.Minute) }, false},
		{"ClearCache", func(l *lab) { l.m.ClearCache(address(1).String()) }, false},
	} {
		l := newLab(t, connmgr.Config{})
		l.picky(uart(), noMTU())
		if l.callOnce() {
			t.Fatal("connected in spite of the MTU request")
		}
		if c.then(l); l.callOnce() != c.want {
			t.Errorf("%s: connected is %v, want %v", c.name, !c.want, c.want)
		}
		l.m.Close()
	}
}

// The steps that the old firmware of a device has failed do not become traits of the new
// one.
func TestNewTableForgetsEvidence(t *testing.T) { inBubble(t, testNewTableForgetsEvidence) }

func testNewTableForgetsEvidence(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	// The device hangs up in its second minute.
	d := l.picky(lampTable(nil, battery8(42)), sim.Rule{On: sim.OnRequest, Opcode: att.OpExchangeMTUReq, Do: sim.HangUp, From: time.Minute})
	l.establish(1, nil).Close()
	time.Sleep(2 * time.Minute)
	if l.callOnce() {
		t.Fatal("connected in spite of the MTU request")
	}
	d.SetTable(lampTable(nil, gatt.ServiceDef{UUID: serial}, battery8(42)), false)
	l.establish(1, single()).Close()
	l.wantTraits()
}

// A device under another address is the same one, if the program says so.
func TestEvidenceFollowsTheDevice(t *testing.T) { inBubble(t, testEvidenceFollows) }

func testEvidenceFollows(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	for n := range 2 {
		l.air.NewDevice(&sim.DeviceConfig{Address: address(n + 1), Table: uart(), Temper: sim.Temper{Rules: []sim.Rule{noMTU()}}})
	}
	calls := 0
	l.trace.reset()
	c, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{Device: func() (connmgr.Device, bool) {
		calls++
		return connmgr.Device{Addr: address(min(calls, 2))}, true
	}})
	if err != nil {
		t.Fatal(err)
	}
	if n := l.trace.countLinks(); n != 2 || c.Address() != address(2) {
		t.Errorf("connected to %v with link %d, want the second one at once", c.Address(), n)
	}
	c.Close()
}
