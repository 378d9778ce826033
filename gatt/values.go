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

// values sends what the peer notifies and indicates to subscriptions. It belongs
// to the loop.
type values struct {
	subs     map[att.Handle][]*Subscription // by value handle; empty once all have gone
	withheld []*Subscription                // that the confirmation of an indication waits for
	early    []earlyValue                   // of handles that are not in subs
	changed  att.Handle                     // value of Service Changed; HandleNone: not known
}

// earlyValue is a value that came before anybody could subscribe to it: a peer
// that remembers its subscribers from an earlier connection sends at once.
type earlyValue struct {
	handle att.Handle
	value  Value
}

// maxEarly is how many early values are kept, the newest ones, for all handles
// together.
const maxEarly = 16

// Notification implements att.NotifyHandler. Called on the loop.
func (c *Client) Notification(now time.Time, h att.Handle, value []byte) {
	c.deliver(now, h, value, false)
}

// Indication implements att.NotifyHandler. Called on the loop.
func (c *Client) Indication(now time.Time, h att.Handle, value []byte) (confirm bool) {
	c.deliver(now, h, value, true)
	if h == c.values.changed {
		c.serviceChanged(value)
	}
	return len(c.values.withheld) == 0
}

// deliver hands a value to all who have subscribed, a copy to each.
func (c *Client) deliver(now time.Time, h att.Handle, data []byte, indication bool) {
	subs, known := c.values.subs[h]
	if !known {
		early := earlyValue{h, Value{Data: bytes.Clone(data), Indication: indication, Time: now}}
		if len(c.values.early) == maxEarly {
			c.values.early = slices.Delete(c.values.early, 0, 1)
		}
		c.values.early = append(c.values.early, early)
		return
	}
	for _, s := range subs {
		if s.queue.push(Value{Data: bytes.Clone(data), Indication: indication, Time: now}) {
			continue
		}
		if indication {
			c.values.withheld = append(c.values.withheld, s)
			c.debug("confirmation withheld until the subscription is read", h)
		}
	}
}

// subscribe adds a subscription, which then gets the early values. Called on the
// loop.
func (c *Client) subscribe(s *Subscription) {
	h := s.ch.info.Value
	_, known := c.values.subs[h]
	c.values.subs[h] = append(c.values.subs[h], s)
	if known {
		return
	}
	c.values.early = slices.DeleteFunc(c.values.early, func(e earlyValue) bool {
		if e.handle == h {
			e.value.Indication = false // confirmed long ago, so there is no claim to room
			s.queue.push(e.value)
		}
		return e.handle == h
	})
}

// unsubscribe removes a subscription. Called on the loop.
func (c *Client) unsubscribe(s *Subscription) {
	h := s.ch.info.Value
	c.values.subs[h] = slices.DeleteFunc(c.values.subs[h], func(o *Subscription) bool { return o == s })
	c.resume(s)
}

// resume confirms the outstanding indication if s was the last to wait for.
// Called on the loop.
func (c *Client) resume(s *Subscription) {
	w := &c.values.withheld
	if len(*w) == 0 {
		return
	}
	if *w = slices.DeleteFunc(*w, func(o *Subscription) bool { return o == s }); len(*w) == 0 {
		c.b.Confirm()
	}
}

// serviceChanged takes the value of Service Changed: the first and the last
// handle that are affected. One that is none is ignored, as nothing can be
// learned from it. Called on the loop.
func (c *Client) serviceChanged(value []byte) {
	v := wire.NewReader(value)
	r := att.HandleRange{Start: att.Handle(v.U16()), End: att.Handle(v.U16())}
	if v.Finish() != nil || !r.Valid() {
		c.debug("malformed Service Changed ignored", c.values.changed)
		return
	}
	c.noteChange(r)
	c.endStale()
}

// endStale ends the subscriptions to characteristics that are no longer what they
// were. Called on the loop.
func (c *Client) endStale() {
	for h, subs := range c.values.subs {
		for _, s := range slices.Clone(subs) {
			if err := s.ch.Check(); err != nil {
				s.queue.close(err, false)
				c.unsubscribe(s)
			}
		}
		if len(c.values.subs[h]) == 0 {
			// The handle may stand for something else now.
			delete(c.values.subs, h)
		}
	}
}

// learnServiceChanged tells the loop which value is Service Changed. What of it
// came early counts.
func (c *Client) learnServiceChanged(h att.Handle) {
	// An error means that the link is gone, and its changes with it.
	_ = c.onLoop(func(time.Time) {
		if c.values.changed == h {
			return
		}
		c.values.changed = h
		for _, e := range c.values.early {
			if e.handle == h {
				c.serviceChanged(e.value.Data)
			}
		}
	})
}

// debug logs what happened at a handle.
func (c *Client) debug(msg string, h att.Handle) {
	if l := c.cfg.Logger; l != nil && l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug(msg, "handle", h)
	}
}
