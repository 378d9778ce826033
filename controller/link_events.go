package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// linkWait is a continuation that waits for an event of a link.
type linkWait struct {
	// take reports whether ev is the awaited event, and handles it if so.
	take func(ev hci.Event) bool
	// fail is called instead if the time is up (ErrNoAnswer) or the link goes down.
	fail  func(err error)
	timer timer
}

// handleLinkEvent updates the state of the link, passes an event to the
// continuation that waits for it, and then to the handler.
func (l *Link) handleLinkEvent(ev hci.Event) {
	l.noteState(ev)
	for i, w := range l.waits {
		if w.take(ev) {
			l.waits = append(l.waits[:i], l.waits[i+1:]...)
			l.c.timers.stopTimer(&w.timer)
			break
		}
	}
	if l.handler != nil {
		l.handler.Event(l.c.now, ev)
		return
	}
	switch ev := ev.(type) { // requests must be answered even without a handler
	case *hci.LELongTermKeyRequest:
		l.RefuseKey()
	case *hci.LERemoteConnectionParameterRequest:
		l.ReplyParamRequest(ev, false)
	}
}

// noteState applies ev to the state of the link.
func (l *Link) noteState(ev hci.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch ev := ev.(type) {
	case *hci.LEConnectionUpdateComplete:
		if ev.Status == hci.StatusSuccess {
			l.state.Params = ev.Params
		}
	case *hci.LEPHYUpdateComplete:
		if ev.Status == hci.StatusSuccess {
			l.state.TX, l.state.RX = ev.TX, ev.RX
		}
	case *hci.LEDataLengthChange:
		l.state.MaxTX, l.state.MaxRX = ev.MaxTXOctets, ev.MaxRXOctets
	case *hci.EncryptionChange:
		if ev.Status == hci.StatusSuccess {
			l.state.Encrypted = ev.Enabled != 0
		}
	}
}

// awaitEvent registers a continuation for an event of the link, for at most limit.
func (l *Link) awaitEvent(limit time.Duration, take func(ev hci.Event) bool, fail func(err error)) *linkWait {
	w := &linkWait{take: take, fail: fail}
	w.timer.f = func(time.Time) {
		if l.removeWait(w) {
			fail(ErrNoAnswer)
		}
	}
	l.c.timers.setTimer(&w.timer, l.c.now.Add(limit))
	l.waits = append(l.waits, w)
	return w
}

// removeWait removes a continuation and reports whether it was still waiting.
func (l *Link) removeWait(w *linkWait) bool {
	i := slices.Index(l.waits, w)
	if i < 0 {
		return false
	}
	l.waits = slices.Delete(l.waits, i, i+1)
	l.c.timers.stopTimer(&w.timer)
	return true
}
