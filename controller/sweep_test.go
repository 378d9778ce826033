package controller

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

func disconnect(h hci.Handle) hci.Disconnect {
	return hci.Disconnect{Handle: h, Reason: hci.StatusRemoteUserTerminated}
}

// A Connection Complete is lost, and the controller refuses a dial because of the
// unknown link. The sweep finds its handle, and the dial succeeds.
func TestDialAfterALostConnectionComplete(t *testing.T) {
	h := newHarness(t, 4)
	h.link(0x41, peerB)
	r := h.dial(nil, peerA)
	h.want(create(peerA), "the dial")
	h.status(hci.OpLECreateConnection, hci.StatusConnectionExists)
	for handle := hci.Handle(0x39); handle <= 0x49; handle++ {
		if handle == 0x41 {
			continue // a link of this host
		}
		h.want(disconnect(handle), "the next handle that the link may have")
		if handle != 0x43 {
			h.status(hci.OpDisconnect, hci.StatusUnknownConnection)
			continue
		}
		h.status(hci.OpDisconnect, hci.StatusSuccess)
	}
	h.idle("the link is about to end")
	h.event(&hci.DisconnectionComplete{Handle: 0x43, Reason: hci.StatusLocalHostTerminated})
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 0x43, peerA)
	h.wantDialed(r, nil)
	if h.c.stats.LostEvents != 1 {
		t.Errorf("counted %d lost events, want 1", h.c.stats.LostEvents)
	}
}

// A Connection Complete is lost while several dials share the initiation. A controller
// that initiates by accept list does not refuse a dial for the unknown link. It is found
// when the initiation is canceled: the controller says that nothing is pending, and no
// event follows. Dials go on sharing initiations.
func TestCancelAfterALostConnectionComplete(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 4
	peerC := hci.Addr{MAC: hci.MAC{0xC1}}
	h.link(0x41, peerB)
	short := h.dial(&ConnectOptions{Timeout: time.Second}, peerC)
	h.want(create(peerC), "the first dial")
	r := h.dial(nil, peerA)
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.regroup("the second dial joins it")
	h.initiateAny(peerA, peerC)
	h.pass(time.Second)
	h.want(hci.LECreateConnectionCancel{}, "the first dial has expired")
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusCommandDisallowed)
	h.pass(cancelWait - 1)
	h.idle("the event may be late")
	h.pass(1)
	h.wantDialed(short, ErrDialTimeout)
	for handle := hci.Handle(0x39); handle <= 0x49; handle++ {
		if handle == 0x41 {
			continue // a link of this host
		}
		h.want(disconnect(handle), "the next handle that the link may have")
		if handle != 0x42 {
			h.status(hci.OpDisconnect, hci.StatusUnknownConnection)
			continue
		}
		h.status(hci.OpDisconnect, hci.StatusSuccess)
	}
	h.idle("the link is about to end")
	h.event(&hci.DisconnectionComplete{Handle: 0x42, Reason: hci.StatusLocalHostTerminated})
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 0x43, peerA)
	h.wantDialed(r, nil)
	if h.c.dial.mute || h.c.stats.LostEvents != 1 {
		t.Errorf("mute %v, %d lost events; want false and 1", h.c.dial.mute, h.c.stats.LostEvents)
	}
}

// The sweep finds nothing. The error says so, and a dial sweeps only once.
func TestDialWhoseUnknownLinkIsNotFound(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(nil, peerA)
	h.want(create(peerA), "the dial")
	h.status(hci.OpLECreateConnection, hci.StatusConnectionExists)
	for handle := range hci.Handle(17) {
		h.want(disconnect(handle), "no handle has been seen yet")
		h.status(hci.OpDisconnect, hci.StatusUnknownConnection)
	}
	h.want(create(peerA), "again")
	h.status(hci.OpLECreateConnection, hci.StatusConnectionExists)
	h.idle("not twice")
	h.wantDialed(r, ErrUnknownLink)
	if !errors.Is(r.err, hci.StatusConnectionExists) {
		t.Errorf("%v hides the status", r.err)
	}
}

// A controller that does not answer Disconnect does not block the dial.
func TestSweepEndsInTime(t *testing.T) {
	h := newHarness(t, 4)
	r := h.dial(&ConnectOptions{Timeout: time.Minute}, peerA)
	h.want(create(peerA), "the dial")
	h.status(hci.OpLECreateConnection, hci.StatusConnectionExists)
	h.want(disconnect(0), "the first handle")
	h.status(hci.OpDisconnect, hci.StatusSuccess)
	for handle := hci.Handle(1); handle < 17; handle++ {
		h.want(disconnect(handle), "the next")
		h.status(hci.OpDisconnect, hci.StatusUnknownConnection)
	}
	h.pass(sweepWait - 1)
	h.idle("the completion may come")
	h.pass(1)
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 0x40, peerA)
	h.wantDialed(r, nil)
}

// Data of an unknown link ends the link, unless its event comes within a second.
func TestDataOfAnUnknownLink(t *testing.T) {
	h := newHarness(t, 4)
	data := hci.AppendACL(nil, 0x44, true, []byte{1, 0, 4, 0, 0x0A})
	h.c.handlePacket(h.now, data)
	h.idle("the event may be late")
	h.pass(unknownGrace - 1)
	h.c.handlePacket(h.now, data)
	h.idle("not yet")
	h.pass(1)
	h.want(disconnect(0x44), "nobody here knows the link")
	h.status(hci.OpDisconnect, hci.StatusSuccess)
	h.event(&hci.DisconnectionComplete{Handle: 0x44, Reason: hci.StatusLocalHostTerminated})
	h.idle("done")

	h.c.handlePacket(h.now, data)
	h.pass(unknownGrace / 2)
	h.connected(hci.StatusSuccess, 0x44, peerA) // nobody waits for it
	h.want(disconnect(0x44), "unwanted")
	h.status(hci.OpDisconnect, hci.StatusSuccess)
	h.pass(unknownGrace)
	h.idle("the link is known")
}

// The completion of a connection as peripheral is lost, and the central disconnects.
// The controller has not advertised since, so advertising restarts.
func TestAdvertisingAfterALostConnectionComplete(t *testing.T) {
	h := newHarness(t, 4)
	h.advertise(&AdvertiseOptions{})
	h.takes("set up", legacyAdv(hci.AdvInd), hci.LESetAdvertisingData{}, hci.LESetScanResponseData{}, hci.LESetAdvertisingEnable{Enable: true})
	h.event(&hci.DisconnectionComplete{Handle: 0x45, Reason: hci.StatusRemoteUserTerminated})
	h.want(hci.LESetAdvertisingEnable{Enable: true}, "advertising had ended")
}

// With the extended commands, the event about the end of the set restarts advertising
// at once.
func TestSetTerminatedForAnUnknownLink(t *testing.T) {
	h := newHarness(t, 4)
	h.c.adv.main.running, h.c.adv.main.opts = true, &AdvertiseOptions{}
	h.event(&hci.LEAdvertisingSetTerminated{Handle: 0x45})
	h.want(hci.LESetAdvertisingEnable{Enable: true}, "the set has ended, and no link is there")
}

// A dial to a peer whose link is being disconnected waits for its end, also while
// queued data is being delivered.
func TestDialWhileALinkDrains(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(0x41, peerA)
	h.do(func(time.Time) { l.SendACL(true, []byte("x")) })
	h.wantData(0x41, true, "x", "written")
	ctx, cancel := canceled()
	defer cancel()
	_ = l.Disconnect(ctx)
	r := h.dial(nil, peerA)
	h.idle("the link drains")
	h.event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 0x41, Count: 1}}})
	h.want(disconnect(0x41), "delivered")
	h.status(hci.OpDisconnect, hci.StatusSuccess)
	h.event(&hci.DisconnectionComplete{Handle: 0x41, Reason: hci.StatusLocalHostTerminated})
	h.initiate(peerA)
	h.connected(hci.StatusSuccess, 0x41, peerA)
	h.wantDialed(r, nil)
}

// Dials that share an initiation fail by one event that is about the controller, and their
// errors have its number and the peers of all.
func TestFailuresOfOneInitiationHaveOneNumber(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.AcceptListSize = 4
	fail := func() (a, b *ConnectError) {
		x := h.dial(nil, peerA, peerB)
		h.initiateAny(peerA, peerB)
		y := h.dial(nil, peerB)
		h.regroup("the second dial joins")
		h.initiateAny(peerB, peerA)
		h.connected(hci.StatusRejectedResources, 0, hci.Addr{})
		h.wantDialed(x, hci.StatusRejectedResources)
		h.wantDialed(y, hci.StatusRejectedResources)
		a, _ = errors.AsType[*ConnectError](x.err)
		b, _ = errors.AsType[*ConnectError](y.err)
		return a, b
	}
	a, b := fail()
	if a.Initiation == 0 || a.Initiation != b.Initiation {
		t.Errorf("the failures of one event have the numbers %d and %d", a.Initiation, b.Initiation)
	}
	for _, e := range []*ConnectError{a, b} {
		if want := []hci.Addr{peerB, peerA}; !slices.Equal(e.Shared, want) {
			t.Errorf("the failure names %v, want %v", e.Shared, want)
		}
	}
	if c, _ := fail(); c.Initiation == a.Initiation {
		t.Errorf("the failures of two events have the number %d", c.Initiation)
	}
}

// LastHeard follows the data and the acknowledgments of the peer.
func TestLastHeard(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(0x41, peerA)
	want := func(at time.Time, why string) {
		t.Helper()
		if got := l.LastHeard(); !got.Equal(at) {
			t.Errorf("%s: heard at %v, want %v", why, got, at)
		}
	}
	want(h.now, "a new link")
	h.pass(time.Second)
	h.do(func(time.Time) { l.SendACL(true, []byte("x")) })
	h.wantData(0x41, true, "x", "written")
	want(h.now.Add(-time.Second), "sent, and no more")
	h.event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: 0x41, Count: 1}}})
	want(h.now, "acknowledged")
	h.pass(time.Second)
	h.c.handlePacket(h.now, hci.AppendACL(nil, 0x41, true, []byte("y")))
	want(h.now, "data")
}
