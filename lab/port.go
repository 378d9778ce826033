package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Patience is how long a client may take to accept a packet.
const Patience = 10 * time.Second

// retryTime is the time between attempts to open a controller that is not there, for a
// place that exists only with its controller.
const retryTime = 200 * time.Millisecond

// leaveTime is how long a client waits for the end of the one before.
const leaveTime = time.Second

// Config holds the properties of a Port. Open must be set.
type Config struct {
	// Open opens the controller for the next client; the Port closes it. It fails while the
	// controller is not there.
	Open func(ctx context.Context) (hci.Transport, error)
	// Event is called for each event, one after the other. It must not block for long.
	// Default: no call.
	Event func(Event)
	// Capture gets every packet; sent means that it went to the controller. Its error ends
	// Serve. Default: no call.
	Capture func(t time.Time, sent bool, packet []byte) error
	// Reset sends HCI Reset to the controller when a client has gone, and waits for the
	// answer, at most 2 s.
	Reset bool
}

// EventKind is the kind of an Event.
type EventKind string

// The kinds of events.
const (
	EventListening EventKind = "listening" // clients can come
	EventClient    EventKind = "client"    // a client has come
	EventLeft      EventKind = "left"      // it has gone, Err has the reason
	EventRefused   EventKind = "refused"   // one was refused, Err has the reason
)

// Event is something that happens at a Port.
type Event struct {
	Time time.Time
	Kind EventKind
	// Address is where clients find the controller: tcp:HOST:PORT, unix:PATH, the path of a
	// terminal, or hciN.
	Address string
	// Client is the address of the client; empty if it has none.
	Client string
	Err    error
}

// errBusy is the reason for which a second client is refused.
var errBusy = errors.New("the controller has a client: end that first")

// door is where clients come in.
type door interface {
	// awaitClient waits for the next client. An error is final.
	awaitClient(ctx context.Context) (io.ReadWriteCloser, error)
	doorAddress() string
	// isSingle reports whether awaitClient has one client at a time by its nature.
	isSingle() bool
	Close() error
}

// Port is an open place.
type Port struct {
	door   door
	client atomic.Bool // there is one
}

// HasClient reports whether the controller has a client. Any goroutine may call it.
func (p *Port) HasClient() bool { return p.client.Load() }

// Listen opens a place. Its error is a *ListenError.
func Listen(ctx context.Context, p Place) (*Port, error) {
	var d door
	var err error
	switch p.Kind {
	case PlaceVHCI:
		d, err = openVHCI()
	case PlacePTY:
		d, err = openPTY()
	default:
		var l net.Listener
		if l, err = listenSocket(ctx, p); err == nil {
			return NewPort(l), nil
		}
	}
	if err != nil {
		return nil, err
	}
	return &Port{door: d}, nil
}

// NewPort returns a Port whose clients l accepts. The Port closes l.
func NewPort(l net.Listener) *Port { return &Port{door: &socketDoor{l}} }

// Address returns where clients find the controller; see Event.
func (p *Port) Address() string { return p.door.doorAddress() }

// Close ends Serve, and a Port that does not serve.
func (p *Port) Close() error {
	if err := p.door.Close(); err != nil && !isGone(err) {
		return fmt.Errorf("lab: close %s: %w", p.Address(), err)
	}
	return nil
}

// socketDoor has clients of a listener.
type socketDoor struct{ l net.Listener }

func (d *socketDoor) awaitClient(context.Context) (io.ReadWriteCloser, error) { return d.l.Accept() }
func (d *socketDoor) isSingle() bool                                          { return false }
func (d *socketDoor) Close() error                                            { return d.l.Close() }

func (d *socketDoor) doorAddress() string {
	a := d.l.Addr()
	return a.Network() + ":" + a.String()
}

// service is one call of Serve.
type service struct {
	port *Port
	cfg  *Config

	eventMu sync.Mutex // held while Config.Event runs

	captureMu  sync.Mutex
	captureErr error // of Config.Capture
	fail       context.CancelCauseFunc
}

// Serve serves clients, one at a time, until ctx ends, which is no error, or until the
// place fails. It closes the Port.
func (p *Port) Serve(ctx context.Context, cfg *Config) error {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &service{port: p, cfg: cfg, fail: cancel}
	stop := context.AfterFunc(ctx, func() { _ = p.Close() })
	var clients sync.WaitGroup
	var err error
	if p.door.isSingle() {
		err = s.serveSingle(ctx)
	} else {
		err = s.serveMany(ctx, &clients)
	}
	ended := ctx.Err() != nil
	cancel(nil)
	clients.Wait()
	if stop() {
		_ = p.Close()
	}
	s.captureMu.Lock()
	defer s.captureMu.Unlock()
	switch {
	case s.captureErr != nil:
		return s.captureErr
	case ended:
		return nil
	}
	return fmt.Errorf("lab: %s: %w", p.Address(), err)
}

func (s *service) tellEvent(e Event) {
	if s.cfg.Event == nil {
		return
	}
	s.eventMu.Lock()
	defer s.eventMu.Unlock()
	e.Time, e.Address = time.Now(), s.port.Address()
	s.cfg.Event(e)
}

// serveMany accepts clients all the time, so that a second one learns that there is one.
func (s *service) serveMany(ctx context.Context, clients *sync.WaitGroup) error {
	s.tellEvent(Event{Kind: EventListening})
	turn := make(chan struct{}, 1)
	for {
		c, err := s.port.door.awaitClient(ctx)
		if err != nil {
			return err
		}
		if !s.takeTurn(ctx, turn) {
			s.tellEvent(Event{Kind: EventRefused, Client: clientName(c), Err: errBusy})
			c.Close()
			continue
		}
		clients.Go(func() {
			defer func() { <-turn }()
			s.openFor(ctx, c)
		})
	}
}

// takeTurn waits for the end of the client before, which may be on its way.
func (s *service) takeTurn(ctx context.Context, turn chan struct{}) bool {
	wait := leaveTime
	if s.cfg.Reset {
		wait += resetTime
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case turn <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// openFor opens the controller for a client, and serves it.
func (s *service) openFor(ctx context.Context, c io.ReadWriteCloser) {
	tr, err := s.cfg.Open(ctx)
	if err == nil {
		s.serveClient(ctx, c, tr)
		return
	}
	if ctx.Err() == nil {
		s.tellEvent(Event{Kind: EventRefused, Client: clientName(c), Err: err})
	}
	c.Close()
}

// maker is a door that makes the client itself, once the controller is there.
type maker interface{ makeClient() error }

// serveSingle serves the clients of a door that has one at a time.
func (s *service) serveSingle(ctx context.Context) error {
	m, makes := s.port.door.(maker)
	if !makes {
		s.tellEvent(Event{Kind: EventListening})
	}
	for ctx.Err() == nil {
		var tr hci.Transport
		if makes {
			var err error
			if tr, err = s.openAndMake(ctx, m); err != nil {
				return err
			}
			s.tellEvent(Event{Kind: EventListening})
		}
		c, err := s.port.door.awaitClient(ctx)
		switch {
		case err != nil && tr != nil:
			return errors.Join(err, tr.Close())
		case err != nil:
			return err
		case tr != nil:
			s.serveClient(ctx, c, tr)
		default:
			s.openFor(ctx, c)
		}
	}
	return ctx.Err()
}

// openAndMake waits until the controller is there, and has m make its client.
func (s *service) openAndMake(ctx context.Context, m maker) (hci.Transport, error) {
	for {
		tr, err := s.cfg.Open(ctx)
		if err == nil {
			if err = m.makeClient(); err != nil {
				return nil, errors.Join(err, tr.Close())
			}
			return tr, nil
		}
		select {
		case <-time.After(retryTime):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// serveClient serves a client to its end.
func (s *service) serveClient(ctx context.Context, c io.ReadWriteCloser, tr hci.Transport) {
	name := clientName(c)
	s.port.client.Store(true)
	defer s.port.client.Store(false)
	s.tellEvent(Event{Kind: EventClient, Client: name})
	err := s.carry(ctx, c, tr)
	s.tellEvent(Event{Kind: EventLeft, Client: name, Err: err})
}

// clientName returns the address of a client.
func clientName(c io.ReadWriteCloser) string {
	if n, ok := c.(interface{ clientName() string }); ok {
		return n.clientName()
	}
	if n, ok := c.(net.Conn); ok && n.RemoteAddr() != nil && n.RemoteAddr().Network() == "tcp" {
		return n.RemoteAddr().String()
	}
	return ""
}
