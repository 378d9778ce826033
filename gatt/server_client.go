package gatt

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// Bits of Client Supported Features (Vol 3, Part G, 7.2).
const (
	featureRobustCaching         = 0x01
	featureMultipleNotifications = 0x04
)

// Bits of a Client Characteristic Configuration (Vol 3, Part G, 3.3.3.3).
const (
	cccdNotify   = 0x0001
	cccdIndicate = 0x0002
)

// client is what a session knows of its client. Its owner is the loop.
//
// Whether the client is aware of the table that there is (Vol 3, Part G,
// 2.5.2.1):
//
//	state     event                                        next
//	aware     the table changes                            unaware
//	unaware   Service Changed for the table is confirmed   aware
//	unaware   hash is read                                 proving
//	unaware   0x12 is sent                                 proving
//	proving   any request                                  aware, and then it is answered
//	any       the table changes                            unaware
//
// Only where the client has asked for robust caching does that matter: the
// requests of an unaware client that name handles are refused with 0x12, once;
// its commands are dropped, and it is sent no values.
type client struct {
	features   uint8
	claimed    uint8 // features that were written on this link
	subscribed subscriptions

	unaware bool
	proving bool
	known   [16]byte // hash of the table that the client knows, if unaware

	stored     *ClientState    // whose subscriptions wait for the link to be encrypted
	kept       bool            // the server remembers the client
	changed    att.HandleRange // that the client is to be told of
	indicating bool            // it is being told
}

// subscriptions is the list of the configurations that are not zero. It is
// never written to but replaced, as other goroutines read it.
type subscriptions []SubscriptionState

// get returns the value of the configuration at a handle.
func (s subscriptions) get(cccd att.Handle) uint16 {
	for _, c := range s {
		if c.Handle == cccd {
			return c.Value
		}
	}
	return 0
}

// with returns the list with a configuration replaced.
func (s subscriptions) with(n SubscriptionState) subscriptions {
	l := slices.DeleteFunc(slices.Clone(s), func(c SubscriptionState) bool { return c.Handle == n.Handle })
	if n.Value != 0 {
		l = append(l, n)
	}
	return l
}

// in returns those that are still about what they were about: t has such a
// configuration, of the same characteristic, at the same handle.
func (s subscriptions) in(t *table) subscriptions {
	return slices.DeleteFunc(slices.Clone(s), func(c SubscriptionState) bool {
		a := t.at(c.Handle)
		return a == nil || a.role != roleCCCD || a.char != c.Characteristic
	})
}

// admit takes note of a request, and reports false with the handle that is at
// fault if the client must not send it without having learned of the table.
func (c *client) admit(s *Session, p att.PDU) (att.Handle, bool) {
	if c.unaware && c.proving {
		c.becomeAware(s)
	}
	h, named := namesHandle(p)
	if c.silent(s.t) && named {
		c.proving = true
		return h, false
	}
	if q, ok := p.(att.ReadByTypeReq); ok && c.unaware && q.Type == UUID16(typeDatabaseHash) &&
		(att.HandleRange{Start: q.Start, End: q.End}).Contains(s.t.hashValue) {
		c.proving = true
	}
	return att.HandleNone, true
}

// silent reports whether the client must be kept from the table until it has
// learned of it.
func (c *client) silent(t *table) bool {
	return c.unaware && c.features&featureRobustCaching != 0 && t.robust()
}

// namesHandle returns the first handle that a request is about; ok is false for
// those that only discover (Vol 3, Part G, 2.5.2.1).
func namesHandle(p att.PDU) (h att.Handle, ok bool) {
	switch p := p.(type) {
	case att.ReadReq:
		return p.Handle, true
	case att.ReadBlobReq:
		return p.Handle, true
	case att.WriteReq:
		return p.Handle, true
	case att.PrepareWriteReq:
		return p.Handle, true
	case att.ReadMultipleReq:
		return p.Handles[0], true
	case att.ReadMultipleVariableReq:
		return p.Handles[0], true
	case att.ReadByTypeReq:
		discovers := p.Type == UUID16(typeInclude) || p.Type == UUID16(typeCharacteristic)
		all := p.Start == att.HandleMin && p.End == att.HandleMax
		return p.Start, !discovers && !all
	}
	return att.HandleNone, false
}

func (c *client) becomeAware(s *Session) {
	c.unaware, c.proving = false, false
	s.publish()
	s.keep()
}

// adopt goes over to the table that the server has now. Called on the loop.
func (s *Session) adopt(now time.Time) {
	old, t := s.t, s.srv.table.Load()
	if t == old {
		return
	}
	s.t = t
	if t.gen == old.gen {
		s.publish()
		return
	}
	changed := t.changed
	if t.gen != old.gen+1 {
		changed = everything
	}
	c := &s.client
	if !c.unaware {
		c.known = old.hash
	}
	c.unaware, c.proving = true, false
	c.changed = union(c.changed, changed)
	c.subscribed = slices.DeleteFunc(c.subscribed.in(t), func(x SubscriptionState) bool {
		return changed.Contains(x.Handle) && t.at(x.Handle).owner != t.serviceChanged
	})
	for _, p := range s.prepared {
		if changed.Contains(p.handle) {
			s.prepared, s.lost = nil, p.handle
			break
		}
	}
	s.publish()
	s.keep()
	s.tellChanged(now)
}

// everything is the range of all handles.
var everything = att.HandleRange{Start: att.HandleMin, End: att.HandleMax}

// tellChanged sends Service Changed if there is something to tell, the client
// wants to know and is not being told already.
func (s *Session) tellChanged(now time.Time) {
	c := &s.client
	h := s.t.serviceChanged
	if h == att.HandleNone || !c.changed.Valid() || c.indicating || s.down ||
		c.subscribed.get(s.t.at(h).cccd)&cccdIndicate == 0 {
		return
	}
	gen := s.t.gen
	v := wire.AppendU16(wire.AppendU16(nil, uint16(c.changed.Start)), uint16(c.changed.End))
	c.changed, c.indicating = att.HandleRange{}, true
	s.b.StartIndicate(now, att.HandleValueIndication{Handle: h, Value: v}, func(now time.Time, err error) {
		c.indicating = false
		if err != nil || s.down {
			return // the bearer has ended
		}
		if s.t.gen == gen && c.unaware {
			c.becomeAware(s)
		}
		s.tellChanged(now)
	})
}

// SecurityChanged has the session look at what protects the link. Once a bonded
// client's link is encrypted, what it subscribed to in earlier connections is in
// force again: not before, since any device can claim to have its address.
// Called on the loop, when encryption has changed; every request does the same.
func (s *Session) SecurityChanged(now time.Time) {
	c := &s.client
	if s.b == nil || s.down || c.kept || !s.proven() {
		return
	}
	if c.stored == nil {
		s.keep() // newly bonded
		return
	}
	for _, x := range subscriptions(c.stored.Subscriptions).in(s.t) {
		if c.subscribed.get(x.Handle) == 0 {
			c.subscribed = c.subscribed.with(x)
		}
	}
	c.stored = nil
	s.publish()
	s.keep()
	s.tellChanged(now)
}

// recall takes up what is known of a bonded client. If the table is not the one
// that it knows, it owes a Service Changed over all handles, as nothing says what
// was where.
func (s *Session) recall() {
	peer := s.Peer()
	if !peer.Bonded || peer.Key == "" {
		return
	}
	st, ok := s.srv.recall(peer.Key)
	if !ok {
		return
	}
	c := &s.client
	c.stored, c.features = &st, st.Features
	if st.Hash != s.t.hash {
		c.unaware, c.known, c.changed = true, st.Hash, everything
	}
}

// proven reports whether the client is bonded, and has shown by encryption that
// it is who it says.
func (s *Session) proven() bool {
	sec := s.security()
	return s.peer.Load().Key != "" && !s.forgotten.Load() && sec.Bonded && sec.Encrypted
}

// BondMade tells the session that its client has made a bond during the link,
// the first or a new one. key is its identity address, the name by which it is
// remembered from now on, whatever address it uses. What it has subscribed to on
// this link goes with it; what was kept under an older bond does not. Called on
// the loop.
func (s *Session) BondMade(now time.Time, key string) {
	if s.down {
		return
	}
	s.srv.startOver(s, key)
	c := &s.client
	if c.stored != nil { // of the older bond, which nobody has shown to have
		c.stored, c.features = nil, c.claimed
		s.publish()
	}
	c.kept = false
	s.SecurityChanged(now)
}

// keep has the server remember the client, if it is proven.
func (s *Session) keep() {
	c := &s.client
	if c.stored != nil || !s.proven() {
		return
	}
	c.kept = true
	st := ClientState{Key: s.peer.Load().Key, Features: c.features, Hash: s.t.hash, Subscriptions: c.subscribed}
	if c.unaware {
		st.Hash = c.known
	}
	s.srv.remember(s, st)
}
