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

func (q *inbox) handleWrite(now time.Time, p att.WriteReq) {
	if code := q.s.writable(p.Handle); code != 0 {
		q.refuseRequest(att.OpWriteReq, p.Handle, code)
		return
	}
	q.commitParts(now, []part{{handle: p.Handle, value: slices.Clone(p.Value)}}, func(r result) {
		if r.code != 0 {
			q.refuseRequest(att.OpWriteReq, r.handle, r.code)
			return
		}
		q.b.Reply(att.WriteRsp{}.AppendPDU(q.s.scratch[:0]))
	})
}

// handleWriteCommand writes a value if it may. The client gets no answer.
func (q *inbox) handleWriteCommand(now time.Time, p att.WriteCmd) {
	a := q.s.t.attributeAt(p.Handle)
	if a == nil || !a.commands || a.perms.Write.check(q.s.linkSecurity()) != 0 {
		q.s.dropCommand(att.OpWriteCmd, "not permitted")
		return
	}
	if q.s.client.barred(q.s.t) {
		q.s.dropCommand(att.OpWriteCmd, dropUnaware)
		return
	}
	q.commitCommand(now, att.OpWriteCmd, part{handle: p.Handle, value: slices.Clone(p.Value), command: true})
}

// commitCommand writes a part without an answer.
func (q *inbox) commitCommand(now time.Time, op att.Opcode, p part) {
	q.commitParts(now, []part{p}, func(r result) {
		if r.code != 0 {
			q.s.dropCommand(op, r.code.String())
		}
	})
}

// handlePrepare queues a part of a value. Offset and length are checked when the
// queue is executed (Vol 3, Part F, 3.4.6.1).
func (q *inbox) handlePrepare(p att.PrepareWriteReq) {
	code := q.s.writable(p.Handle)
	if code == 0 && len(q.prepared) >= q.s.srv.cfg.prepareQueue() {
		code = att.CodePrepareQueueFull
	}
	if code != 0 {
		q.refuseRequest(att.OpPrepareWriteReq, p.Handle, code)
		return
	}
	q.prepared = append(q.prepared, part{
		handle:   p.Handle,
		offset:   int(p.Offset),
		value:    slices.Clone(p.Value),
		prepared: true,
	})
	q.b.Reply(att.PrepareWriteRsp(p).AppendPDU(q.s.scratch[:0]))
}

// handleExecute writes or discards the queue, which is empty afterwards in any
// case (Vol 3, Part F, 3.4.6.3).
func (q *inbox) handleExecute(now time.Time, p att.ExecuteWriteReq) {
	if p.Flags > att.ExecuteWrite {
		q.refuseRequest(att.OpExecuteWriteReq, att.HandleNone, att.CodeInvalidPDU)
		return
	}
	parts, lost := q.prepared, q.lost
	q.prepared, q.lost = nil, att.HandleNone
	done := func(r result) {
		if r.code != 0 {
			q.refuseRequest(att.OpExecuteWriteReq, r.handle, r.code)
			return
		}
		q.b.Reply(att.ExecuteWriteRsp{}.AppendPDU(q.s.scratch[:0]))
	}
	switch {
	case p.Flags == att.ExecuteCancel:
		done(result{})
	case lost != att.HandleNone:
		done(result{lost, att.CodeInvalidHandle})
	default:
		q.commitParts(now, parts, done)
	}
}

// commitParts writes all parts or, as far as the server can ensure it, none: it
// checks all lengths and offsets, then calls handlers in order until one
// refuses, and changes values in the table only after all have agreed. The
// effects of handlers before the one that refuses remain.
func (q *inbox) commitParts(now time.Time, parts []part, done func(result)) {
	changes, r := q.s.stageParts(parts)
	if r.code != 0 {
		done(r)
		return
	}
	if !slices.ContainsFunc(changes, q.s.asksHandler) {
		q.applyChanges(now, changes, done)
		return
	}
	asked := slices.DeleteFunc(slices.Clone(changes), func(c staged) bool { return !q.s.asksHandler(c) })
	ok := q.runHandler(func(ctx context.Context) func(time.Time) {
		var then []func()
		for _, c := range asked {
			f, err := c.callHandler(ctx, q.s)
			if err != nil {
				r := result{c.a.handle, codeOf(err)}
				return func(time.Time) { done(r) }
			}
			if f != nil {
				then = append(then, f)
			}
		}
		return func(now time.Time) {
			q.applyChanges(now, changes, done)
			for _, f := range then {
				go f()
			}
		}
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

// callHandler calls the program's handler for a change. then is that of a SubscribeRequest.
func (c staged) callHandler(ctx context.Context, s *Session) (then func(), err error) {
	if c.a.write != nil {
		return nil, c.a.write(ctx, &WriteRequest{
			Session: s, Handle: c.a.handle, Offset: c.offset, Value: c.value, Command: c.command, Signed: c.signed,
		})
	}
	v := c.cccd()
	r := &SubscribeRequest{Session: s, Handle: c.a.owner, Notify: v&cccdNotify != 0, Indicate: v&cccdIndicate != 0}
	err = c.a.subscribe(ctx, r)
	return r.Then, err
}

// applyChanges changes the values that the server itself keeps, answers the
// request, and acts on the changes.
func (q *inbox) applyChanges(now time.Time, changes []staged, done func(result)) {
	kept := false
	for _, c := range changes {
		switch {
		case c.a.role == roleCCCD:
			// The table may have changed while a handler ran.
			q.s.client.subscribed = q.s.client.subscribed.with(SubscriptionState{
				Handle: c.a.handle, Characteristic: c.a.char, Value: c.cccd(),
			}).in(q.s.t)
			kept = true
		case c.a.role == roleFeatures:
			r := wire.NewReader(c.value)
			q.s.client.features = r.U8()
			q.s.client.claimed = q.s.client.features
			kept = true
		case c.a.write == nil:
			c.a.store(c.value)
		}
	}
	if kept {
		q.s.publish()
		q.s.keepClient()
	}
	done(result{})
	if kept {
		q.s.indicateChange(now)
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
	case rolePlain, roleHash, roleServerFeatures:
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
	case rolePlain, roleHash, roleServerFeatures:
	}
	return 0
}
