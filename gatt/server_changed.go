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
	s.endProofs()
	c.changed = union(c.changed, changed)
	c.subscribed = slices.DeleteFunc(c.subscribed.in(t), func(x SubscriptionState) bool {
		return changed.Contains(x.Handle) && t.attributeAt(x.Handle).owner != t.serviceChanged
	})
	for _, q := range s.inboxes {
		if i := slices.IndexFunc(q.prepared, func(p part) bool { return changed.Contains(p.handle) }); i >= 0 {
			q.prepared, q.lost = nil, q.prepared[i].handle
		}
	}
	s.publish()
	s.keepClient()
	s.indicateChange(now)
}

// indicateChange sends Service Changed if there is a change to indicate, the
// client has subscribed to it on a link that may have it, and no earlier one
// awaits its confirmation.
func (s *Session) indicateChange(now time.Time) {
	c := &s.client
	h := s.t.serviceChanged
	if h == att.HandleNone || !c.changed.Valid() || c.indicating || s.down ||
		c.subscribed.get(s.t.attributeAt(h).cccd)&cccdIndicate == 0 || s.t.mayDeliver(h, s.linkSecurity()) != 0 {
		return
	}
	gen := s.t.gen
	r := s.t.wholeServices(c.changed)
	v := wire.AppendU16(wire.AppendU16(nil, uint16(r.Start)), uint16(r.End))
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

// wholeServices returns the range to indicate for a change of r. It ends at
// 0xffff if no service follows r. Else it ends with a service, so that it may
// take in one that has not changed: BlueZ 5.66 goes on behind the last service of
// a range from handle 0, and drops all of them when that is refused.
func (t *table) wholeServices(r att.HandleRange) att.HandleRange {
	services := t.profile.Services
	behind := slices.IndexFunc(services, func(s Service) bool { return s.Handle > r.End })
	if behind < 0 {
		return att.HandleRange{Start: r.Start, End: att.HandleMax}
	}
	if behind > 0 {
		if last := services[behind-1].End; r.Start <= last && last < r.End {
			r.End = services[behind].End
		}
	}
	return r
}
