package controller

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// fill queues n packets of one octet on l.
func (h *harness) fill(l *Link, n int) {
	h.do(func(time.Time) {
		for range n {
			l.SendACL(true, []byte("x"))
		}
	})
}

// sentData returns the number of data packets of each handle that were sent, and forgets
// them.
func (h *harness) sentData() map[hci.Handle]int {
	sent := map[hci.Handle]int{}
	for _, p := range h.c.out {
		if hdr, _, err := hci.ParseACL(p[1:]); err == nil {
			sent[hdr.Handle]++
		}
	}
	h.c.out = nil
	return sent
}

// free reports n packets of a link as completed.
func (h *harness) free(handle hci.Handle, n uint16) {
	h.event(&hci.NumberOfCompletedPackets{Counts: []hci.CompletedPackets{{Handle: handle, Count: n}}})
}

// prove has the peer of l acknowledge a packet.
func (h *harness) prove(l *Link) {
	h.t.Helper()
	h.fill(l, 1)
	if n := h.sentData()[l.handle]; n != 1 {
		h.t.Fatalf("%d packets sent, want 1", n)
	}
	h.free(l.handle, 1)
}

// TestSilentLinkGetsNoMore has one of two links stop acknowledging. It keeps the buffers
// that it has; all others are for the other link.
func TestSilentLinkGetsNoMore(t *testing.T) {
	h := newHarness(t, 8)
	silent, other := h.link(1, peerA), h.link(2, peerB)
	h.prove(silent)
	h.prove(other)
	h.fill(silent, 2)
	if n := h.sentData()[1]; n != 2 {
		t.Fatalf("%d packets of the first link sent, want 2", n)
	}
	h.pass(time.Second)
	h.fill(silent, 8)
	h.fill(other, 12)
	if sent := h.sentData(); sent[1] != 0 || sent[2] != 6 {
		t.Errorf("sent %v, want none of the silent link and the 6 free buffers for the other one", sent)
	}
	h.free(2, 4)
	if sent := h.sentData(); sent[1] != 0 || sent[2] != 4 {
		t.Errorf("sent %v, want the 4 buffers for the link that returned them", sent)
	}
	h.free(1, 2)
	h.free(2, 6)
	if sent := h.sentData(); sent[1] == 0 {
		t.Errorf("sent %v, want data of the link that is heard again", sent)
	}
}

// TestLinkNotHeardGetsOneBuffer has one of two links silent for a second.
func TestLinkNotHeardGetsOneBuffer(t *testing.T) {
	h := newHarness(t, 8)
	silent, other := h.link(1, peerA), h.link(2, peerB)
	h.pass(time.Second + 1)
	h.prove(other)
	h.fill(silent, 8)
	h.fill(other, 12)
	if sent := h.sentData(); sent[1] != 1 || sent[2] != 7 {
		t.Errorf("sent %v, want one packet of the link that was not heard, 7 of the other", sent)
	}
	h.free(2, 7)
	if sent := h.sentData(); sent[1] != 0 || sent[2] != 5 {
		t.Errorf("sent %v, want all others of the second link", sent)
	}
	h.free(1, 1)
	if sent := h.sentData(); sent[1] == 0 {
		t.Errorf("sent %v, want more of the first link, which has been heard", sent)
	}
}

// TestLastBufferIsKept has a link wait for a buffer beside one that takes all it can.
func TestLastBufferIsKept(t *testing.T) {
	h := newHarness(t, 8)
	greedy, other := h.link(1, peerA), h.link(2, peerB)
	h.prove(greedy)
	h.fill(greedy, 12)
	if n := h.sentData()[1]; n != 7 {
		t.Fatalf("%d packets sent, want 7 of 8", n)
	}
	h.fill(other, 3)
	if sent := h.sentData(); sent[1] != 0 || sent[2] != 1 {
		t.Errorf("sent %v, want one packet of the second link", sent)
	}
}

// TestServerLinkLeavesBuffers has a server send to one of two centrals. Half of the buffers and
// two are enough for an event that goes on; the others are left for the second central, even
// if the first one falls silent.
func TestServerLinkLeavesBuffers(t *testing.T) {
	h := newHarness(t, 8)
	greedy, other := h.serverLink(1, peerA), h.serverLink(2, peerB)
	h.prove(greedy)
	h.prove(other)
	h.fill(greedy, 16)
	if sent := h.sentData(); sent[1] != 6 {
		t.Fatalf("sent %v, want 6 packets of the first link", sent)
	}
	h.fill(other, 16)
	if sent := h.sentData(); sent[1] != 0 || sent[2] != 1 {
		t.Errorf("sent %v, want one packet of the second link at once", sent)
	}
	h.free(2, 1)
	h.pass(100 * time.Millisecond)
	if sent := h.sentData(); sent[1] != 0 || sent[2] != 2 {
		t.Errorf("sent %v, want the last two buffers for the second link", sent)
	}
	h.free(2, 2)
	if sent := h.sentData(); sent[1] != 0 || sent[2] != 2 {
		t.Errorf("sent %v, want both again for the second link", sent)
	}
}

// TestOnlyLinkGetsAllBuffers has a server with one central.
func TestOnlyLinkGetsAllBuffers(t *testing.T) {
	h := newHarness(t, 8)
	h.fill(h.serverLink(1, peerA), 16)
	if sent := h.sentData(); sent[1] != 8 {
		t.Errorf("sent %v, want all 8 buffers in use", sent)
	}
}

// TestEmptyPacket sends packets without data beside another link.
func TestEmptyPacket(t *testing.T) {
	h := newHarness(t, 8)
	l, other := h.serverLink(1, peerA), h.serverLink(2, peerB)
	h.fill(other, 4)
	h.do(func(time.Time) {
		for range 4 {
			l.SendACL(true, nil)
		}
	})
	for range 8 {
		h.free(1, 1)
		h.free(2, 1)
		h.pass(time.Second)
	}
	if sent := h.sentData(); sent[1] != 4 || sent[2] != 4 {
		t.Errorf("sent %v, want 4 packets of each link", sent)
	}
}
