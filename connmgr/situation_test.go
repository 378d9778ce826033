package connmgr_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// failToEstablish returns the error of an Establish to device 1.
func (l *lab) failToEstablish(o *connmgr.Options) *connmgr.EstablishError {
	l.t.Helper()
	_, err := l.m.Establish(l.t.Context(), address(1).String(), o)
	var e *connmgr.EstablishError
	if !errors.As(err, &e) {
		l.t.Fatalf("%v, want an EstablishError", err)
	}
	return e
}

// A device that asks for security, is refused and ends the link wants to be paired
// with: there was no bond to lose.
func TestRefusedSecurityRequestIsNamed(t *testing.T) { inBubble(t, testRefusedSecurityRequestIsNamed) }

func testRefusedSecurityRequestIsNamed(t *testing.T) {
	for _, c := range []struct {
		status hci.Status
		links  int
	}{{0x05, 1}, {0x06, 1}, {0x3D, 1}, {0x13, 3}} {
		l := newLab(t, connmgr.Config{})
		links := l.countLog(func(e sim.Entry) bool { return e.Kind == sim.LogLinkUp && e.Node == "hci0" })
		l.sensorAt(1, 100*time.Millisecond, sim.Temper{
			SecurityRequests: []sim.SecurityRequest{{AuthReq: 0x0D}},
			Rules:            []sim.Rule{{On: sim.OnSecurityRefused, Do: sim.HangUp, Status: c.status}},
		})
		e := l.failToEstablish(nil)
		if !errors.Is(e, connmgr.ErrConnection) || errors.Is(e, connmgr.ErrBondLost) || len(e.Attempts) != 1 || links() != c.links ||
			e.Advice != "the device wants a paired connection: pair with it first" {
			t.Errorf("0x%02x: %v after %d links, want the advice to pair after %d", uint8(c.status), e, links(), c.links)
		}
		if in := e.Attempts[0].Situation; in == nil || !in.SecurityRefused || in.Encrypted || in.Adapter != "hci0" {
			t.Errorf("0x%02x: situation %+v", uint8(c.status), in)
		}
		l.m.Close()
	}
}

// A device that never had a bond has none to lose.
func TestNoBondIsLostWithoutOne(t *testing.T) { inBubble(t, testNoBondIsLostWithoutOne) }

func testNoBondIsLostWithoutOne(t *testing.T) {
	for _, st := range []hci.Status{0x05, 0x06, 0x3D} {
		l := newLab(t, connmgr.Config{})
		l.sensorAt(1, 100*time.Millisecond, resting(st, time.Hour))
		if e := l.failToEstablish(single()); errors.Is(e, connmgr.ErrBondLost) || !errors.Is(e, connmgr.ErrConnection) {
			t.Errorf("0x%02x: %v, want a failed connection", uint8(st), e)
		}
		l.m.Close()
	}
}

// The error of a device that is not heard says which adapter heard it, and when.
func TestErrorNamesWhoHeardTheDevice(t *testing.T) { inBubble(t, testErrorNamesWhoHeardTheDevice) }

func testErrorNamesWhoHeardTheDevice(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.device(1)
	time.Sleep(second)
	l.air.SetAway(p, true)
	time.Sleep(19 * second)
	e := l.failToEstablish(single())
	if want := "hci0 heard the device 39 s ago, and no adapter since: check that it is on and advertises, or bring it closer"; e.Advice != want {
		t.Errorf("advice %q, want %q", e.Advice, want)
	}
	h := e.Attempts[0].Situation.Heard
	if ago := h.Ago.Round(second); h.Adapter != "hci0" || !h.Connectable || ago != 39*second {
		t.Errorf("heard %+v", h)
	}
}

// The events of one attempt, and its record, name the same address, whatever
// Options.Device returns in between.
func TestEventsOfOneAttemptNameOneAddress(t *testing.T) {
	inBubble(t, testEventsOfOneAttemptNameOneAddress)
}

func testEventsOfOneAttemptNameOneAddress(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	r := l.watchAttempts()
	// Each attempt dials again by itself.
	l.adapters[0].Fault(sim.ConnectFault{Times: sim.Always, Status: hci.StatusFailedToEstablish})
	calls := 0
	for n := range 10 {
		l.sensorAt(n, 100*time.Millisecond, sim.Temper{})
	}
	p := connmgr.DefaultPolicy()
	p.MinPersistence = 0
	e := l.failToEstablish(&connmgr.Options{Policy: &p, Device: func() (connmgr.Device, bool) {
		calls++
		return connmgr.Device{Addr: address(calls % 10)}, true
	}})
	if len(e.Attempts) != 9 || calls != 9 || e.Address != address(9) {
		t.Fatalf("%d attempts, %d calls, error of %v", len(e.Attempts), calls, e.Address)
	}
	started, failed := r.events()
	for _, s := range started {
		if s.Address != address(s.Attempt) {
			t.Errorf("attempt %d began with %v", s.Attempt, s.Address)
		}
	}
	for i, f := range failed {
		if f.Address != address(i+1) || e.Attempts[i].Address != f.Address {
			t.Errorf("attempt %d failed with %v, recorded as %v", i+1, f.Address, e.Attempts[i].Address)
		}
	}
}

// A device without an address is refused and dials nobody.
func TestDeviceWithoutAddressIsRefused(t *testing.T) { inBubble(t, testDeviceWithoutAddressIsRefused) }

func testDeviceWithoutAddressIsRefused(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	dials := l.countLog(isDial)
	begin := time.Now()
	e := l.failToEstablish(&connmgr.Options{Device: func() (connmgr.Device, bool) { return connmgr.Device{}, true }})
	const want = "Options.Device returned a device without an address"
	if e.Err.Error() != want || len(e.Attempts) != 1 || time.Since(begin) != 0 || dials() != 0 {
		t.Errorf("%v after %v and %d dials, want %s", e, time.Since(begin), dials(), want)
	}
}

// The advice on a device that fails the MTU request names that step.
func TestAdviceNamesTheMTURequest(t *testing.T) { inBubble(t, testAdviceNamesTheMTURequest) }

func testAdviceNamesTheMTURequest(t *testing.T) {
	for _, c := range []struct {
		opcode att.Opcode
		phase  errclass.Phase
		advice string
	}{
		{att.OpExchangeMTUReq, errclass.PhaseMTU, "at the MTU request"},
		{att.OpReadByGroupTypeReq, errclass.PhaseDiscover, "while its services were read"},
	} {
		l := newLab(t, connmgr.Config{})
		l.picky(uart(), sim.Rule{On: sim.OnRequest, Opcode: c.opcode, Do: sim.HangUp})
		e := l.failToEstablish(single())
		if in := e.Attempts[0].Situation; in == nil || in.Phase != c.phase || !strings.Contains(e.Advice, c.advice) {
			t.Errorf("%v: situation %+v, advice %q, want phase %v and %q", c.opcode, in, e.Advice, c.phase, c.advice)
		}
		l.m.Close()
	}
}

// A device that ends the link while it is being paired is not to be paired first.
func TestDeviceThatRefusesToPair(t *testing.T) { inBubble(t, testDeviceThatRefusesToPair) }

func testDeviceThatRefusesToPair(t *testing.T) {
	const advice = "the device refuses to pair: put it into its pairing mode; or it still has a bond with this host: remove that on the device"
	for _, reason := range []hci.Status{hci.StatusAuthenticationFailure, hci.StatusKeyMissing} {
		for packets := range 9 { // of the pairing, until the end
			l := newLab(t, connmgr.Config{})
			l.guarded(&smp.Config{})
			l.adapters[0].Fault(sim.LinkFault{Times: sim.Always, After: packets, Reason: reason})
			o := single()
			o.Pair = true
			e := l.failToEstablish(o)
			if at := e.Attempts[0]; at.Phase != connmgr.PhaseSecure || e.Advice != advice {
				t.Errorf("0x%02x after %d packets: phase %s, advice %q", uint8(reason), packets, at.Phase, e.Advice)
			}
			l.m.Close()
		}
	}
}
