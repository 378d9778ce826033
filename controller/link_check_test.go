package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// The end of an idle link is lost. The controller is asked once a minute, and only about
// links of which nothing was heard.
func TestLostEndOfAnIdleLink(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.Commands.Add(hci.OpReadRSSI)
	idle, busy := h.link(1, peerA), h.link(2, peerB)
	for minute := range 3 {
		h.pass(30 * time.Second)
		h.c.handlePacket(h.now, hci.AppendACL(nil, 2, true, []byte("value")))
		h.pass(30*time.Second - 1)
		h.idle("less than a minute")
		h.pass(1)
		h.want(hci.ReadRSSI{Handle: 1}, "an idle minute")
		if minute < 2 {
			h.complete(hci.OpReadRSSI, hci.StatusSuccess, 1, 0, 0xD0)
			continue
		}
		h.complete(hci.OpReadRSSI, hci.StatusUnknownConnection)
	}
	if !errors.Is(idle.Err(), ErrEventLost) || busy.Err() != nil {
		t.Errorf("the idle link %v, the busy one %v; want %v and nil", idle.Err(), busy.Err(), ErrEventLost)
	}
	h.event(&hci.DisconnectionComplete{Handle: 2, Reason: hci.StatusConnectionTimeout})
	h.pass(time.Hour)
	h.idle("no links")
	if due := h.c.timers.nextDue(); !due.IsZero() {
		t.Errorf("a timer runs until %v without a link", due)
	}
}

func TestIdleLinksAreNotVerifiedIfDisabled(t *testing.T) {
	for _, c := range []struct {
		every   time.Duration
		command bool
	}{{-1, true}, {0, false}} {
		h := newHarness(t, 4)
		h.c.cfg.IdleCheck = c.every
		if c.command {
			h.c.info.Commands.Add(hci.OpReadRSSI)
		}
		h.link(1, peerA)
		h.pass(time.Hour)
		h.idle("not to be asked")
	}
}
