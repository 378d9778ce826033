package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// acked reports one packet of a link as completed.
func (h *harness) acked(handle hci.Handle) {
	h.event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: handle, Count: 1}}})
}

// write sends one data packet on l.
func (h *harness) write(l *Link) {
	h.t.Helper()
	h.do(func(time.Time) { l.SendACL(true, []byte("x")) })
	h.wantData(l.handle, true, "x", "there are buffers")
}

// wantStalled fails unless the controller is asked to end l, which then ends with
// cause.
func (h *harness) wantStalled(l *Link, cause error) {
	h.t.Helper()
	h.want(hci.Disconnect{Handle: l.handle, Reason: hci.StatusRemoteUserTerminated}, "the link is stalled")
	h.status(hci.OpDisconnect, hci.StatusSuccess)
	h.event(&hci.DisconnectionComplete{Handle: l.handle, Reason: hci.StatusLocalHostTerminated})
	if !errors.Is(l.Err(), cause) {
		h.t.Errorf("the link ended with %v, want %v", l.Err(), cause)
	}
}

// TestDataThatIsNeverAcknowledged loses all credits of the only link. The controller
// still answers questions about the link, so the fault is its own.
func TestDataThatIsNeverAcknowledged(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(1, peerA) // supervision timeout 1 s: the limit is the least one, 6 s
	h.write(l)
	h.pass(5 * time.Second)
	h.acked(1)
	h.write(l)
	h.pass(6*time.Second - 1)
	h.idle("the peer has a time")
	h.pass(1)
	h.want(hci.ReadRSSI{Handle: 1}, "does the controller have the link?")
	h.complete(hci.OpReadRSSI, hci.StatusSuccess, 1, 0, 0xD0)
	h.wantStalled(l, ErrNoDataCredit)
	if h.c.err != nil || h.c.stats.StalledLinks != 1 || h.c.data.free != 4 {
		t.Errorf("controller %v, %d stalled links, %d buffers free; want none, 1, 4", h.c.err, h.c.stats.StalledLinks, h.c.data.free)
	}
}

// TestStallLimitFollowsTheSupervisionTimeout gives a link with a long supervision
// timeout two seconds more than that.
func TestStallLimitFollowsTheSupervisionTimeout(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(1, peerA)
	h.event(&hci.LEConnectionUpdateComplete{Handle: 1, Params: hci.ConnParamsInUse{Interval: time.Second, Timeout: 20 * time.Second}})
	h.write(l)
	h.pass(22*time.Second - 1)
	h.idle("the supervision timeout and 2 s are not over")
	h.pass(1)
	h.want(hci.ReadRSSI{Handle: 1}, "now they are")
}

// TestStallWithoutALink finds by the question that the link has ended.
func TestStallWithoutALink(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(1, peerA)
	h.write(l)
	h.pass(6 * time.Second)
	h.want(hci.ReadRSSI{Handle: 1}, "asks")
	h.complete(hci.OpReadRSSI, hci.StatusUnknownConnection)
	h.idle("there is nothing to end")
	if !errors.Is(l.Err(), ErrEventLost) || h.c.stats.LostEvents != 1 || h.c.stats.StalledLinks != 0 {
		t.Errorf("link %v, %+v", l.Err(), h.c.stats)
	}
}

// TestStallThatEndsDuringTheQuestion keeps a link whose data is acknowledged before
// the answer.
func TestStallThatEndsDuringTheQuestion(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(1, peerA)
	h.write(l)
	h.pass(6 * time.Second)
	h.want(hci.ReadRSSI{Handle: 1}, "asks")
	h.acked(1)
	h.complete(hci.OpReadRSSI, hci.StatusSuccess, 1, 0, 0xD0)
	h.pass(time.Hour)
	h.idle("nothing is in flight")
	if l.Err() != nil {
		t.Errorf("the link ended: %v", l.Err())
	}
}

// TestStallBesideALinkThatWorks blames the peer: the controller returns the buffers of
// the other link.
func TestStallBesideALinkThatWorks(t *testing.T) {
	h := newHarness(t, 8)
	a, b := h.link(1, peerA), h.link(2, peerB)
	h.write(a)
	for range 6 {
		h.pass(time.Second - 1)
		h.write(b)
		h.pass(1)
		h.acked(2)
	}
	h.wantStalled(a, ErrUnacknowledged)
	if b.Err() != nil || h.c.err != nil {
		t.Errorf("link %v, controller %v; want both up", b.Err(), h.c.err)
	}
}

// TestStallThatTheControllerDoesNotExplain blames the peer when the controller does not
// confirm the link.
func TestStallThatTheControllerDoesNotExplain(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(1, peerA)
	h.write(l)
	h.pass(6 * time.Second)
	h.want(hci.ReadRSSI{Handle: 1}, "asks")
	h.complete(hci.OpReadRSSI, hci.StatusUnknownCommand)
	h.want(hci.LEReadChannelMap{Handle: 1}, "asks in another way")
	h.complete(hci.OpLEReadChannelMap, hci.StatusUnknownCommand)
	h.wantStalled(l, ErrUnacknowledged)
}

// TestStallOfTwoPeers ends the controller: two peers do not fail at once.
func TestStallOfTwoPeers(t *testing.T) {
	h := newHarness(t, 8)
	a, b := h.link(1, peerA), h.link(2, peerB)
	h.write(a)
	h.pass(2 * time.Second)
	h.write(b)
	h.pass(4 * time.Second)
	h.wantStalled(a, ErrNoDataCredit) // no question: no link of two gets a buffer back
	if h.c.err != nil {
		t.Fatalf("one peer is no evidence against the controller: %v", h.c.err)
	}
	h.pass(2 * time.Second)
	h.want(hci.ReadRSSI{Handle: 2}, "the other link is the only one now")
	h.complete(hci.OpReadRSSI, hci.StatusSuccess, 2, 0, 0xD0)
	if !errors.Is(h.c.err, ErrNoDataCredit) || !errors.Is(b.Err(), ErrNoDataCredit) {
		t.Errorf("controller %v, link %v; want both ended for want of credits", h.c.err, b.Err())
	}
}

// TestStallOfTwoPeersBesideALinkThatMayWork ends no more than the two links.
func TestStallOfTwoPeersBesideALinkThatMayWork(t *testing.T) {
	h := newHarness(t, 8)
	a, b, c := h.link(1, peerA), h.link(2, peerB), h.link(3, hci.Addr{MAC: hci.MAC{3}})
	h.write(a)
	h.pass(2 * time.Second)
	h.write(b)
	h.pass(4 * time.Second)
	h.wantStalled(a, ErrNoDataCredit)
	h.pass(2 * time.Second)
	h.want(hci.ReadRSSI{Handle: 2}, "asks")
	h.complete(hci.OpReadRSSI, hci.StatusSuccess, 2, 0, 0xD0)
	h.wantStalled(b, ErrNoDataCredit)
	if h.c.err != nil || c.Err() != nil {
		t.Errorf("controller %v, link without data %v; want both up", h.c.err, c.Err())
	}
}

// TestStallsOfTwoPeersLongApart is no evidence against the controller.
func TestStallsOfTwoPeersLongApart(t *testing.T) {
	h := newHarness(t, 8)
	for i, peer := range []hci.Addr{peerA, peerB} {
		l := h.link(hci.Handle(i+1), peer)
		h.write(l)
		h.pass(6 * time.Second)
		h.want(hci.ReadRSSI{Handle: l.handle}, "asks")
		h.complete(hci.OpReadRSSI, hci.StatusSuccess, byte(l.handle), 0, 0xD0)
		h.wantStalled(l, ErrNoDataCredit)
		h.pass(2 * time.Minute)
	}
	if h.c.err != nil {
		t.Errorf("the controller ended: %v", h.c.err)
	}
}

// TestStallsOfTwoPeersWithDataBetween is no evidence against the controller.
func TestStallsOfTwoPeersWithDataBetween(t *testing.T) {
	h := newHarness(t, 8)
	for i, peer := range []hci.Addr{peerA, peerB} {
		l := h.link(hci.Handle(i+1), peer)
		h.write(l)
		h.acked(l.handle)
		h.write(l)
		h.pass(6 * time.Second)
		h.want(hci.ReadRSSI{Handle: l.handle}, "asks")
		h.complete(hci.OpReadRSSI, hci.StatusSuccess, byte(l.handle), 0, 0xD0)
		h.wantStalled(l, ErrNoDataCredit)
	}
	if h.c.err != nil {
		t.Errorf("the controller ended: %v", h.c.err)
	}
}

// TestLostCreditOfALinkThatWorks loses the credit of one packet, which the peer
// answers. The link stays until no buffer is left for its data.
func TestLostCreditOfALinkThatWorks(t *testing.T) {
	h := newHarness(t, 2)
	l := h.link(1, peerA)
	h.write(l)
	h.pass(time.Second)
	h.c.handlePacket(h.now, hci.AppendACL(nil, 1, true, []byte("answer")))
	h.pass(time.Hour)
	h.idle("the peer has answered")
	if due := h.c.timers.nextDue(); !due.IsZero() {
		t.Errorf("a timer runs until %v, although nothing is sent", due)
	}
	h.write(l)
	h.do(func(time.Time) { l.SendACL(true, []byte("waits")) })
	h.idle("both buffers are in use")
	h.pass(6*time.Second - 1)
	h.idle("the peer has a time")
	h.pass(1)
	h.want(hci.ReadRSSI{Handle: 1}, "data waits for a buffer")
}

// TestStallAfterARefusedDisconnect judges a link again, after a whole limit, if the
// controller has refused to end it.
func TestStallAfterARefusedDisconnect(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(1, peerA)
	h.write(l)
	for range 3 {
		h.pass(6*time.Second - 1)
		h.idle("a whole limit")
		h.pass(1)
		h.want(hci.ReadRSSI{Handle: 1}, "asks")
		h.complete(hci.OpReadRSSI, hci.StatusUnspecified)
		h.want(hci.Disconnect{Handle: 1, Reason: hci.StatusRemoteUserTerminated}, "the link is stalled")
		h.status(hci.OpDisconnect, hci.StatusCommandDisallowed)
		if l.Err() != nil {
			t.Fatalf("the link ended: %v", l.Err())
		}
	}
	h.acked(1)
	h.pass(time.Hour)
	h.idle("nothing is in flight")
}

// TestStallIsJudged has one link stall in each situation of the others.
func TestStallIsJudged(t *testing.T) {
	for _, c := range []struct {
		name   string
		others func(h *harness) // called at the first packet, 6 s before the verdict
		answer hci.Status       // to the question about the link; 0xFF if there is none
		want   error
	}{
		{"alone, and the controller knows the link", func(*harness) {}, hci.StatusSuccess, ErrNoDataCredit},
		{"alone, and the controller does not explain it", func(*harness) {}, hci.StatusUnspecified, ErrUnacknowledged},
		{"beside an idle link", func(h *harness) { h.link(2, peerB) }, hci.StatusSuccess, ErrNoDataCredit},
		{"beside an idle link, not explained", func(h *harness) { h.link(2, peerB) }, hci.StatusUnspecified, ErrUnacknowledged},
		{"beside a link whose data was acknowledged early", func(h *harness) {
			l := h.link(2, peerB)
			h.pass(time.Second)
			h.write(l)
			h.acked(2)
		}, 0xFF, ErrUnacknowledged},
		{"beside a link that waits as well", func(h *harness) { h.write(h.link(2, peerB)) }, 0xFF, ErrNoDataCredit},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, 8)
			h.t = t
			l := h.link(1, peerA)
			h.write(l)
			due := h.now.Add(6 * time.Second)
			c.others(h)
			h.pass(due.Sub(h.now))
			if c.answer != 0xFF {
				h.want(hci.ReadRSSI{Handle: 1}, "asks")
				h.complete(hci.OpReadRSSI, c.answer, 1, 0, 0xD0)
			}
			h.wantStalled(l, c.want)
			if h.c.err != nil {
				t.Errorf("one peer has ended the controller: %v", h.c.err)
			}
		})
	}
}
