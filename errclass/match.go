package errclass

import (
	"errors"
	"slices"
	"strings"
	"syscall"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/l2cap"
)

// match is a way to recognize an error.
type match interface{ matches(s *subject) bool }

type matchFunc func(s *subject) bool

func (f matchFunc) matches(s *subject) bool { return f(s) }

// statusAt matches statuses by their place; all without codes.
func statusAt(p place, codes ...hci.Status) match {
	return matchFunc(func(s *subject) bool {
		return s.hasHCI && p&s.place != 0 && (codes == nil || slices.Contains(codes, s.status))
	})
}

// when matches if the situation is known and meets cond, and m matches.
func when(cond func(in *Situation) bool, m match) match {
	return matchFunc(func(s *subject) bool { return s.in != nil && cond(s.in) && m.matches(s) })
}

// anyOf matches if any of ms match.
func anyOf(ms ...match) match {
	return matchFunc(func(s *subject) bool {
		return slices.ContainsFunc(ms, func(m match) bool { return m.matches(s) })
	})
}

// allOf matches if all of ms match.
func allOf(ms ...match) match {
	return matchFunc(func(s *subject) bool {
		return !slices.ContainsFunc(ms, func(m match) bool { return !m.matches(s) })
	})
}

// is matches errors that wrap any of targets.
func is(targets ...error) match {
	return matchFunc(func(s *subject) bool {
		return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(s.err, t) })
	})
}

// as matches errors that wrap one of type E.
func as[E error]() match {
	return matchFunc(func(s *subject) bool { _, ok := errors.AsType[E](s.err); return ok })
}

// attr matches attribute protocol error codes that meet a predicate.
func attr(has func(att.Code) bool) match {
	return matchFunc(func(s *subject) bool { c, ok := errors.AsType[att.Code](s.err); return ok && has(c) })
}

// codes matches attribute protocol error codes.
func codes(want ...att.Code) match {
	return attr(func(c att.Code) bool { return slices.Contains(want, c) })
}

// results matches results of a request for a channel; all without want.
func results(want ...l2cap.Result) match {
	return matchFunc(func(s *subject) bool {
		r, ok := errors.AsType[l2cap.Result](s.err)
		return ok && (want == nil || slices.Contains(want, r))
	})
}

// errnos matches the errors of system calls.
func errnos(want ...syscall.Errno) match {
	return matchFunc(func(s *subject) bool {
		e, ok := errors.AsType[syscall.Errno](s.err)
		return ok && slices.Contains(want, e)
	})
}

// causes matches failures to open an adapter.
func causes(want ...hcisock.Cause) match {
	return matchFunc(func(s *subject) bool {
		e, ok := errors.AsType[*hcisock.OpenError](s.err)
		return ok && slices.Contains(want, e.Cause)
	})
}

// kinds matches errors of other stacks by their class.
func kinds(want ...Kind) match {
	return matchFunc(func(s *subject) bool { return s.remote != nil && slices.Contains(want, s.remote.Kind) })
}

// words matches errors whose text contains any of these.
func words(want ...string) match {
	return matchFunc(func(s *subject) bool {
		return slices.ContainsFunc(want, func(w string) bool { return strings.Contains(s.text, w) })
	})
}
