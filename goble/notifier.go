package goble

import (
	"context"
	"fmt"
	"io"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// notifies tells the notifiers of a link apart.
type notifies struct {
	char     *ble.Characteristic
	value    att.Handle
	indicate bool
}

// notifier is a ble.Notifier. Its context ends when the peer unsubscribes, with the link,
// and when the table has another characteristic in its place.
type notifier struct {
	ctx    context.Context
	cancel context.CancelFunc
	conn   *conn
	handle att.Handle
	send   func(ctx context.Context, h att.Handle, value []byte) error
}

func (n *notifier) Context() context.Context { return n.ctx }

// Write sends the first Cap octets of b, and returns their number. An indication returns
// once the peer has confirmed it.
func (n *notifier) Write(b []byte) (int, error) {
	if n.ctx.Err() != nil {
		return 0, fmt.Errorf("goble: the peer receives handle %v no more: %w", n.handle, io.ErrClosedPipe)
	}
	b = b[:min(len(b), n.Cap())]
	if err := n.send(n.ctx, n.handle, b); err != nil {
		return 0, foreign(err)
	}
	return len(b), nil
}

func (n *notifier) Close() error {
	n.cancel()
	return nil
}

// Cap returns the longest value that fits a notification now; see ExchangeMTU.
func (n *notifier) Cap() int { return min(n.conn.c.Bearer().MTU()-3, maxValue) }

// serveSubscribe returns the server's handler of subscriptions to c.
func (p *peripheral) serveSubscribe(c *ble.Characteristic) func(context.Context, *gatt.SubscribeRequest) error {
	return func(_ context.Context, r *gatt.SubscribeRequest) error {
		if r.Notify && c.NotifyHandler == nil || r.Indicate && c.IndicateHandler == nil {
			return att.CodeUnlikelyError
		}
		s := p.findClient(r.Session)
		if s == nil {
			return att.CodeUnlikelyError
		}
		var begin []func()
		begin = s.setNotifier(begin, notifies{c, r.Handle, false}, r.Notify, c.NotifyHandler, r)
		begin = s.setNotifier(begin, notifies{c, r.Handle, true}, r.Indicate, c.IndicateHandler, r)
		r.Then = func() {
			for _, f := range begin {
				go f()
			}
		}
		return nil
	}
}

// setNotifier opens or closes a notifier. It appends the call of the handler, which begins
// once the peer has the answer.
func (s *served) setNotifier(begin []func(), key notifies, on bool, h ble.NotifyHandler, r *gatt.SubscribeRequest) []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.notifiers[key]
	if !on || s.down {
		if old != nil {
			old.cancel()
			delete(s.notifiers, key)
		}
		return begin
	}
	if old != nil {
		return begin
	}
	n := &notifier{conn: s.conn, handle: key.value, send: r.Session.Notify}
	if key.indicate {
		n.send = r.Session.Indicate
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	s.notifiers[key] = n
	ccc := []byte{0, 0}
	if r.Notify {
		ccc[0] |= 1
	}
	if r.Indicate {
		ccc[0] |= 2
	}
	return append(begin, func() { h.ServeNotify(ble.NewRequest(s.conn, ccc, 0), n) })
}

// closeNotifiers closes those notifiers that end says, and with down all that are opened later.
func (s *served) closeNotifiers(end func(notifies) bool, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = s.down || down
	for key, n := range s.notifiers {
		if end(key) {
			n.cancel()
			delete(s.notifiers, key)
		}
	}
}
