package gatt

import (
	"log/slog"
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// ClientState is the state of a bonded client that a server must remember from
// one connection to the next (Vol 3, Part G, 2.5.2 and 3.3.3.3).
type ClientState struct {
	Key           string              `json:"key"`      // as in PeerInfo
	Features      uint8               `json:"features"` // Client Supported Features
	Hash          [16]byte            `json:"hash"`     // of the table that the client knows
	Subscriptions []SubscriptionState `json:"subscriptions,omitempty"`
}

// SubscriptionState is the value of one Client Characteristic Configuration.
type SubscriptionState struct {
	Handle         att.Handle `json:"handle"`         // of the descriptor
	Characteristic UUID       `json:"characteristic"` // that the descriptor belongs to
	Value          uint16     `json:"value"`          // bit 0 notifications, bit 1 indications
}

// ClientStore stores the states of bonded clients across restarts of the
// program.
type ClientStore interface {
	// Clients returns all stored states. NewServer calls it once.
	Clients() ([]ClientState, error)
	// SaveClient replaces the state of the client c.Key. It is called on a
	// goroutine of the server, one call at a time.
	SaveClient(c ClientState) error
	// DeleteClient deletes the state of a client. It is called like SaveClient.
	DeleteClient(key string) error
}

// stateOf returns the remembered state of a bonded client.
func (s *Server) stateOf(key string) (ClientState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[key]
	return c, ok
}

// rememberClient remembers the state of a session's client, unless it is to be
// forgotten. c.Subscriptions is not modified afterwards.
func (s *Server) rememberClient(x *Session, c ClientState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.forgotten.Load() {
		return
	}
	s.clients[c.Key] = c
	s.queueSaveLocked(c.Key)
}

// ForgetClient deletes the state of a client; call it when its bond is deleted.
// If the client has a link, its subscriptions stay in force until the link ends,
// but are not remembered, unless the client bonds anew: see [Session.BondMade].
// Any goroutine may call it, including a loop.
func (s *Server) ForgetClient(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.sessions {
		if peer := x.Peer(); peer.Key == key {
			peer.Bonded = false
			x.peer.Store(&peer)
			x.forgotten.Store(true)
		}
	}
	delete(s.clients, key)
	s.queueSaveLocked(key)
}

// resetClient gives a session's client the key of a new bond, without any
// remembered state.
func (s *Server) resetClient(x *Session, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	peer := x.Peer()
	peer.Key = key
	x.peer.Store(&peer)
	x.forgotten.Store(false)
	if _, ok := s.clients[key]; ok {
		delete(s.clients, key)
		s.queueSaveLocked(key)
	}
}

// queueSaveLocked queues a client whose state is to be stored or deleted. Only
// the latest state is stored, so the number of clients bounds the queue.
func (s *Server) queueSaveLocked(key string) {
	if s.cfg.Store == nil {
		return
	}
	if !slices.Contains(s.unsaved, key) {
		s.unsaved = append(s.unsaved, key)
	}
	if !s.saving && !s.closed {
		s.saving = true
		s.running.Go(s.saveClients)
	}
}

// saveClients stores queued states until none is left.
func (s *Server) saveClients() {
	for {
		s.mu.Lock()
		if len(s.unsaved) == 0 {
			s.saving = false
			s.mu.Unlock()
			return
		}
		key := s.unsaved[0]
		s.unsaved = slices.Delete(s.unsaved, 0, 1)
		c, ok := s.clients[key]
		s.mu.Unlock()
		err := error(nil)
		if ok {
			err = s.cfg.Store.SaveClient(c)
		} else {
			err = s.cfg.Store.DeleteClient(key)
		}
		if err != nil && s.cfg.Logger != nil {
			s.cfg.Logger.Error("state of a client was not stored", slog.String("client", key), slog.Any("error", err))
		}
	}
}
