package connmgr

import (
	"context"
	"time"

	"github.com/moor-ble/moor/gatt/att"
)

const (
	// answerTime is how long a device may take to answer a request (Vol 3, Part F, 3.3.3).
	answerTime = 30 * time.Second
	// unaskedFor is how long a device that has sent a value unasked may be silent before it
	// is asked whether it is there: many send one each second.
	unaskedFor = 1500 * time.Millisecond
)

// checkAlive checks that the device of an existing link is there. Any packet shows that,
// from the call on. One that was heard earlier does not suffice: a device that has
// restarted was heard until then. A device that sends values unasked is given the time
// for the next one, since a question that it does not answer ends its link after 30 s.
// Nor is a question put to a device that takes its time for the request of another user:
// it is alive. Otherwise it is asked, and has as long as ATT allows. The error is the end
// of the link or of ctx.
func (l *link) checkAlive(ctx context.Context) error {
	b := l.conn.Bearer()
	heard := b.Heard()
	if since, busy := b.Outstanding(); busy && time.Since(since) < answerTime {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return l.conn.Err()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if h := l.adapter.up(); h != nil {
		// The event of the link's end may have been lost. The controller knows at once.
		l.m.tasks.Go(func() { l.adapter.verifyLinks(ctx, h) })
	}
	// The wait has passed already for a device that sends nothing unasked.
	unasked := time.NewTimer(unaskedFor - max(0, time.Since(b.Unasked())))
	defer unasked.Stop()
	select {
	case <-unasked.C:
	case <-heard:
		return l.conn.Err()
	case <-l.conn.Done():
		return l.conn.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	answered := make(chan error, 1)
	l.m.tasks.Go(func() { answered <- l.askDevice(ctx) })
	select {
	case err := <-answered:
		return err
	case <-heard: // the answer, or another packet before it
		return l.conn.Err()
	}
}

// askDevice makes a request that each device answers. The error is the end of the link or
// of ctx.
func (l *link) askDevice(ctx context.Context) error {
	_, err := att.Do(ctx, l.conn.Bearer(), att.ReadByTypeReq{Start: att.HandleMin, End: att.HandleMax, Type: deviceName})
	return unlessATT(err) // an error is an answer, too
}
