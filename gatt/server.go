package gatt

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/loop"
)

// defaultPrepareQueue is more than a value of 512 octets needs at an MTU of 23:
// 29 parts.
const defaultPrepareQueue = 64

// ServerConfig configures a Server. The zero value is a server with only the
// Generic Access and Generic Attribute services.
type ServerConfig struct {
	// Services are the program's services, in order. The server puts the Generic
	// Access and Generic Attribute services before them, unless they are among
	// them. In a Generic Attribute service of the program, the server implements
	// Service Changed, Client and Server Supported Features and Database Hash too,
	// unless they have handlers.
	Services []ServiceDef
	// Name and Appearance are the values in the Generic Access service.
	Name       string
	Appearance uint16
	// AddressResolution adds Central Address Resolution (Vol 3, Part C, 12.4) with the
	// value 1 to the Generic Access service. Set it for a central whose controller
	// resolves the private addresses that peers direct their advertising to.
	AddressResolution bool
	// DisableGAP and DisableGATT omit the two services. Without the Generic
	// Attribute service, clients cannot learn of changes.
	DisableGAP, DisableGATT bool
	// PrepareQueue is the number of prepared writes that a client may queue,
	// each of at most 512 octets; a further one is refused with Prepare Queue
	// Full. 0 means 64; a negative value means none.
	PrepareQueue int
	// Store stores the state of bonded clients. Nil keeps it in memory.
	Store ClientStore
	// Logger logs dropped commands at level Debug and failures of Store at level
	// Error. Nil disables logging.
	Logger *slog.Logger
}

func (c *ServerConfig) prepareQueue() int {
	if c.PrepareQueue == 0 {
		return defaultPrepareQueue
	}
	return max(c.PrepareQueue, 0)
}

// Server offers attributes to any number of peers, on links of any number of
// controllers. Every link has a [Session], which answers the requests of its
// bearer.
//
// Requests for values in the table are answered on the loop. A handler of the
// program runs on a goroutine that exists for this call only, one at a time for
// each bearer of a session: a client with enhanced bearers has several. Requests
// and commands that arrive on the bearer meanwhile are queued, in order; of
// commands at most 32, later ones are dropped. A bearer has its own queue of
// prepared writes.
//
// The signature of a signed command (Vol 3, Part G, 4.9.2) is verified on such a
// goroutine too. The command has an effect only on an unencrypted link, from a
// bonded client, on a value with PropSignedWrite. Any other signed command is
// dropped without an answer and counted: see [Session.Dropped].
//
// The table is never modified: SetServices replaces it. Service Changed then
// informs the clients. Clients that have enabled robust caching cannot use
// handles of the old table (Vol 3, Part G, 2.5.2).
//
// The methods may be called from any goroutine but a loop.
type Server struct {
	cfg    ServerConfig
	ctx    context.Context // of all handlers
	cancel context.CancelFunc
	table  atomic.Pointer[table]

	running sync.WaitGroup // handlers and saveClients
	room    roomSignal     // of the outboxes

	mu       sync.Mutex
	sessions map[*Session]struct{}  // guarded by mu, as all below; those with a bearer
	clients  map[string]ClientState // bonded clients, by key
	unsaved  []string               // keys of clients whose state is to be stored
	saving   bool                   // saveClients is running
	closed   bool
}

// NewServer returns a server, or an error that names the invalid definition. cfg
// may be nil. The server copies it, but keeps its handlers, Store and Logger.
func NewServer(cfg *ServerConfig) (*Server, error) {
	if cfg == nil {
		cfg = &ServerConfig{}
	}
	t, err := newTable(cfg.withGeneric(cfg.Services))
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: *cfg, sessions: map[*Session]struct{}{}, clients: map[string]ClientState{}}
	s.room.ready = make(chan struct{}, 1)
	s.cfg.Services = nil
	if cfg.Store != nil {
		clients, err := cfg.Store.Clients()
		if err != nil {
			return nil, fmt.Errorf("gatt: states of bonded clients: %w", err)
		}
		for _, c := range clients {
			s.clients[c.Key] = c
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.table.Store(t)
	return s, nil
}

// Close ends the contexts of all handlers, and waits until the handlers and the
// Store have returned. Call it after the links have ended; on other links,
// requests that need a handler are refused from then on.
func (s *Server) Close() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
}

// spawn runs f on a goroutine and reports whether it did; after Close it does
// not.
func (s *Server) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Go(f)
	return true
}

// Profile returns the table as a client discovers it.
func (s *Server) Profile() *Profile { return s.table.Load().profile.Clone() }

// Hash returns the Database Hash of the table, least significant octet first.
func (s *Server) Hash() [16]byte { return s.table.Load().hash }

// Handle returns the value handle of the first characteristic chr in a service
// svc; ok is false if there is none.
func (s *Server) Handle(svc, chr UUID) (h att.Handle, ok bool) {
	_, c := s.table.Load().profile.Characteristic(svc, chr)
	if c == nil {
		return att.HandleNone, false
	}
	return c.Value, true
}

// SetValue replaces the value in the table of a characteristic value or a
// descriptor. It does not notify clients: see Notify.
func (s *Server) SetValue(h att.Handle, value []byte) error {
	a := s.table.Load().attributeAt(h)
	switch {
	case a == nil:
		return fmt.Errorf("gatt: no attribute with handle %s", h)
	case a.role != rolePlain || a.read != nil || a.isDeclaration():
		return fmt.Errorf("gatt: the value of attribute %s is not kept in the table", h)
	case len(value) < a.minLen || len(value) > a.maxLen:
		return fmt.Errorf("gatt: value of %d octets for attribute %s, want %d to %d", len(value), h, a.minLen, a.maxLen)
	}
	a.store(append([]byte(nil), value...))
	return nil
}

// SetServices replaces the services of the program. The services that the server
// adds itself keep their handles and values. Handles that are not fixed are
// allocated anew, in order, so that a service keeps its handles only if no
// service before it changes in size.
//
// Clients learn of the changed range at once, or when they connect again.
// Subscriptions outside that range stay in force. SetServices returns when the
// loops of all links use the new table, or when ctx ends; it does not wait for
// clients.
func (s *Server) SetServices(ctx context.Context, services []ServiceDef) error {
	defs := s.cfg.withGeneric(services)
	t, err := newTable(defs)
	if err != nil {
		return err
	}
	s.mu.Lock()
	old := s.table.Load()
	for _, svc := range t.profile.Services[:len(defs)-len(services)] {
		t.inherit(old, svc.Range())
	}
	t.gen, t.changed = old.gen, old.changed
	if d := difference(old, t); d.Valid() {
		t.gen, t.changed = t.gen+1, d
	}
	s.table.Store(t)
	s.mu.Unlock()
	for _, session := range s.snapshot() {
		if err := session.awaitLoop(ctx, session.adoptTable); err != nil {
			return err
		}
	}
	return nil
}

// snapshot returns the sessions that have a bearer.
func (s *Server) snapshot() []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Session, 0, len(s.sessions))
	for session := range s.sessions {
		all = append(all, session)
	}
	return all
}

// awaitLoop runs f on the session's loop and waits for it or for the end of the
// link.
func (s *Session) awaitLoop(ctx context.Context, f func(now time.Time)) error {
	ran := make(chan struct{})
	if !s.b.Post(loop.Func(func(now time.Time) {
		if !s.down {
			f(now)
		}
		close(ran)
	})) {
		return nil
	}
	select {
	case <-ran:
		return nil
	default:
	}
	select {
	case <-ran:
	case <-s.b.Done():
	case <-ctx.Done():
		return fmt.Errorf("gatt: new services: %w", context.Cause(ctx))
	}
	return nil
}

// isDeclaration reports whether the value is a part of the table's structure.
func (a *attribute) isDeclaration() bool {
	t, ok := a.typ.Short()
	return ok && (typePrimaryService <= t && t <= typeCharacteristic || t == typeExtendedProperties)
}
