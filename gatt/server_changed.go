package gatt

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// everything is the range of all handles.
var everything = att.HandleRange{Start: att.HandleMin, End: att.HandleMax}

// adoptTable makes the session use the server's current table. Must run on the
// loop.
func (s *Session) adoptTable(now time.Time) {
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
	if c.awareness == aware {
		c.knows = old.hash
	}
	c.awareness = unaware
	c.changed = union(c.changed, changed)
	c.subscribed = slices.DeleteFunc(c.subscribed.in(t), func(x SubscriptionState) bool {
		return changed.Contains(x.Handle) && t.attributeAt(x.Handle).owner != t.serviceChanged
	})
	for _, p := range s.prepared {
		if changed.Contains(p.handle) {
			s.prepared, s.lost = nil, p.handle
			break
		}
	}
	s.publish()
	s.keepClient()
	s.indicateChange(now)
}

// indicateChange sends Service Changed if there is a change to indicate, the
// client has subscribed to it, and no earlier one awaits its confirmation.
func (s *Session) indicateChange(now time.Time) {
	c := &s.client
	h := s.t.serviceChanged
	if h == att.HandleNone || !c.changed.Valid() || c.indicating || s.down ||
		c.subscribed.get(s.t.attributeAt(h).cccd)&cccdIndicate == 0 {
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
		if s.t.gen == gen && c.awareness != aware {
			c.becomeAware(s)
		}
		s.indicateChange(now)
	})
}
