package connmgr_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// dialed records the parameters of the dials of hci0, in the units of HCI.
func (l *lab) dialed() func() []string {
	var mu sync.Mutex
	var ps []string
	l.countLog(func(e sim.Entry) bool {
		c, ok := commandOf(e).(hci.LEExtendedCreateConnection)
		if ok {
			q := c.Initiating[0].Params
			mu.Lock()
			ps = append(ps, fmt.Sprint(q.IntervalMin, q.IntervalMax, q.Latency, q.Timeout))
			mu.Unlock()
		}
		return ok
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(ps)
	}
}

// The dial after a link that was lost, or whose parameters the device refused, asks
// for longer ones.
func TestParametersAreRelaxed(t *testing.T) { inBubble(t, testParametersAreRelaxed) }

func testParametersAreRelaxed(t *testing.T) {
	own := hci.ConnParams{IntervalMin: 20 * time.Millisecond, IntervalMax: 60 * time.Millisecond, Latency: 1, Timeout: 8 * second}
	p := connmgr.DefaultPolicy()
	p.MinPersistence = 0
	for _, c := range []struct {
		fault sim.Fault
		o     connmgr.Options
		want  []string
	}{
		{
			sim.LinkFault{Times: sim.Always, Reason: hci.StatusConnectionTimeout}, connmgr.Options{},
			[]string{"7.5ms 7.5ms 0 2s", "30ms 50ms 0 5s", "100ms 150ms 0 10s", "100ms 150ms 0 10s"},
		},
		{
			sim.ConnectFault{Times: sim.Always, Status: hci.StatusUnacceptableParameters}, connmgr.Options{},
			[]string{"7.5ms 7.5ms 0 2s", "30ms 50ms 0 5s", "100ms 150ms 0 10s", "100ms 150ms 0 10s"},
		},
		{
			sim.ConnectFault{Times: 1, Status: hci.StatusUnacceptableParameters}, connmgr.Options{InitialParams: own},
			[]string{"20ms 60ms 1 8s", "30ms 60ms 1 8s"},
		},
		{
			sim.LinkFault{Times: sim.Always, Reason: hci.StatusLLResponseTimeout}, connmgr.Options{},
			slices.Repeat([]string{"7.5ms 7.5ms 0 2s"}, 4),
		},
	} {
		l := newLab(t, connmgr.Config{})
		l.sensorAt(1, 100*time.Millisecond, sim.Temper{})
		l.adapters[0].Fault(c.fault)
		dials := l.dialed()
		c.o.Policy = &p
		cl, err := l.m.Establish(t.Context(), address(1).String(), &c.o)
		if err == nil {
			cl.Close()
		}
		if got := dials(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: dialed with %v, want %v", c.fault, got, c.want)
		}
		l.m.Close()
	}
}

// After a fault of its own, an adapter is the last choice of the next attempt.
func TestOtherAdapterAfterAFault(t *testing.T) { inBubble(t, testOtherAdapterAfterAFault) }

func testOtherAdapterAfterAFault(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	d := l.sensorAt(1, 100*time.Millisecond, sim.Temper{})
	l.air.SetPath(l.adapters[0], d, sim.Path{RSSI: -40})
	l.air.SetPath(l.adapters[1], d, sim.Path{RSSI: -85})
	time.Sleep(2 * second)
	for _, a := range l.adapters {
		a.Fault(sim.ConnectFault{Status: hci.StatusHardwareFailure})
	}
	r := l.watchAttempts()
	c := l.establish(1, nil)
	var got []string
	started, _ := r.events()
	for _, s := range started {
		got = append(got, s.Adapter)
	}
	if want := []string{"hci0", "hci1", "hci0"}; !slices.Equal(got, want) {
		t.Errorf("attempts on %v, want %v", got, want)
	}
	// The other attempt is not the same again: it comes after the first wait of the row.
	if got, want := r.waits(), []time.Duration{250 * time.Millisecond, 250 * time.Millisecond}; !slices.Equal(got, want) {
		t.Errorf("waits %v, want %v", got, want)
	}
	c.Close()
}

// A link whose end was lost does not keep an adapter from being reset, if the
// controller has a link that nobody knows.
func TestDeadLinkDoesNotHinderTheReset(t *testing.T) { inBubble(t, testDeadLinkDoesNotHinderTheReset) }

func testDeadLinkDoesNotHinderTheReset(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	p := l.device(2)
	dead := l.establish(2, nil)
	time.Sleep(20 * second) // it is settled
	l.adapters[0].Fault(sim.EventFault{Code: hci.EvDisconnectionComplete, Drop: true})
	p.Controller().Crash()
	time.Sleep(20 * second)
	if dead.Err() != nil {
		t.Fatalf("the end of the link was not lost: %v", dead.Err())
	}
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpLEExtendedCreateConnection, Status: hci.StatusConnectionExists, Times: sim.Always})
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpDisconnect, Status: hci.StatusUnknownConnection, Times: sim.Always})
	events := l.m.Events(t.Context())
	go func() { // until it is reset
		for ev := range events {
			if s, ok := ev.(connmgr.AdapterChanged); ok && s.State == connmgr.AdapterDown {
				l.adapters[0].ClearFaults()
			}
		}
	}()
	c := l.establish(1, nil)
	if dead.Err() == nil {
		t.Error("the dead link is still there")
	}
	c.Close()
}

// With Repair, a device that ends its links when they are encrypted is paired with
// anew, on the next link, in place of the bond.
func TestRepairAfterALinkThatEnded(t *testing.T) { inBubble(t, testRepairAfterALinkThatEnded) }

func testRepairAfterALinkThatEnded(t *testing.T) {
	for _, c := range []struct {
		status hci.Status
		links  int // that end, before the pairing
		err    error
	}{
		{0x05, 1, connmgr.ErrBondLost},
		{0x3D, 1, connmgr.ErrBondLost},
		{0x13, 2, connmgr.ErrAborted}, // a weak sign: the device may be busy
	} {
		l := newLab(t, connmgr.Config{})
		p := l.guarded(&smp.Config{})
		l.establish(1, &connmgr.Options{Pair: true}).Close()
		time.Sleep(second)
		if err := p.ForgetBonds(); err != nil {
			t.Fatal(err)
		}
		lost := sim.Temper{Rules: []sim.Rule{{On: sim.OnEncryption, Do: sim.HangUp, Status: c.status}}}
		l.air.SetTemper(p.Controller(), lost)
		if _, err := l.m.Establish(t.Context(), address(1).String(), nil); !errors.Is(err, c.err) {
			t.Errorf("0x%02x: %v, want %v", uint8(c.status), err, c.err)
		}

		lost.Rules[0].Times = c.links
		l.air.SetTemper(p.Controller(), lost)
		encryptions := l.countLog(func(e sim.Entry) bool {
			_, ok := commandOf(e).(hci.LEEnableEncryption)
			return ok
		})
		cl := l.establish(1, &connmgr.Options{Repair: true})
		if r := cl.Paired(); r == nil || r.Bond == nil || encryptions() != c.links+1 {
			t.Errorf("0x%02x: paired %+v, %d encryptions, want %d of the old bond and one of the pairing", uint8(c.status), r, encryptions(), c.links)
		}
		l.wantLevel(cl, 1)
		cl.Close()
		time.Sleep(second)
		cl = l.establish(1, nil) // with the new bond
		if s := cl.Security(); !s.Encrypted || !s.Bonded || cl.Paired() != nil {
			t.Errorf("0x%02x: security %+v", uint8(c.status), s)
		}
		cl.Close()
		l.m.Close()
	}
}
