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

// A controller that has lost its links, as after a reset of its own, says so when it is asked
// for something else. It is asked once more, since the event of the end may be under way.
func TestUnknownLinkEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer hci.Status
		event  bool
		want   error
	}{
		{"lost", hci.StatusUnknownConnection, false, ErrEventLost},
		{"a mistake of the controller", hci.StatusSuccess, false, nil},
		{"the event comes", hci.StatusUnknownConnection, true, hci.StatusConnectionTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, 4)
			h.c.info.Commands.Add(hci.OpReadRSSI)
			l := h.link(1, peerA)
			var failed error
			h.do(func(time.Time) {
				l.runLinkCommand(nil, hci.LEReadChannelMap{Handle: 1}, func(_ time.Time, _ []byte, err error) { failed = err })
			})
			h.want(hci.LEReadChannelMap{Handle: 1}, "a command about the link")
			h.complete(hci.OpLEReadChannelMap, hci.StatusUnknownConnection)
			if statusOf(failed) != hci.StatusUnknownConnection || l.Err() != nil {
				t.Fatalf("the command: %v, the link: %v", failed, l.Err())
			}
			h.want(hci.ReadRSSI{Handle: 1}, "the controller does not have the link")
			if c.event {
				h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusConnectionTimeout})
			}
			h.complete(hci.OpReadRSSI, c.answer, 1, 0, 0xD0)
			h.idle("the link is verified")
			if err := l.Err(); c.want == nil && err != nil || !errors.Is(err, c.want) {
				t.Errorf("the link: %v, want %v", err, c.want)
			}
		})
	}
}
