package gatt

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/moor-ble/moor/gatt/att"
)

// ErrNotSubscribed means that the client has not subscribed to the value.
var ErrNotSubscribed = errors.New("client has not subscribed")

// ErrClientUnaware means that the client has enabled robust caching and has not
// learned of a change of the table: the server must not send it values until it
// has (Vol 3, Part G, 2.5.2.1).
var ErrClientUnaware = errors.New("client does not know the current table")

// ErrClientInsecure means that the client has subscribed to the value, but its
// link lacks the protection that Permissions.Subscribe requires. The error also
// wraps the att.Code for that.
var ErrClientInsecure = errors.New("client's link is not protected as the value requires")

// published is the state of a session for senders on other goroutines.
type published struct {
	b          *att.Bearer // nil before Bind
	t          *table      // nil before Bind and after the end of the bearer
	subscribed subscriptions
	features   uint8
	barred     bool
}

// publish replaces the published state. Must run on the loop.
func (s *Session) publish() {
	s.published.Store(&published{
		b:          s.b,
		t:          s.t,
		subscribed: s.client.subscribed,
		features:   s.client.features,
		barred:     s.client.barred(s.t),
	})
}

// checkSend returns why the client must not be sent a value by notification or
// indication, as bit says. The end of the link takes precedence.
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

// condition checks on the loop, when the turn of a PDU has come, whether the
// client may still be sent the values.
type condition struct {
	s      *Session
	h      att.Handle          // of a single value
	values []att.AttributeData // several values; nil for a single one
	bit    uint16
}

// checkSubscribed checks all of the condition but the protection of the link,
// which only the loop knows. Any goroutine may call it.
func (c *condition) checkSubscribed() error {
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

// Check implements att.Condition. It runs on the loop.
func (c *condition) Check() error {
	if err := c.checkSubscribed(); err != nil {
		return err
	}
	if c.values == nil {
		return c.s.checkProtected(c.h)
	}
	for _, v := range c.values {
		if err := c.s.checkProtected(v.Handle); err != nil {
			return err
		}
	}
	return nil
}

// checkProtected returns why the link is not protected as a subscription to the
// value h requires now: permissions and protection may have changed since the
// client subscribed. Must run on the loop.
func (s *Session) checkProtected(h att.Handle) error {
	t := s.published.Load().t
	if t == nil {
		return nil // the bearer has ended
	}
	code := t.mayDeliver(h, s.linkSecurity())
	if code == 0 {
		return nil
	}
	err := fmt.Errorf("gatt: handle %s: %w: %w", h, ErrClientInsecure, code)
	if l := s.srv.cfg.Logger; l != nil && !s.toldInsecure {
		s.toldInsecure = true
		l.Warn("value withheld from a client", "client", s.Peer().Key, "error", err)
	}
	return err
}

// mayDeliver returns why the value h, to which a client has subscribed, must not
// be sent on a link; 0 if it may.
func (t *table) mayDeliver(h att.Handle, sec Security) att.Code {
	a := t.attributeAt(h)
	if a == nil || a.cccd == att.HandleNone {
		return 0 // not a value that can be subscribed to
	}
	return t.attributeAt(a.cccd).perms.Write.check(sec)
}

// Subscribed reports whether the client has enabled notifications or indications
// of the value with handle h. Any goroutine may call it.
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

// Notify sends a value to the client. It returns when the link has accepted the
// value, which slows the caller down to the pace of the link. h is the value
// handle of the characteristic. value is truncated to the MTU less three octets,
// and not kept. The error wraps ErrNotSubscribed, ErrClientUnaware,
// ErrClientInsecure, the end of ctx or the end of the link.
//
// Any goroutine but the loop may call it.
func (s *Session) Notify(ctx context.Context, h att.Handle, value []byte) error {
	c := &condition{s: s, h: h, bit: cccdNotify}
	if err := c.checkSubscribed(); err != nil {
		return err
	}
	return s.b.NotifyValue(ctx, c, h, value[:min(len(value), s.b.MTU()-3)])
}

// Indicate is Notify with an indication: it returns when the client has
// confirmed it. If the client does not do so within 30 seconds, the link ends.
func (s *Session) Indicate(ctx context.Context, h att.Handle, value []byte) error {
	c := &condition{s: s, h: h, bit: cccdIndicate}
	if err := c.checkSubscribed(); err != nil {
		return err
	}
	return s.b.IndicateIf(ctx, c, att.HandleValueIndication{Handle: h, Value: value[:min(len(value), s.b.MTU()-3)]})
}

// NotifyMultiple notifies several values, in order, in as few PDUs as the client
// and the MTU allow. The client must have subscribed to all of them. See Notify.
func (s *Session) NotifyMultiple(ctx context.Context, values []att.AttributeData) error {
	if err := (&condition{s: s, values: values, bit: cccdNotify}).checkSubscribed(); err != nil {
		return err
	}
	several := s.published.Load().features&featureMultipleNotifications != 0
	for len(values) > 0 {
		var p att.MultipleHandleValueNotification
		n := 0
		for n < len(values) && several && p.Add(s.b.MTU(), values[n]) {
			n++
		}
		// A single value has a PDU of its own, with more room.
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

// Notify notifies a value to all clients that have subscribed to it, each at the
// pace of its link. It returns when the last link has accepted the value, with
// the number of clients. The error joins those of the other clients, except of
// those whose link has ended before or is not protected as the value requires,
// that do not know the current table, or that unsubscribe meanwhile.
func (s *Server) Notify(ctx context.Context, h att.Handle, value []byte) (int, error) {
	return s.broadcast(cccdNotify, h, func(x *Session) error { return x.Notify(ctx, h, value) })
}

// Indicate is Notify with indications: it returns the number of clients that
// have confirmed.
func (s *Server) Indicate(ctx context.Context, h att.Handle, value []byte) (int, error) {
	return s.broadcast(cccdIndicate, h, func(x *Session) error { return x.Indicate(ctx, h, value) })
}

// broadcast sends to all clients concurrently, so that none waits for another's
// link.
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
			errs[i] = send(x) // on the caller's goroutine
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
		case errors.Is(err, ErrNotSubscribed), errors.Is(err, ErrClientUnaware), errors.Is(err, ErrClientInsecure):
			errs[i] = nil // the client must not be sent the value
		}
	}
	return n, errors.Join(errs...)
}
