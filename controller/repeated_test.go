package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// enhanced reports a connection with handle 1 by LE Enhanced Connection Complete.
func (h *harness) enhanced(role hci.Role, peer hci.Addr, rpa hci.MAC) {
	h.event(&hci.LEEnhancedConnectionComplete{Handle: 1, Role: role, Peer: peer, PeerRPA: rpa, Params: hci.ConnParamsInUse{Timeout: time.Second}})
}

// dialed makes the link with handle 1 by a dial and returns it.
func (h *harness) dialed(peer hci.Addr, report func()) (l *Link) {
	h.t.Helper()
	h.do(func(time.Time) {
		h.c.dial.addDial(&dial{peers: []hci.Addr{peer}, done: func(got *Link, _ error) { l = got }})
	})
	h.c.out = nil
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	report()
	if l == nil || l.handle != 1 {
		h.t.Fatalf("the dial got %v", l)
	}
	return l
}

// TestRepeatedConnectionEvent reports a connection twice: in the same form, in the
// other form, by the private address of the peer, at once and while the link is in use.
func TestRepeatedConnectionEvent(t *testing.T) {
	rpa := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0x46}, Kind: hci.AddrRandom}
	for name, repeat := range map[string]func(h *harness){
		"same form":       func(h *harness) { h.connected(hci.StatusSuccess, 1, peerA) },
		"enhanced form":   func(h *harness) { h.enhanced(hci.RoleCentral, peerA, hci.MAC{}) },
		"private address": func(h *harness) { h.connected(hci.StatusSuccess, 1, rpa) },
	} {
		for _, wait := range []time.Duration{0, time.Minute} {
			h := newHarness(t, 1)
			l := h.dialed(peerA, func() { h.enhanced(hci.RoleCentral, peerA, rpa.MAC) })
			h.pass(wait)
			repeat(h)
			h.idle(name)
			if l.Err() != nil || h.c.links[1] != l || h.c.stats.RepeatedEvents != 1 {
				t.Errorf("%s after %v: link %v, %d repeated events", name, wait, l.Err(), h.c.stats.RepeatedEvents)
			}
		}
	}
}

// TestRepeatedConnectionEventBesideADial repeats the event of one link while the
// controller initiates to another peer.
func TestRepeatedConnectionEventBesideADial(t *testing.T) {
	h := newHarness(t, 1)
	l := h.dialed(peerA, func() { h.connected(hci.StatusSuccess, 1, peerA) })
	h.do(func(time.Time) {
		h.c.dial.addDial(&dial{peers: []hci.Addr{peerB}, done: func(*Link, error) { t.Error("the dial ended") }})
	})
	h.c.out = nil
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.idle("the dial goes on")
	if l.Err() != nil || h.c.dial.state != dialInitiating {
		t.Errorf("link %v, dial state %v", l.Err(), h.c.dial.state)
	}
}

// TestRepeatedConnectionEventAsPeripheral repeats the event of a central's connection.
func TestRepeatedConnectionEventAsPeripheral(t *testing.T) {
	h := newHarness(t, 1)
	h.c.adv.main.opts, h.c.adv.main.running = &AdvertiseOptions{}, true
	h.enhanced(hci.RolePeripheral, peerA, hci.MAC{})
	l := h.c.links[1]
	h.enhanced(hci.RolePeripheral, peerA, hci.MAC{})
	h.idle("one link, no advertising")
	if l.Err() != nil || h.c.links[1] != l || h.c.stats.RepeatedEvents != 1 {
		t.Errorf("link %v, %d repeated events", l.Err(), h.c.stats.RepeatedEvents)
	}
}

// TestNewLinkWithAnOldHandle is no repetition: a dial waits for the peer, or another
// peer has the handle.
func TestNewLinkWithAnOldHandle(t *testing.T) {
	h := newHarness(t, 1)
	l := h.dialed(peerA, func() { h.connected(hci.StatusSuccess, 1, peerA) })
	again := h.dialed(peerA, func() { h.connected(hci.StatusSuccess, 1, peerA) })
	if !errors.Is(l.Err(), ErrStale) || again.Err() != nil || h.c.stats.RepeatedEvents != 0 {
		t.Errorf("old link %v, new link %v", l.Err(), again.Err())
	}
}

// TestConnectionEventAfterItsEnd reorders the two events of a short link, as central
// and as peripheral. The host must not keep a link that the controller does not have.
func TestConnectionEventAfterItsEnd(t *testing.T) {
	for _, role := range []hci.Role{hci.RoleCentral, hci.RolePeripheral} {
		h := newHarness(t, 1)
		if role == hci.RoleCentral {
			h.do(func(time.Time) {
				h.c.dial.addDial(&dial{peers: []hci.Addr{peerA}, done: func(*Link, error) {}})
			})
			h.c.out = nil
			h.status(hci.OpLECreateConnection, hci.StatusSuccess)
		} else {
			h.c.adv.main.running = true
		}
		h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusFailedToEstablish})
		h.c.out = nil
		h.enhanced(role, peerA, hci.MAC{})
		l := h.c.links[1]
		h.want(hci.ReadRSSI{Handle: 1}, "does the controller have the link?")
		h.complete(hci.OpReadRSSI, hci.StatusUnknownConnection)
		if !errors.Is(l.Err(), ErrEventLost) || len(h.c.links) != 0 {
			t.Errorf("role %v: link %v", role, l.Err())
		}
	}
}

// TestLateConnectionEventAsPeripheral repeats a connection event after the end of the
// link, when the controller does not advertise.
func TestLateConnectionEventAsPeripheral(t *testing.T) {
	h := newHarness(t, 1)
	h.c.adv.main.running = true
	h.enhanced(hci.RolePeripheral, peerA, hci.MAC{})
	h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusRemoteUserTerminated})
	h.enhanced(hci.RolePeripheral, peerA, hci.MAC{})
	h.want(hci.ReadRSSI{Handle: 1}, "no advertising could have led to the link")
	h.complete(hci.OpReadRSSI, hci.StatusUnknownConnection)
	if len(h.c.links) != 0 {
		t.Error("the link stays")
	}
}

// TestImpossibleHandle reports a connection with a handle beyond the last one, which no
// command can name: the dial fails at once.
func TestImpossibleHandle(t *testing.T) {
	for _, handle := range []hci.Handle{hci.MaxHandle + 1, 0x0FFF} {
		h := newHarness(t, 1)
		var got error
		h.do(func(time.Time) {
			h.c.dial.addDial(&dial{peers: []hci.Addr{peerA}, done: func(_ *Link, err error) { got = err }})
		})
		h.c.out = nil
		h.status(hci.OpLECreateConnection, hci.StatusSuccess)
		h.connected(hci.StatusSuccess, handle, peerA)
		h.idle("after the event")
		if !errors.Is(got, hci.StatusUnspecified) || len(h.c.links) != 0 || h.c.stats.MalformedPackets != 1 {
			t.Errorf("handle %#04x: dial ended with %v, %d links, %+v", uint16(handle), got, len(h.c.links), h.c.stats)
		}
	}
}
