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
	s.srv.room.wakeWaiter() // the client may have been the last to wait for
}

// wants reports whether checkSend allows a value.
func (p *published) wants(h att.Handle, bit uint16) bool {
	if p.t == nil || p.barred || p.b != nil && p.b.Err() != nil {
		return false
	}
	a := p.t.attributeAt(h)
	return a != nil && a.cccd != att.HandleNone && p.subscribed.get(a.cccd)&bit != 0
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

// conditionOf returns the condition of notifications of a value. Those of the values that
// the session notifies are kept, since they never change.
func (s *Session) conditionOf(h att.Handle) *condition {
	kept := s.conditions.Load()
	if kept != nil {
		for _, c := range *kept {
			if c.h == h {
				return c
			}
		}
	}
	c := &condition{s: s, h: h, bit: cccdNotify}
	all := []*condition{c}
	if kept != nil {
		all = append(all, (*kept)[:min(len(*kept), maxConditions-1)]...)
	}
	s.conditions.CompareAndSwap(kept, &all)
	return c
}

// maxConditions bounds the conditions that a Session keeps. The newest come first.
const maxConditions = 16

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
	c := s.conditionOf(h)
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

// Notify notifies a value to all clients that have subscribed to it, and returns their
// number. value is truncated to the MTU of each client less three octets, and not kept.
//
// A single client is sent the value as by Session.Notify. Of several, each has a queue
// for a client slower than the others: Notify returns as soon as the queue of one client
// has room for the value, which slows the caller down to the pace of the fastest client.
// In a full queue, the oldest value gives way to the new one; Session.DroppedValues counts
// such values. CharDef.NotifyQueue sets the length of the queues, and CharDef.NotifyWait
// makes Notify wait until all queues have room, so that no value is dropped.
//
// Clients whose link ends, whose link is not protected as the value requires, that do not
// know the current table, or that unsubscribe are left out. The error is the end of ctx,
// or that of Session.Notify.
func (s *Server) Notify(ctx context.Context, h att.Handle, value []byte) (int, error) {
	x, n := s.subscriber(cccdNotify, h)
	switch {
	case n == 0:
		return 0, nil
	case n == 1 && !x.out.holdsValues(): // needs no queue
		return countSent(x.Notify(ctx, h, value))
	}
	for {
		if n, ok := s.queueValue(h, value); ok {
			return n, nil
		}
		if err := s.awaitRoom(ctx, h); err != nil {
			return 0, err
		}
	}
}

// SetAndNotify is SetValue and then Notify: clients that read the value later get the same
// as those that have subscribed to it. It returns the number of the latter. After an error
// of SetValue nothing is sent; after one of Notify the value is set all the same.
func (s *Server) SetAndNotify(ctx context.Context, h att.Handle, value []byte) (int, error) {
	if err := s.SetValue(h, value); err != nil {
		return 0, err
	}
	return s.Notify(ctx, h, value)
}

// queueValue queues a value for each client that has subscribed to it, and returns their
// number; ok is false if the caller has to wait for room.
func (s *Server) queueValue(h att.Handle, value []byte) (n int, ok bool) {
	limit, wait := s.queueOf(h)
	var few [8]*Session
	post := few[:0]
	s.mu.Lock()
	if !s.hasRoomLocked(h, limit, wait) {
		s.mu.Unlock()
		return 0, false
	}
	for x := range s.sessions {
		if x.published.Load().wants(h, cccdNotify) {
			n++
			if x.out.addValue(h, value, limit) {
				post = append(post, x)
			}
		}
	}
	s.mu.Unlock()
	for _, x := range post {
		x.b.Post(&x.out)
	}
	s.room.wakeWaiter() // another caller that waits
	return n, true
}

// queueOf returns the length of the queues of a value, and whether Notify waits for all of
// them.
func (s *Server) queueOf(h att.Handle) (limit int, wait bool) {
	a := s.table.Load().attributeAt(h)
	if a == nil {
		return defaultNotifyQueue, false
	}
	return a.queue, a.wait
}

// hasRoomLocked reports whether the queue of one client has room, or those of all with all
// set; true if there is no client. s.mu must be held: nobody else takes the room until then.
func (s *Server) hasRoomLocked(h att.Handle, limit int, all bool) bool {
	clients, room := 0, 0
	for x := range s.sessions {
		if x.published.Load().wants(h, cccdNotify) {
			clients++
			if !x.out.isFull(h, limit) {
				room++
			}
		}
	}
	return clients == 0 || room == clients || !all && room > 0
}

// awaitRoom waits until the queue of a client may have room.
func (s *Server) awaitRoom(ctx context.Context, h att.Handle) error {
	s.room.waiters.Add(1)
	defer s.room.waiters.Add(-1)
	limit, wait := s.queueOf(h)
	s.mu.Lock()
	ok := s.hasRoomLocked(h, limit, wait)
	s.mu.Unlock()
	if ok { // since the caller has looked
		return nil
	}
	select {
	case <-s.room.ready:
		return nil
	case <-ctx.Done():
		s.room.wakeWaiter() // the signal may have been for this caller
		return fmt.Errorf("gatt: notification of handle %s: %w", h, context.Cause(ctx))
	}
}

// DroppedValues returns the number of values that Server.Notify has dropped because this
// client was slow. Any goroutine may call it.
func (s *Session) DroppedValues() uint64 { return s.out.dropped.Load() }

// subscriber returns a client that has subscribed to a value, and the number of all.
func (s *Server) subscriber(bit uint16, h att.Handle) (one *Session, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.sessions {
		if x.published.Load().wants(h, bit) {
			one = x
			n++
		}
	}
	return one, n
}

// countSent returns the number of clients, 0 or 1, that a value was sent to, and the error
// unless the client must not be sent the value.
func countSent(err error) (int, error) {
	switch {
	case err == nil:
		return 1, nil
	case errors.Is(err, ErrNotSubscribed), errors.Is(err, ErrClientUnaware), errors.Is(err, ErrClientInsecure):
		return 0, nil
	}
	return 0, err
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
		if x.published.Load().wants(h, bit) {
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
		var sent int
		sent, errs[i] = countSent(err)
		n += sent
	}
	return n, errors.Join(errs...)
}
