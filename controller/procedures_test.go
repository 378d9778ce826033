package controller

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Some controllers report the end of a procedure before they answer its command. The
// event ends the procedure, and the answer after it has no effect.
func TestEventBeforeItsCommandStatus(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(0x41, peerA)
	p := hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: 5 * time.Second}
	used := hci.ConnParamsInUse{Interval: 50 * time.Millisecond, Timeout: 5 * time.Second}
	for _, name := range []string{"first", "second"} {
		calls, got := 0, hci.ConnParamsInUse{}
		h.do(func(time.Time) {
			l.StartUpdate(p, func(_ time.Time, u hci.ConnParamsInUse, err error) {
				if calls++; err != nil {
					t.Errorf("%s: %v", name, err)
				}
				got = u
			})
		})
		h.want(hci.LEConnectionUpdate{Handle: 0x41, Params: p}, name)
		h.event(&hci.LEConnectionUpdateComplete{Handle: 0x41, Params: used})
		h.status(hci.OpLEConnectionUpdate, hci.StatusSuccess)
		h.pass(time.Hour)
		if calls != 1 || got != used {
			t.Errorf("%s: done %d times with %v, want once with %v", name, calls, got, used)
		}
	}
	if len(l.waits) != 0 {
		t.Errorf("%d waits are left", len(l.waits))
	}
}

// A refused command ends the procedure without an event.
func TestRefusedProcedureWaitsForNothing(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(0x41, peerA)
	calls := 0
	h.do(func(time.Time) {
		l.startPHY(nil, hci.PHYs2M, hci.PHYs2M, func(_, _ hci.PHY, err error) {
			if calls++; err == nil {
				t.Error("no error")
			}
		})
	})
	h.want(hci.LESetPHY{Handle: 0x41, TX: hci.PHYs2M, RX: hci.PHYs2M}, "asked")
	h.status(hci.OpLESetPHY, hci.StatusUnsupportedRemoteFeature)
	if calls != 1 || len(l.waits) != 0 || h.c.timers.nextDue() != (time.Time{}) {
		t.Errorf("done %d times, %d waits are left, next timer %v", calls, len(l.waits), h.c.timers.nextDue())
	}
}
