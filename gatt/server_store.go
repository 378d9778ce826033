package gatt

import (
	"log/slog"
	"slices"

	"github.com/moor-ble/moor/gatt/att"
)

// ClientState is what a server must remember of a bonded client from one
// connection to the next (Vol 3, Part G, 2.5.2 and 3.3.3.3).
type ClientState struct {
	Key           string              `json:"key"`      // as in PeerInfo
	Features      uint8               `json:"features"` // Client Supported Features
	Hash          [16]byte            `json:"hash"`     // Database Hash of the table that the client knows
	Subscriptions []SubscriptionState `json:"subscriptions,omitempty"`
}

// SubscriptionState is the value of one Client Characteristic Configuration.
type SubscriptionState struct {
	Handle         att.Handle `json:"handle"`         // of the descriptor
	Characteristic UUID       `json:"characteristic"` // whose descriptor it is
	Value          uint16     `json:"value"`          // bit 0 notifications, bit 1 indications
}

// ClientStore keeps the states of bonded clients over restarts of the program.
type ClientStore interface {
	// Clients returns all that are kept. NewServer calls it once.
	Clients() ([]ClientState, error)
	// SaveClient replaces what is kept of the client with that key. It is called
	// on a goroutine of the server, never twice at a time.
	SaveClient(c ClientState) error
	// DeleteClient drops what is kept of a client. It is called as SaveClient is.
	DeleteClient(key string) error
}

// stateOf returns what the server remembers of a bonded client.
func (s *Server) stateOf(key string) (ClientState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[key]
	return c, ok
}

// rememberClient keeps the state of a session's client, unless it is to be forgotten.
// The server does not write to the slice in it afterwards.
func (s *Server) rememberClient(x *Session, c ClientState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.forgotten.Load() {
		return
	}
	s.clients[c.Key] = c
	s.queueSaveLocked(c.Key)
}

// ForgetClient drops what is known of a client, as is to be done with its bond.
// A client that has a link now keeps what it has subscribed to until the link
// ends; none of that is remembered either, unless it bonds anew: see
// [Session.BondMade]. Any goroutine may call it, a loop too.
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

// resetClient gives a session's client the key of a new bond, under which nothing
// is remembered yet.
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

// queueSaveLocked has the store told of a client's state, of which only the latest
// counts: what waits is bounded by the number of clients.
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

// saveClients tells the store until there is nothing left to tell.
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
