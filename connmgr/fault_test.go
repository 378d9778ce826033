package connmgr_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// resets counts how often an adapter has gone down.
func (l *lab) resets() func() int {
	var n atomic.Int32
	events := l.m.Events(l.t.Context())
	go func() {
		for ev := range events {
			if s, ok := ev.(connmgr.AdapterChanged); ok && s.State == connmgr.AdapterDown {
				n.Add(1)
			}
		}
	}()
	return func() int { return int(n.Load()) }
}

// broken fails an initiation with 0x03, for all who share it.
var broken = sim.CommandFault{Opcode: hci.OpLEExtendedCreateConnection, Status: hci.StatusHardwareFailure}

// One fault is one event, however many dials share the initiation that it ends:
// it costs nobody a link.
func TestOneFaultIsOneEvent(t *testing.T) { inBubble(t, testOneFaultIsOneEvent) }

func testOneFaultIsOneEvent(t *testing.T) {
	for _, linked := range []bool{true, false} {
		l := newLab(t, connmgr.Config{})
		resets := l.resets()
		var healthy *connmgr.Client
		if linked {
			l.device(9)
			healthy = l.establish(9, nil)
		}
		var waits []func() (*connmgr.Client, time.Duration)
		for n := range 4 {
			waits = append(waits, l.begin(n, nil))
		}
		time.Sleep(second)
		l.adapters[0].Fault(broken)
		waits = append(waits, l.begin(4, nil)) // the initiation begins anew, for five
		time.Sleep(5 * second)
		for n := range waits {
			l.device(n)
		}
		for n, wait := range waits {
			c, _ := wait()
			l.wantLevel(c, byte(n))
			c.Close()
		}
		if n := resets(); n != 0 {
			t.Errorf("%d resets for one fault, with a link: %v", n, linked)
		}
		if linked {
			l.wantLevel(healthy, 9)
			healthy.Close()
		}
		l.m.Close()
	}
}

// Four faults in a row, while six devices share two slots, cost nobody its connection, and
// the adapter, which has links, no reset.
func TestFaultsAmongDevicesThatWait(t *testing.T) { inBubble(t, testFaultsAmongDevicesThatWait) }

func testFaultsAmongDevicesThatWait(t *testing.T) {
	l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{MaxLinks: 2})
	for n := range 6 {
		l.device(n)
	}
	time.Sleep(2 * second)
	resets, r := l.resets(), l.watchAttempts()
	begin := time.Now()
	fault := broken
	fault.Times = 4
	time.AfterFunc(5*second, func() { l.adapters[0].Fault(fault) })
	var calls sync.WaitGroup
	for n := range 6 {
		calls.Go(func() {
			c, _ := l.begin(n, nil)()
			l.wantLevel(c, byte(n))
			time.Sleep(8 * second)
			c.Close()
		})
	}
	calls.Wait()
	// Three rounds of 8 s, and the faults of the first dial of a round.
	if took := time.Since(begin); took < 24*second || took > 28*second {
		t.Errorf("six connections of 8 s over two slots took %v, want 24 to 28 s", took)
	}
	faults := 0
	_, failed := r.events()
	for _, f := range failed {
		if errors.Is(f.Err, hci.StatusHardwareFailure) {
			faults++
		}
	}
	if n := resets(); n != 0 || faults < 4 {
		t.Errorf("%d resets for %d attempts that met a fault, want none for 4 at least", n, faults)
	}
}

// A peer whose dials always meet a fault of the controller costs nobody a link,
// and the adapter without links no more than one reset.
func TestFaultsOfOnePeer(t *testing.T) { inBubble(t, testFaultsOfOnePeer) }

func testFaultsOfOnePeer(t *testing.T) {
	for _, linked := range []bool{true, false} {
		l := newLab(t, connmgr.Config{})
		l.device(1)
		l.device(2)
		var healthy *connmgr.Client
		if linked {
			healthy = l.establish(2, nil)
		}
		resets := l.resets()
		l.adapters[0].Fault(sim.ConnectFault{Peer: address(1), Times: sim.Always, Status: hci.StatusHardwareFailure})
		begin := time.Now()
		_, err := l.m.Establish(t.Context(), address(1).String(), nil)
		if took := time.Since(begin); !errors.Is(err, hci.StatusHardwareFailure) || took < 45*second || took > 50*second {
			t.Errorf("%v after %v, want the fault after 45 s", err, took)
		}
		want := 1
		if linked {
			want = 0
			l.wantLevel(healthy, 2)
			healthy.Close()
		}
		if n := resets(); n != want {
			t.Errorf("%d resets, want %d, with a link: %v", n, want, linked)
		}
		c := l.establish(2, nil)
		c.Close()
		l.m.Close()
	}
}

// A peer whose dials always fail, without its name, costs another Establish nothing that
// shares the initiations: its device comes 30 s later, beyond the attempts of the first.
func TestFailingPeerCostsOthersNothing(t *testing.T) {
	for _, status := range []hci.Status{
		hci.StatusUnacceptableParameters, hci.StatusControllerBusy, hci.StatusHardwareFailure, hci.StatusFailedToEstablish,
	} {
		t.Run(status.String(), func(t *testing.T) { inBubble(t, func(t *testing.T) { testFailingPeerCostsOthersNothing(t, status) }) })
	}
}

func testFailingPeerCostsOthersNothing(t *testing.T, status hci.Status) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	l.adapters[0].Fault(sim.ConnectFault{Peer: address(1), Times: sim.Always, Status: status})
	failing := make(chan error)
	go func() { _, err := l.m.Establish(t.Context(), address(1).String(), nil); failing <- err }()
	wait := l.begin(3, nil)
	time.Sleep(30 * second)
	l.device(3)
	c, took := wait()
	if took < 30*second || took > 31*second {
		t.Errorf("connected after %v, want within a second of the first advertisement after 30 s", took)
	}
	c.Close()
	if err := <-failing; !errors.Is(err, status) {
		t.Errorf("the failing peer: %v, want %v", err, status)
	}
	l.m.Close()
}

// Several peers whose dials always meet a fault of the controller cost the adapter without
// links at most one reset each, and two of them both, however often they are called. They
// cost a device that shares their initiations nothing. An hour later, one costs one more.
func TestFaultsOfSeveralPeers(t *testing.T) { inBubble(t, testFaultsOfSeveralPeers) }

func testFaultsOfSeveralPeers(t *testing.T) {
	for _, sick := range []int{2, 5} {
		l := newLab(t, connmgr.Config{})
		resets := l.resets()
		var calls sync.WaitGroup
		for n := range sick {
			l.device(n)
			l.adapters[0].Fault(sim.ConnectFault{Peer: address(n), Times: sim.Always, Status: hci.StatusHardwareFailure})
			calls.Go(func() {
				for range 4 {
					if _, err := l.m.Establish(t.Context(), address(n).String(), nil); !errors.Is(err, hci.StatusHardwareFailure) {
						t.Errorf("device %d: %v", n, err)
					}
				}
			})
		}
		late := l.begin(10, nil)
		time.Sleep(60 * second)
		l.device(10)
		c, took := late()
		wantAbout(t, "a device that comes after 60 s", took, 60*second)
		c.Close()
		calls.Wait()
		before := resets()
		if before < 2 || before > sick { // which of the peers meets the next fault is chance
			t.Errorf("%d sick peers: %d resets, want at least two and at most one for each", sick, before)
		}
		time.Sleep(time.Hour) // the adapter may be sick by now
		_, _ = l.m.Establish(t.Context(), address(0).String(), nil)
		if n := resets(); n != before+1 {
			t.Errorf("%d sick peers: %d resets after an hour, want %d", sick, n, before+1)
		}
		l.m.Close()
	}
}

// Three faults in a row reset an adapter that has no link. As long as it has one,
// it is not reset, and goes on connecting where it can.
func TestThirdFaultResets(t *testing.T) { inBubble(t, testThirdFaultResets) }

func testThirdFaultResets(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	for n := range 3 {
		l.device(n)
	}
	resets, r := l.resets(), l.watchAttempts()
	healthy := l.establish(0, nil)
	fault := broken
	fault.Times = sim.Always
	l.adapters[0].Fault(fault)
	one, other := l.begin(1, nil), l.begin(2, nil)
	time.Sleep(20 * second)
	if _, failed := r.count(); resets() != 0 || healthy.Err() != nil || failed < 10 {
		t.Errorf("%d resets after %d failures, and the healthy link ended with %v", resets(), failed, healthy.Err())
	}
	l.wantLevel(healthy, 0)
	healthy.Close()
	time.Sleep(4*second + time.Millisecond) // until the next attempt of one of them
	if n := resets(); n != 1 {
		t.Errorf("%d resets once the adapter has no link, want 1", n)
	}
	l.adapters[0].ClearFaults()
	for _, wait := range []func() (*connmgr.Client, time.Duration){one, other} {
		c, _ := wait()
		c.Close()
	}

	// With no link from the beginning.
	fault.Times = 3
	l.adapters[0].Fault(fault)
	before := resets()
	_, failed := r.count()
	c := l.establish(1, nil)
	c.Close()
	if _, now := r.count(); resets()-before != 1 || now-failed != 3 {
		t.Errorf("%d resets after %d faults, want one after three", resets()-before, now-failed)
	}
	fault.Times = 2
	for range 5 { // a success in between makes them new
		l.adapters[0].Fault(fault)
		c := l.establish(1, nil)
		c.Close()
	}
	if n := resets() - before; n != 1 {
		t.Errorf("%d resets for two faults in a row", n-1)
	}
}

// A controller that keeps a link which nobody knows is reset, if it has no other.
func TestUnknownLinkResets(t *testing.T) { inBubble(t, testUnknownLinkResets) }

func testUnknownLinkResets(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	resets := l.resets()
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpLEExtendedCreateConnection, Status: hci.StatusConnectionExists, Times: sim.Always})
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpDisconnect, Status: hci.StatusUnknownConnection, Times: sim.Always})
	go func() { // until it is reset
		for ev := range l.m.Events(t.Context()) {
			if s, ok := ev.(connmgr.AdapterChanged); ok && s.State == connmgr.AdapterDown {
				l.adapters[0].ClearFaults()
			}
		}
	}()
	time.Sleep(second)
	c := l.establish(1, &connmgr.Options{MaxAttempts: -1})
	if n := resets(); n != 1 {
		t.Errorf("%d resets, want 1", n)
	}
	c.Close()
}
