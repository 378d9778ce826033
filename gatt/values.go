package gatt

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// values distributes the peer's notifications and indications to subscriptions.
// It is the client's att.NotifyHandler. It belongs to the loop, as do all its
// methods.
type values struct {
	c        *Client
	subs     map[att.Handle][]*Subscription // by value handle; an empty list after the last has gone
	withheld []*Subscription                // for which the confirmation is withheld
	early    []earlyValue                   // of handles that are not in subs
	changed  att.Handle                     // value handle of Service Changed; HandleNone: unknown
}

// earlyValue is a value that arrived before any subscription to it: a peer that
// remembers subscriptions of an earlier connection sends at once.
type earlyValue struct {
	handle att.Handle
	value  Value
}

const (
	// maxEarly is the number of early values that are kept, for all handles
	// together: the newest.
	maxEarly = 16
	// earlyFor is how long after its arrival a subscription gets an early value: long
	// enough to discover a table and to type a passkey.
	earlyFor = time.Minute
)

// Notification implements att.NotifyHandler.
func (vs *values) Notification(now time.Time, h att.Handle, value []byte) {
	vs.deliverValue(now, h, value, false)
}

// Indication implements att.NotifyHandler.
func (vs *values) Indication(now time.Time, h att.Handle, value []byte) (confirm bool) {
	vs.deliverValue(now, h, value, true)
	if h == vs.changed {
		vs.serviceChanged(value)
	}
	return len(vs.withheld) == 0
}

// deliverValue queues a copy of a value for each subscription.
func (vs *values) deliverValue(now time.Time, h att.Handle, data []byte, indication bool) {
	if all := vs.c.onValue.Load(); all != nil {
		for _, l := range *all {
			l.f(h, data, indication)
		}
	}
	const head = 3 // octets before the value
	_, cut := vs.c.cutBy(len(data), head, att.MaxMTU)
	value := Value{Indication: indication, MayBeCut: cut, Time: now}
	subs, known := vs.subs[h]
	if !known {
		early := earlyValue{h, value}
		early.value.Data = bytes.Clone(data)
		if len(vs.early) == maxEarly {
			vs.early = slices.Delete(vs.early, 0, 1)
		}
		vs.early = append(vs.early, early)
		return
	}
	for _, s := range subs {
		value.Data = bytes.Clone(data)
		if s.queue.pushValue(value) {
			continue
		}
		if indication {
			vs.withheld = append(vs.withheld, s)
			vs.c.debug("confirmation withheld until the subscription is read", h)
		}
	}
}

// subscribe adds a subscription and gives it the early values. Must run on the
// loop.
func (vs *values) subscribe(now time.Time, s *Subscription) {
	h := s.ch.info.Value
	_, known := vs.subs[h]
	vs.subs[h] = append(vs.subs[h], s)
	if known {
		return
	}
	vs.early = slices.DeleteFunc(vs.early, func(e earlyValue) bool {
		if e.handle == h && now.Sub(e.value.Time) <= earlyFor {
			e.value.Indication = false // it has been confirmed and must not withhold a confirmation
			s.queue.pushValue(e.value)
		}
		return e.handle == h
	})
}

// unsubscribe removes a subscription.
func (vs *values) unsubscribe(s *Subscription) {
	h := s.ch.info.Value
	vs.subs[h] = slices.DeleteFunc(vs.subs[h], func(o *Subscription) bool { return o == s })
	vs.resumeConfirming(s)
}

// resumeConfirming confirms the outstanding indication if s was the last to
// withhold it.
func (vs *values) resumeConfirming(s *Subscription) {
	w := &vs.withheld
	if len(*w) == 0 {
		return
	}
	if *w = slices.DeleteFunc(*w, func(o *Subscription) bool { return o == s }); len(*w) == 0 {
		vs.c.b.Confirm()
	}
}

// serviceChanged handles the value of Service Changed, the first and the last
// affected handle. An invalid value is ignored.
func (vs *values) serviceChanged(value []byte) {
	v := wire.NewReader(value)
	r := att.HandleRange{Start: att.Handle(v.U16()), End: att.Handle(v.U16())}
	if v.Finish() != nil || !r.Valid() {
		vs.c.debug("malformed Service Changed ignored", vs.changed)
		return
	}
	vs.c.noteChange(r, true)
	vs.endStale()
	// Early values are of the attributes that were at these handles before the change.
	vs.early = slices.DeleteFunc(vs.early, func(e earlyValue) bool { return e.handle >= r.Start && e.handle <= r.End })
}

// endStale ends the subscriptions to characteristics of services that have
// changed.
func (vs *values) endStale() {
	for h, subs := range vs.subs {
		for _, s := range slices.Clone(subs) {
			if err := s.ch.Check(); err != nil {
				vs.endSubscription(s, err)
			}
		}
		if len(vs.subs[h]) == 0 {
			delete(vs.subs, h) // the last may have ended before
		}
	}
}

// endSubscription ends a subscription, whose queued values stay.
func (vs *values) endSubscription(s *Subscription, err error) {
	s.queue.closeQueue(err, false)
	vs.unsubscribe(s)
	if h := s.ch.info.Value; len(vs.subs[h]) == 0 {
		// The handle may belong to another attribute now, and its values to the next
		// subscription.
		delete(vs.subs, h)
	}
}

// learnServiceChanged sets the value handle of Service Changed, and handles
// early values of it.
func (c *Client) learnServiceChanged(h att.Handle) {
	// An error means that the link has ended, and its changes do not matter.
	_ = c.onLoop(func(time.Time) {
		if c.values.changed == h {
			return
		}
		c.values.changed = h
		for _, e := range slices.Clone(c.values.early) {
			if e.handle == h {
				c.values.serviceChanged(e.value.Data)
			}
		}
	})
}

// debug logs an event of a handle.
func (c *Client) debug(msg string, h att.Handle) {
	if l := c.cfg.Logger; l != nil && l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug(msg, "handle", h)
	}
}
