package controller

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// ending is a handler that examines its link in Down.
type ending struct {
	recorder
	down func()
}

func (e *ending) Down(time.Time, error) { e.down() }

// Link.Err is set when the handler's Down is called, and Down has returned when
// Link.Done is closed.
func TestDoneComesAfterTheHandlers(t *testing.T) {
	h := newHarness(t, 1)
	told := false
	h.c.cfg.NewLink = func(_ time.Time, l *Link) LinkHandler {
		return &ending{recorder{h, l}, func() {
			told = true
			select {
			case <-l.Done():
				t.Error("the link is done before its handler is down")
			default:
			}
			if l.Err() == nil {
				t.Error("the handler is down, and the link says nothing of it")
			}
		}}
	}
	l := h.link(1, peerA)
	h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusConnectionTimeout})
	select {
	case <-l.Done():
	default:
		t.Error("the link is not done")
	}
	if !told {
		t.Error("the handler was not told")
	}
}
