package gatt

import "time"

// SecurityChanged makes the session look up how the link is protected. Once the
// link of a bonded client is encrypted, its subscriptions of earlier connections
// are in force again: not before, since any device can claim to have its address.
// Call it whenever encryption has changed; every request does the same. Must run
// on the loop.
func (s *Session) SecurityChanged(now time.Time) {
	if s.b == nil || s.down {
		return
	}
	s.restoreSubscriptions()
	s.indicateChange(now)
}

// restoreSubscriptions puts the stored subscriptions of a client into force that
// has proved its identity.
func (s *Session) restoreSubscriptions() {
	c := &s.client
	if c.memory == kept || !s.isProven() {
		return
	}
	if c.memory == stranger {
		s.keepClient()
		return
	}
	for _, x := range subscriptions(c.stored.Subscriptions).in(s.t) {
		if c.subscribed.get(x.Handle) == 0 {
			c.subscribed = c.subscribed.with(x)
		}
	}
	c.memory, c.stored = stranger, ClientState{} // until keepClient
	s.publish()
	s.keepClient()
}

// recallClient loads what the server remembers of a bonded client. If the client
// knows another table than the current one, it is owed a Service Changed over all
// handles, since nothing tells which attributes moved.
func (s *Session) recallClient() {
	peer := s.Peer()
	if !peer.Bonded || peer.Key == "" {
		return
	}
	st, ok := s.srv.stateOf(peer.Key)
	if !ok {
		return
	}
	c := &s.client
	c.memory, c.stored, c.features = recalled, st, st.Features
	if st.Hash != s.t.hash {
		c.awareness, c.knows, c.changed = unaware, st.Hash, everything
	}
}

// isProven reports whether the client is bonded and has proved its identity by
// encrypting the link.
func (s *Session) isProven() bool {
	sec := s.linkSecurity()
	return s.peer.Load().Key != "" && !s.forgotten.Load() && sec.Bonded && sec.Encrypted
}

// BondMade tells the session that its client has bonded during the link, for the
// first time or anew. key is the client's identity address, by which the server
// remembers it from now on, whatever address it uses. The client's subscriptions
// on this link are remembered too; those made under an older bond are not. Must
// run on the loop.
func (s *Session) BondMade(now time.Time, key string) {
	if s.down {
		return
	}
	s.srv.resetClient(s, key)
	c := &s.client
	if c.memory == recalled { // under the older bond, which the client has not proved to have
		c.stored, c.features = ClientState{}, c.claimed
		s.publish()
	}
	c.memory = stranger
	s.SecurityChanged(now)
}

// keepClient makes the server remember the client, if it has proved its identity.
func (s *Session) keepClient() {
	c := &s.client
	if c.memory == recalled || !s.isProven() {
		return
	}
	c.memory = kept
	st := ClientState{Key: s.peer.Load().Key, Features: c.features, Hash: s.t.hash, Subscriptions: c.subscribed}
	if c.awareness != aware {
		st.Hash = c.knows
	}
	s.srv.rememberClient(s, st)
}
