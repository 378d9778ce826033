package gatt

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/moor-ble/moor/gatt/att"
)

// ErrNotSubscribed says that a client has not asked to be sent a value.
var ErrNotSubscribed = errors.New("client has not subscribed")

// ErrClientUnaware says that a client that has asked for robust caching has not
// yet learned of a change of the table, and must not be sent values before (Vol
// 3, Part G, 2.5.2.1).
var ErrClientUnaware = errors.New("client does not know the present table")

// published is what senders on other goroutines see of a session.
type published struct {
	b          *att.Bearer // nil: not yet on one
	t          *table      // nil: the same, or the bearer has ended
	subscribed subscriptions
	features   uint8
	barred     bool
}

// publish shows senders what has changed. Called on the loop.
func (s *Session) publish() {
	s.published.Store(&published{
		b:          s.b,
		t:          s.t,
		subscribed: s.client.subscribed,
		features:   s.client.features,
		barred:     s.client.barred(s.t),
	})
}

// checkSend returns why a client must not be sent a value in the way that a bit of
// the configuration stands for: first of all, because the link has ended.
func (p *published) checkSend(h att.Handle, bit uint16) error {
	if p.b != nil {
		if err := p.b.Err(); err != nil {
			return err
		}
	}
	var a *attribute
	if p.t != nil {
		a = p.t.attributeAt(h)
	}
	switch {
	case a == nil || a.cccd == att.HandleNone || p.subscribed.get(a.cccd)&bit == 0:
		return fmt.Errorf("gatt: %w to handle %s", ErrNotSubscribed, h)
	case p.barred:
		return fmt.Errorf("gatt: handle %s: %w", h, ErrClientUnaware)
	}
	return nil
}

// condition is asked on the loop, when the turn of values has come, whether the
// client still is to have them.
type condition struct {
	s      *Session
	h      att.Handle          // the one value
	values []att.AttributeData // or else several
	bit    uint16
}

// Check implements att.Condition.
func (c *condition) Check() error {
	p := c.s.published.Load()
	if c.values == nil {
		return p.checkSend(c.h, c.bit)
	}
	for _, v := range c.values {
		if err := p.checkSend(v.Handle, c.bit); err != nil {
			return err
		}
	}
	return nil
}

// Subscribed reports whether the client has asked for notifications or
// indications of the value with a handle. Any goroutine may call it.
func (s *Session) Subscribed(h att.Handle) (notify, indicate bool) {
	p := s.published.Load()
	if p.t == nil {
		return false, false
	}
	a := p.t.attributeAt(h)
	if a == nil || a.cccd == att.HandleNone {
		return false, false
	}
	v := p.subscribed.get(a.cccd)
	return v&cccdNotify != 0, v&cccdIndicate != 0
}

// Notify sends a value to the client and returns when the link has taken it,
// which is how a sender is slowed down to what the link can carry. h is the
// handle of the characteristic's value; value is cut off at three octets less
// than the MTU, and not kept. The error is ErrNotSubscribed, ErrClientUnaware,
// the end of ctx, or that of the link.
//
// Any goroutine but the loop may call it.
func (s *Session) Notify(ctx context.Context, h att.Handle, value []byte) error {
	c := &condition{s: s, h: h, bit: cccdNotify}
	if err := c.Check(); err != nil {
		return err
	}
	return s.b.NotifyValue(ctx, c, h, value[:min(len(value), s.b.MTU()-3)])
}

// Indicate is Notify with an indication: it returns when the client has
// confirmed it. A client that does not within 30 seconds loses the link.
func (s *Session) Indicate(ctx context.Context, h att.Handle, value []byte) error {
	c := &condition{s: s, h: h, bit: cccdIndicate}
	if err := c.Check(); err != nil {
		return err
	}
	return s.b.IndicateIf(ctx, c, att.HandleValueIndication{Handle: h, Value: value[:min(len(value), s.b.MTU()-3)]})
}

// NotifyMultiple sends several values in as few PDUs as the client and the MTU
// allow, in order. All must be subscribed to. See Notify.
func (s *Session) NotifyMultiple(ctx context.Context, values []att.AttributeData) error {
	if err := (&condition{s: s, values: values, bit: cccdNotify}).Check(); err != nil {
		return err
	}
	several := s.published.Load().features&featureMultipleNotifications != 0
	for len(values) > 0 {
		var p att.MultipleHandleValueNotification
		n := 0
		for n < len(values) && several && p.Add(s.b.MTU(), values[n]) {
			n++
		}
		// One value alone has a PDU of its own, with more room for it.
		if n < 2 {
			if err := s.Notify(ctx, values[0].Handle, values[0].Value); err != nil {
				return err
			}
			values = values[1:]
			continue
		}
		if err := s.b.NotifyIf(ctx, &condition{s: s, values: values[:n], bit: cccdNotify}, p); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// Notify sends a value to all clients that have subscribed to notifications of
// it, each at the pace of its link, and returns when the last has taken it, with
// how many have. The error joins those of the others; clients whose link has
// ended before, that do not know the present table, or unsubscribe meanwhile, are
// passed over.
func (s *Server) Notify(ctx context.Context, h att.Handle, value []byte) (int, error) {
	return s.broadcast(cccdNotify, h, func(x *Session) error { return x.Notify(ctx, h, value) })
}

// Indicate is Notify with indications: it counts the clients that have confirmed.
func (s *Server) Indicate(ctx context.Context, h att.Handle, value []byte) (int, error) {
	return s.broadcast(cccdIndicate, h, func(x *Session) error { return x.Indicate(ctx, h, value) })
}

// broadcast sends to all clients at once, so that none waits for another's link.
func (s *Server) broadcast(bit uint16, h att.Handle, send func(*Session) error) (int, error) {
	var to []*Session
	for _, x := range s.snapshot() {
		if x.published.Load().checkSend(h, bit) == nil {
			to = append(to, x)
		}
	}
	errs := make([]error, len(to))
	var wg sync.WaitGroup
	for i, x := range to {
		if i == len(to)-1 {
			errs[i] = send(x) // the caller's goroutine does as well
			break
		}
		wg.Go(func() { errs[i] = send(x) })
	}
	wg.Wait()
	n := 0
	for i, err := range errs {
		switch {
		case err == nil:
			n++
		case errors.Is(err, ErrNotSubscribed), errors.Is(err, ErrClientUnaware):
			errs[i] = nil // it was to have the value, but not when its turn came
		}
	}
	return n, errors.Join(errs...)
}
