package l2cap

import (
	"sync"
	"time"
)

// deadline is a time that can be moved while goroutines wait for it. The zero
// deadline never passes.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer   // guarded by mu; closes passed when it fires
	passed chan struct{} // guarded by mu; nil until needed
}

// moveTo moves the deadline to t; the zero time means never. Goroutines that
// wait for the deadline wait for the new one, unless the old one has passed.
func (d *deadline) moveTo(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fired := d.timer != nil && !d.timer.Stop() // the timer has closed passed, or is about to
	d.timer = nil
	if d.passed == nil || fired || isClosed(d.passed) {
		d.passed = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	passed := d.passed
	if left := time.Until(t); left > 0 {
		d.timer = time.AfterFunc(left, func() { close(passed) })
		return
	}
	close(passed)
}

// wait returns a channel that is closed once the deadline has passed.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	return d.passed
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
