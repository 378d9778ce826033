package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

const (
	// connectTime bounds a connect: clients give up after 20 or 30 s, and then try
	// another proxy.
	connectTime = 30 * time.Second
	// operationTime bounds an operation. Clients wait for 30 s.
	operationTime = 30 * time.Second
	// maxOperations is how many operations of one link may wait.
	maxOperations = 64
)

// link is the link to one device, or the attempt to make it. Its goroutine, run, owns
// what is not said to be guarded otherwise.
type link struct {
	server  *Server
	owner   *client
	dev     hci.Addr
	address esphome.Address
	since   time.Time
	ctx     context.Context // its end is that of the link
	cancel  context.CancelCauseFunc
	ops     chan esphome.Message

	client *connmgr.Client
	values map[att.Handle]*forwarded
	// begin, if not nil, is run once the operation has been answered.
	begin func()

	// The mutex of the Server guards these.
	mtu  uint32    // once the client knows that the link is up
	next *hci.Addr // a connect that waits for the end of this link
}

// end has the link end, for a reason of this side.
func (l *link) end(reason error) { l.cancel(reason) }

// ending reports whether the link has been told to end.
func (l *link) ending() bool { return l.ctx.Err() != nil }

// enqueue queues an operation. It is false if too many wait.
func (l *link) enqueue(m esphome.Message) bool {
	select {
	case l.ops <- m:
		return true
	default:
		return false
	}
}

// run connects, runs the operations, and tells the client of the beginning and of the
// end.
func (l *link) run() {
	s := l.server
	client, err := s.m.Establish(l.ctx, l.dev.String(), &connmgr.Options{Timeout: connectTime})
	if err == nil {
		l.client = client
		l.tellUp()
		err = l.serve()
		_ = client.Close()
	}
	if cause := context.Cause(l.ctx); cause != nil {
		err = cause
	}
	s.log.Info("link ended", "address", l.dev, "client", l.owner.describe(), "reason", err)
	l.cancel(err)
	for _, f := range l.values {
		<-f.done // no value follows the end of the link
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLinkLocked(l, codeOfEnd(err))
}

// tellUp tells the client that the link is up, unless it has been told to end.
func (l *link) tellUp() {
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.ending() {
		return
	}
	l.mtu = uint32(l.client.GATT().MTU()) //nolint:gosec // at most 517
	s.log.Info("link up", "address", l.dev, "client", l.owner.describe(), "adapter", l.client.Adapter())
	l.owner.session.Send(&esphome.DeviceConnection{Address: l.address, Connected: true, MTU: l.mtu})
	l.owner.sendSlotsLocked(s.slotsLocked())
}

// serve runs operations until the link ends, and returns why it did.
func (l *link) serve() error {
	for {
		select {
		case <-l.client.Done():
			return l.client.Err()
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		case m := <-l.ops:
			l.operate(m)
		}
	}
}

// operate runs one operation and sends its answer. The end of the link answers those that
// it cuts off.
func (l *link) operate(m esphome.Message) {
	ctx, cancel := context.WithTimeoutCause(l.ctx, operationTime, errOperationTime)
	defer cancel()
	l.begin = nil
	answer := l.answer(ctx, m)
	if l.ending() || l.client.Err() != nil {
		return
	}
	for _, a := range answer {
		l.owner.session.Send(a)
	}
	if l.begin != nil {
		l.begin()
	}
}

var errOperationTime = errors.New("proxy: the device has not answered within 30 s")
