package controller

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/queue"
)

// searched is a request of a test.
type searched struct {
	*syncRequest
	got error
}

// createSync is the command for a device of the tests.
func createSync(peer hci.Addr, sid uint8) hci.LEPeriodicAdvertisingCreateSync {
	return hci.LEPeriodicAdvertisingCreateSync{SID: sid, Advertiser: peer, Timeout: time.Second}
}

// searchSync asks for a synchronization with a device, with a queue of two reports.
func (h *harness) searchSync(peer hci.Addr, sid uint8) *searched {
	x := &searched{got: errPending}
	x.syncRequest = &syncRequest{
		cmd: createSync(peer, sid), sync: &Sync{advertiser: peer, sid: sid, queue: queue.New[SyncReport](2)},
		done: func(err error) {
			if x.got != errPending {
				h.t.Errorf("told twice: %v and %v", x.got, err)
			}
			x.got = err
		},
	}
	h.do(func(time.Time) { h.c.syncs.addRequest(x.syncRequest) })
	return x
}

func established(handle hci.Handle, peer hci.Addr, sid uint8) *hci.LEPeriodicAdvertisingSyncEstablished {
	return &hci.LEPeriodicAdvertisingSyncEstablished{Sync: handle, SID: sid, Advertiser: peer, PHY: hci.PHY2M, Interval: 50 * time.Millisecond}
}

// synced is a synchronization that is established, with handle 7.
func (h *harness) synced() *searched {
	h.t.Helper()
	x := h.searchSync(peerA, 3)
	h.want(createSync(peerA, 3), "search")
	h.status(hci.OpLEPeriodicAdvertisingCreateSync, hci.StatusSuccess)
	h.event(established(7, peerA, 3))
	if x.got != nil {
		h.t.Fatal(x.got)
	}
	h.idle("it is established")
	return x
}

// next returns the report that waits, or the end.
func (x *searched) next() (SyncReport, error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return x.sync.Next(ctx)
}

func piece(handle hci.Handle, status hci.PeriodicDataStatus, data []byte) *hci.LEPeriodicAdvertisingReport {
	return &hci.LEPeriodicAdvertisingReport{Sync: handle, RSSI: -60, TxPower: 127, CTEType: 0xFF, Status: status, Data: data}
}

func TestSyncReports(t *testing.T) {
	h := extendedHarness(t)
	x := h.synced()
	if x.sync.Interval() != 50*time.Millisecond || x.sync.PHY() != hci.PHY2M {
		t.Errorf("interval %v, PHY %v", x.sync.Interval(), x.sync.PHY())
	}
	h.event(piece(7, hci.PeriodicIncomplete, []byte{3, 0x7F}))
	if r, err := x.next(); err == nil {
		t.Errorf("a part is delivered: %+v", r)
	}
	h.event(piece(7, hci.PeriodicComplete, []byte{1, 2}))
	h.event(piece(7, hci.PeriodicTruncated, []byte{9}))
	for _, want := range []SyncReport{{Data: []byte{3, 0x7F, 1, 2}}, {Data: []byte{9}, Truncated: true}} {
		r, err := x.next()
		if err != nil || !bytes.Equal(r.Data, want.Data) || r.Truncated != want.Truncated || r.RSSI != -60 || r.TxPower != TxPowerUnknown || r.Time.IsZero() {
			t.Errorf("got %+v, %v, want %+v", r, err, want)
		}
	}
	for n := range byte(5) {
		h.event(piece(7, hci.PeriodicComplete, []byte{n}))
	}
	if r, err := x.next(); err != nil || r.Data[0] != 3 || x.sync.Dropped() != 3 {
		t.Errorf("got %+v, %v, %d dropped, want the newest two", r, err, x.sync.Dropped())
	}
	h.event(&hci.LEPeriodicAdvertisingSyncLost{Sync: 7})
	if r, err := x.next(); err != nil || r.Data[0] != 4 {
		t.Errorf("got %+v, %v, want what was queued", r, err)
	}
	if _, err := x.next(); !errors.Is(err, ErrSyncLost) {
		t.Errorf("ended with %v", err)
	}
	h.event(piece(7, hci.PeriodicComplete, []byte{1}))
	h.event(&hci.LEPeriodicAdvertisingSyncLost{Sync: 7})
	h.idle("it has ended")
	if h.c.stats.UnknownHandles != 2 {
		t.Errorf("%d events for unknown handles, want 2", h.c.stats.UnknownHandles)
	}
}

// TestSyncChainWithoutEnd bounds the memory of data whose last piece never comes.
func TestSyncChainWithoutEnd(t *testing.T) {
	h := extendedHarness(t)
	x := h.synced()
	long := make([]byte, hci.MaxPeriodicReportData)
	for range 1000 {
		h.event(piece(7, hci.PeriodicIncomplete, long))
		if n := cap(x.sync.part); n > 2*maxChainLen {
			t.Fatalf("%d octets are kept", n)
		}
	}
	h.event(piece(7, hci.PeriodicComplete, []byte{1}))
	if r, err := x.next(); err == nil {
		t.Errorf("the end of a broken chain is delivered: %+v", r)
	}
	h.event(piece(7, hci.PeriodicComplete, []byte{2}))
	if r, err := x.next(); err != nil || !bytes.Equal(r.Data, []byte{2}) || h.c.stats.MalformedReports != 1 {
		t.Errorf("got %+v, %v, %d malformed", r, err, h.c.stats.MalformedReports)
	}
}

// TestSyncSearchesTakeTurns: a controller searches for one device.
func TestSyncSearchesTakeTurns(t *testing.T) {
	h := extendedHarness(t)
	x, y, z := h.searchSync(peerA, 1), h.searchSync(peerB, 2), h.searchSync(peerB, 3)
	h.want(createSync(peerA, 1), "the first")
	h.status(hci.OpLEPeriodicAdvertisingCreateSync, hci.StatusSuccess)
	h.idle("one at a time")
	h.do(func(time.Time) { h.c.syncs.giveUp(y.syncRequest) })
	h.event(&hci.LEPeriodicAdvertisingSyncEstablished{Status: hci.StatusFailedToEstablish})
	if !errors.Is(x.got, hci.StatusFailedToEstablish) {
		t.Errorf("the first: %v", x.got)
	}
	h.want(createSync(peerB, 3), "the second has left, the third is next")
	h.status(hci.OpLEPeriodicAdvertisingCreateSync, hci.StatusMemoryFull)
	h.idle("refused")
	if !errors.Is(z.got, hci.StatusMemoryFull) || y.got != errPending {
		t.Errorf("the third: %v, the second: %v", z.got, y.got)
	}
}

// TestSyncIsCanceled covers the races of a caller that leaves.
func TestSyncIsCanceled(t *testing.T) {
	cancel := hci.LEPeriodicAdvertisingCreateSyncCancel{}
	search := func() (*harness, *searched) {
		h := extendedHarness(t)
		x := h.searchSync(peerA, 3)
		h.want(createSync(peerA, 3), "search")
		return h, x
	}
	leave := func(h *harness, x *searched) { h.do(func(time.Time) { h.c.syncs.giveUp(x.syncRequest) }) }
	t.Run("while it searches", func(t *testing.T) {
		h, x := search()
		h.status(hci.OpLEPeriodicAdvertisingCreateSync, hci.StatusSuccess)
		leave(h, x)
		h.takes("canceled", cancel)
		h.event(&hci.LEPeriodicAdvertisingSyncEstablished{Status: 0x44})
		h.searchSync(peerB, 1)
		h.want(createSync(peerB, 1), "the next one")
	})
	t.Run("before the command is answered", func(t *testing.T) {
		h, x := search()
		leave(h, x)
		h.idle("it cannot be canceled yet")
		h.status(hci.OpLEPeriodicAdvertisingCreateSync, hci.StatusSuccess)
		h.takes("canceled", cancel)
	})
	t.Run("too late", func(t *testing.T) {
		h, x := search()
		h.status(hci.OpLEPeriodicAdvertisingCreateSync, hci.StatusSuccess)
		leave(h, x)
		h.want(cancel, "canceled")
		h.event(established(7, peerA, 3))
		h.complete(hci.OpLEPeriodicAdvertisingCreateSyncCancel, hci.StatusCommandDisallowed)
		h.takes("nobody wants it", hci.LEPeriodicAdvertisingTerminateSync{Sync: 7})
	})
	t.Run("no event", func(t *testing.T) {
		h, x := search()
		h.status(hci.OpLEPeriodicAdvertisingCreateSync, hci.StatusSuccess)
		leave(h, x)
		h.takes("canceled", cancel)
		h.searchSync(peerB, 1)
		h.idle("the event may still come")
		h.pass(cancelWait)
		h.want(createSync(peerB, 1), "it does not")
	})
	t.Run("after it was established", func(t *testing.T) {
		h := extendedHarness(t)
		x := h.synced()
		leave(h, x)
		h.takes("it ends", hci.LEPeriodicAdvertisingTerminateSync{Sync: 7})
		if len(h.c.syncs.active) != 0 {
			t.Error("it is kept")
		}
	})
}

// TestSyncEventsThatNobodyAskedFor: of a hostile controller, or doubled.
func TestSyncEventsThatNobodyAskedFor(t *testing.T) {
	h := extendedHarness(t)
	x := h.synced()
	h.event(established(7, peerA, 3))
	h.idle("doubled")
	if h.c.stats.RepeatedEvents != 1 || h.c.syncs.active[7] != x.sync {
		t.Errorf("%d repeated events", h.c.stats.RepeatedEvents)
	}
	for n := range hci.Handle(500) {
		h.event(established(100+n, peerB, 9))
	}
	h.takes("one at a time, whatever comes", hci.LEPeriodicAdvertisingTerminateSync{Sync: 100})
	if n := len(h.c.syncs.active); n != 1 {
		t.Errorf("%d synchronizations are kept", n)
	}
	y := h.searchSync(peerB, 5)
	h.want(createSync(peerB, 5), "search")
	h.status(hci.OpLEPeriodicAdvertisingCreateSync, hci.StatusSuccess)
	h.event(established(8, peerB, 6))
	h.takes("another set", hci.LEPeriodicAdvertisingTerminateSync{Sync: 8})
	h.event(established(0x0F00, peerB, 5))
	h.idle("an impossible handle")
	if y.got != errPending {
		t.Errorf("the search has ended with %v", y.got)
	}
	h.event(piece(8, hci.PeriodicComplete, []byte{1}))
	h.do(func(time.Time) { h.c.failController(errClosed) })
	if _, err := x.next(); !errors.Is(err, errClosed) || !errors.Is(y.got, errClosed) {
		t.Errorf("ended with %v and %v", err, y.got)
	}
	z := h.searchSync(peerA, 1)
	if !errors.Is(z.got, errClosed) {
		t.Errorf("after the end: %v", z.got)
	}
}

// TestSyncDuringAReset tells every caller.
func TestSyncDuringAReset(t *testing.T) {
	h := extendedHarness(t)
	x := h.synced()
	y, z := h.searchSync(peerA, 1), h.searchSync(peerB, 1)
	h.want(createSync(peerA, 1), "search")
	h.do(func(time.Time) { h.c.syncs.failSyncs(ErrReset) })
	h.status(hci.OpLEPeriodicAdvertisingCreateSync, hci.StatusSuccess)
	h.idle("over")
	if _, err := x.next(); !errors.Is(err, ErrReset) || !errors.Is(y.got, ErrReset) || !errors.Is(z.got, ErrReset) {
		t.Errorf("ended with %v, %v and %v", err, y.got, z.got)
	}
}
