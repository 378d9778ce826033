package gatt

import (
	"context"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// part is one requested write.
type part struct {
	handle   att.Handle
	offset   int
	value    []byte
	prepared bool // else value is the whole value
	command  bool
	signed   bool // a command with a valid signature
}

// staged is the change of one attribute by one or more parts: one call of its
// handler, or one new value.
type staged struct {
	a       *attribute
	offset  int
	value   []byte
	command bool
	signed  bool
}

// result is the attribute at which writing failed, and why; the zero value is
// success.
type result struct {
	handle att.Handle
	code   att.Code
}

// writable returns why a request cannot write an attribute on this link, 0 if it
// can.
func (s *Session) writable(h att.Handle) att.Code {
	a := s.t.attributeAt(h)
	switch {
	case a == nil:
		return att.CodeInvalidHandle
	case !a.writable:
		return att.CodeWriteNotPermitted
	}
	return a.perms.Write.check(s.linkSecurity())
}

func (s *Session) handleWrite(now time.Time, p att.WriteReq) {
	if code := s.writable(p.Handle); code != 0 {
		s.refuseRequest(att.OpWriteReq, p.Handle, code)
		return
	}
	s.commitParts(now, []part{{handle: p.Handle, value: slices.Clone(p.Value)}}, func(r result) {
		if r.code != 0 {
			s.refuseRequest(att.OpWriteReq, r.handle, r.code)
			return
		}
		s.b.Reply(att.WriteRsp{}.AppendPDU(s.scratch[:0]))
	})
}

// handleWriteCommand writes a value if it may. The client gets no answer.
func (s *Session) handleWriteCommand(now time.Time, p att.WriteCmd) {
	a := s.t.attributeAt(p.Handle)
	if a == nil || !a.commands || a.perms.Write.check(s.linkSecurity()) != 0 {
		s.dropCommand(att.OpWriteCmd, "not permitted")
		return
	}
	if s.client.barred(s.t) {
		s.dropCommand(att.OpWriteCmd, dropUnaware)
		return
	}
	s.commitCommand(now, att.OpWriteCmd, part{handle: p.Handle, value: slices.Clone(p.Value), command: true})
}

// commitCommand writes a part without an answer.
func (s *Session) commitCommand(now time.Time, op att.Opcode, p part) {
	s.commitParts(now, []part{p}, func(r result) {
		if r.code != 0 {
			s.dropCommand(op, r.code.String())
		}
	})
}

// handlePrepare queues a part of a value. Offset and length are checked when the
// queue is executed (Vol 3, Part F, 3.4.6.1).
func (s *Session) handlePrepare(p att.PrepareWriteReq) {
	code := s.writable(p.Handle)
	if code == 0 && len(s.prepared) >= s.srv.cfg.prepareQueue() {
		code = att.CodePrepareQueueFull
	}
	if code != 0 {
		s.refuseRequest(att.OpPrepareWriteReq, p.Handle, code)
		return
	}
	s.prepared = append(s.prepared, part{
		handle:   p.Handle,
		offset:   int(p.Offset),
		value:    slices.Clone(p.Value),
		prepared: true,
	})
	s.b.Reply(att.PrepareWriteRsp(p).AppendPDU(s.scratch[:0]))
}

// handleExecute writes or discards the queue, which is empty afterwards in any
// case (Vol 3, Part F, 3.4.6.3).
func (s *Session) handleExecute(now time.Time, p att.ExecuteWriteReq) {
	if p.Flags > att.ExecuteWrite {
		s.refuseRequest(att.OpExecuteWriteReq, att.HandleNone, att.CodeInvalidPDU)
		return
	}
	parts, lost := s.prepared, s.lost
	s.prepared, s.lost = nil, att.HandleNone
	done := func(r result) {
		if r.code != 0 {
			s.refuseRequest(att.OpExecuteWriteReq, r.handle, r.code)
			return
		}
		s.b.Reply(att.ExecuteWriteRsp{}.AppendPDU(s.scratch[:0]))
	}
	switch {
	case p.Flags == att.ExecuteCancel:
		done(result{})
	case lost != att.HandleNone:
		done(result{lost, att.CodeInvalidHandle})
	default:
		s.commitParts(now, parts, done)
	}
}

// commitParts writes all parts or, as far as the server can ensure it, none: it
// checks all lengths and offsets, then calls handlers in order until one
// refuses, and changes values in the table only after all have agreed. The
// effects of handlers before the one that refuses remain.
func (s *Session) commitParts(now time.Time, parts []part, done func(result)) {
	changes, r := s.stageParts(parts)
	if r.code != 0 {
		done(r)
		return
	}
	if !slices.ContainsFunc(changes, s.asksHandler) {
		s.applyChanges(now, changes, done)
		return
	}
	asked := slices.DeleteFunc(slices.Clone(changes), func(c staged) bool { return !s.asksHandler(c) })
	ok := s.runHandler(func(ctx context.Context) func(time.Time) {
		for _, c := range asked {
			if err := c.callHandler(ctx, s); err != nil {
				r := result{c.a.handle, codeOf(err)}
				return func(time.Time) { done(r) }
			}
		}
		return func(now time.Time) { s.applyChanges(now, changes, done) }
	})
	if !ok {
		done(result{changes[0].a.handle, att.CodeUnlikelyError})
	}
}

// asksHandler reports whether a change calls a handler.
func (s *Session) asksHandler(c staged) bool {
	return c.a.write != nil || c.a.subscribe != nil && s.client.subscribed.get(c.a.handle) != c.cccd()
}

// cccd returns the value of a configuration, which checkChange has validated.
func (c staged) cccd() uint16 {
	r := wire.NewReader(c.value)
	return r.U16()
}

// callHandler calls the program's handler for a change.
func (c staged) callHandler(ctx context.Context, s *Session) error {
	if c.a.write != nil {
		return c.a.write(ctx, &WriteRequest{
			Session: s, Handle: c.a.handle, Offset: c.offset, Value: c.value, Command: c.command, Signed: c.signed,
		})
	}
	v := c.cccd()
	return c.a.subscribe(ctx, &SubscribeRequest{
		Session: s, Handle: c.a.owner, Notify: v&cccdNotify != 0, Indicate: v&cccdIndicate != 0,
	})
}

// applyChanges changes the values that the server itself keeps, answers the
// request, and acts on the changes.
func (s *Session) applyChanges(now time.Time, changes []staged, done func(result)) {
	kept := false
	for _, c := range changes {
		switch {
		case c.a.role == roleCCCD:
			// The table may have changed while a handler ran.
			s.client.subscribed = s.client.subscribed.with(SubscriptionState{
				Handle: c.a.handle, Characteristic: c.a.char, Value: c.cccd(),
			}).in(s.t)
			kept = true
		case c.a.role == roleFeatures:
			r := wire.NewReader(c.value)
			s.client.features = r.U8()
			s.client.claimed = s.client.features
			kept = true
		case c.a.write == nil:
			c.a.store(c.value)
		}
	}
	if kept {
		s.publish()
		s.keepClient()
	}
	done(result{})
	if kept {
		s.indicateChange(now)
	}
}

// stageParts turns parts into changes, or returns the first invalid part. Since a
// prepared part was queued, permissions and the protection of the link may have
// changed.
func (s *Session) stageParts(parts []part) ([]staged, result) {
	var changes []staged
	for _, p := range parts {
		a := s.t.attributeAt(p.handle)
		code := att.Code(0)
		switch {
		case p.prepared:
			code = s.writable(p.handle)
		case a == nil:
			code = att.CodeInvalidHandle
		}
		if code != 0 {
			return nil, result{p.handle, code}
		}
		if changes, code = s.stagePart(changes, a, p); code != 0 {
			return nil, result{p.handle, code}
		}
	}
	for _, c := range changes {
		if code := s.checkChange(c); code != 0 {
			return nil, result{c.a.handle, code}
		}
	}
	return changes, result{}
}

func (s *Session) stagePart(changes []staged, a *attribute, p part) ([]staged, att.Code) {
	n := staged{a: a, offset: p.offset, value: p.value, command: p.command, signed: p.signed}
	if a.write != nil {
		// Only the handler knows the value, so only adjoining parts are joined.
		if p.prepared && len(changes) > 0 {
			if c := &changes[len(changes)-1]; c.a == a && p.offset == c.offset+len(c.value) {
				c.value = append(c.value, p.value...)
				return changes, tooLong(a, c.offset+len(c.value))
			}
		}
		return append(changes, n), tooLong(a, n.offset+len(n.value))
	}
	i := slices.IndexFunc(changes, func(c staged) bool { return c.a == a })
	var now []byte
	switch {
	case i >= 0:
		now = changes[i].value
	case p.prepared:
		now = s.currentValue(a)
	}
	if p.prepared {
		if p.offset > len(now) {
			return changes, att.CodeInvalidOffset
		}
		v := slices.Concat(now[:p.offset], p.value)
		if a.fixed() && len(v) < len(now) {
			v = append(v, now[len(v):]...)
		}
		n.offset, n.value = 0, v
	}
	if i >= 0 {
		changes[i] = n
	} else {
		changes = append(changes, n)
	}
	return changes, tooLong(a, len(n.value))
}

func tooLong(a *attribute, n int) att.Code {
	if n > a.maxLen {
		return att.CodeInvalidAttributeValueLength
	}
	return 0
}

// currentValue returns the value that prepared writes modify.
func (s *Session) currentValue(a *attribute) []byte {
	switch a.role {
	case roleCCCD:
		return wire.AppendU16(nil, s.client.subscribed.get(a.handle))
	case roleFeatures:
		return []byte{s.client.features}
	case rolePlain, roleHash:
	}
	return a.load()
}

// checkChange validates a complete change.
func (s *Session) checkChange(c staged) att.Code {
	if c.offset == 0 && len(c.value) < c.a.minLen {
		return att.CodeInvalidAttributeValueLength
	}
	r := wire.NewReader(c.value)
	switch c.a.role {
	case roleCCCD:
		if r.U16()&^c.a.props.subscribable() != 0 {
			return att.CodeValueNotAllowed
		}
	case roleFeatures:
		// A client must not clear a feature (Vol 3, Part G, 7.2). Octets behind
		// the first have no meaning yet.
		f := r.U8()
		switch {
		case r.Err() != nil:
			return att.CodeInvalidAttributeValueLength
		case s.client.features&^f != 0:
			return att.CodeValueNotAllowed
		}
	case rolePlain, roleHash:
	}
	return 0
}
