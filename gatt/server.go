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

// defaultPrepareQueue is enough for a value of 512 octets at the MTU of 23, in
// 29 parts, and then some.
const defaultPrepareQueue = 64

// ServerConfig says what a Server offers. The zero value is a server with the
// two services that every server has.
type ServerConfig struct {
	// Services stand behind the Generic Access and Generic Attribute services,
	// which the server adds unless they are among them. A Generic Attribute
	// service of the program's own works as the server's does: its Service
	// Changed, Client Supported Features and Database Hash live, if it has them
	// and gives them no handlers.
	Services []ServiceDef
	// Name and Appearance are shown in the Generic Access service.
	Name       string
	Appearance uint16
	// DisableGAP and DisableGATT leave the two services out. Without the second,
	// clients cannot learn of changes.
	DisableGAP, DisableGATT bool
	// PrepareQueue is how many prepared writes a client may have waiting, each of
	// at most 512 octets; one more is refused with Prepare Queue Full. 0 is 64,
	// and a negative number allows none.
	PrepareQueue int
	// Store keeps what must be known of bonded clients. Nil keeps it in memory.
	Store ClientStore
	// Logger gets commands that are dropped (debug) and states that could not be
	// stored (error).
	// Nil is silent.
	Logger *slog.Logger
}

func (c *ServerConfig) prepareQueue() int {
	if c.PrepareQueue == 0 {
		return defaultPrepareQueue
	}
	return max(c.PrepareQueue, 0)
}

// Server offers attributes to any number of peers, on links of any number of
// controllers. For every link it makes a [Session], which answers the requests
// on that link's bearer.
//
// Requests for values that the table holds are answered on the loop. A handler of
// the program runs on a goroutine, at most one for each session, that starts with
// the request and ends with the handler. Requests and commands that come
// meanwhile wait, in order; of commands at most 32, later ones are dropped.
//
// A signed command (Vol 3, Part G, 4.9.2) is one whose signature is checked first,
// on such a goroutine as well: of each client one at a time, and what comes
// behind it waits as for a handler. It has an effect only on a link that is not
// encrypted, from a bonded client, on a value with PropSignedWrite; everything
// else is dropped without a word to the client, and counted: see
// [Session.Dropped].
//
// The table never changes in place: SetServices replaces it. Clients are then
// told with Service Changed, and, if they have asked for robust caching, kept
// from using handles that they no longer know (Vol 3, Part G, 2.5.2).
//
// The methods may be called from any goroutine but a loop.
type Server struct {
	cfg    ServerConfig
	ctx    context.Context // of all handlers
	cancel context.CancelFunc
	table  atomic.Pointer[table]

	running sync.WaitGroup // handlers, and the saver

	mu       sync.Mutex
	sessions map[*Session]struct{}  // guarded by mu, as all below; those on a bearer
	clients  map[string]ClientState // bonded clients, by key
	unsaved  []string               // keys of clients whose state the store has not seen
	saving   bool                   // the saver runs
	closed   bool
}

// NewServer returns a server, or an error that says which definition is wrong.
// cfg may be nil and is not kept, but for what it points to: handlers, store and
// logger.
func NewServer(cfg *ServerConfig) (*Server, error) {
	if cfg == nil {
		cfg = &ServerConfig{}
	}
	t, err := newTable(cfg.withGeneric(cfg.Services))
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: *cfg, sessions: map[*Session]struct{}{}, clients: map[string]ClientState{}}
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

// Close ends the contexts of all handlers and waits until they and the store
// have come to their end. It is to be called after the links have ended; on
// those that have not, what needs a handler is refused from now on.
func (s *Server) Close() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
}

// spawn runs f on a goroutine and reports whether it did; it does not after
// Close.
func (s *Server) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Go(f)
	return true
}

// Profile returns the table as a client sees it.
func (s *Server) Profile() *Profile { return s.table.Load().profile.Clone() }

// Hash returns the Database Hash of the table.
func (s *Server) Hash() [16]byte { return s.table.Load().hash }

// Handle returns the handle of the value of the first characteristic chr in a
// service svc; ok is false if there is none.
func (s *Server) Handle(svc, chr UUID) (h att.Handle, ok bool) {
	_, c := s.table.Load().profile.Characteristic(svc, chr)
	if c == nil {
		return att.HandleNone, false
	}
	return c.Value, true
}

// SetValue replaces the value that the table holds for an attribute, a
// characteristic value or a descriptor. It tells no client: see Notify.
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

// SetServices replaces the services of the program; those that the server adds
// by itself stay as they are, values included. Handles that are not fixed are given out anew, in
// order, so that a service keeps its handles only if nothing before it grows or
// shrinks.
//
// All clients are told what range has changed, or will be when they come back.
// What a client has subscribed to outside that range stays subscribed.
// SetServices returns when every link's loop works with the new table, or ctx
// ends; it waits for no client.
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

// snapshot returns the sessions that are on a bearer.
func (s *Server) snapshot() []*Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Session, 0, len(s.sessions))
	for session := range s.sessions {
		all = append(all, session)
	}
	return all
}

// awaitLoop runs f on the session's loop and waits until it has run or the link has
// ended.
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

// isDeclaration reports whether the value is part of the table's structure.
func (a *attribute) isDeclaration() bool {
	t, ok := a.typ.Short()
	return ok && (typePrimaryService <= t && t <= typeCharacteristic || t == typeExtendedProperties)
}
