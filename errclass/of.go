package errclass

import (
	"errors"
	"slices"
	"strings"
	"syscall"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/l2cap"
)

// Treatment is a column of the table: what to do about each of its errors.
type Treatment uint8

const (
	// Default uses the true reason of a failure where there is one.
	Default Treatment = iota
	// Upstream has the waits, budgets and final errors of bleak-retry-connector.
	Upstream
)

// String returns "default" or "upstream".
func (t Treatment) String() string { return name(int(t), "treatment", "default", "upstream") }

// Of returns the class of an error by the Default treatment.
func Of(err error) Class { return Default.Of(err) }

// Retryable reports whether doing the same again may succeed where err was the
// result: neither the caller's mistake, nor canceled, nor a lost bond. It is the
// counterpart of BLEAK_RETRY_EXCEPTIONS.
func Retryable(err error) bool { return Of(err).Retried() }

// Of returns the class of an error; the zero Class for nil. Where an error wraps
// several, what this host did because of another counts less than the other: of
// a link that was closed because an attribute request was left unanswered, the
// missing answer decides.
func (t Treatment) Of(err error) Class {
	if err == nil {
		return Class{}
	}
	r := findRow(err)
	if d, ok := errors.AsType[*controller.DisconnectError](err); ok && d.Cause != nil {
		if byCause := findRow(d.Cause); byCause != &unclassified {
			r = byCause
		}
	}
	if t == Upstream {
		kind, text := r.like.Kind, r.like.Text
		if remote, ok := errors.AsType[*RemoteError](err); ok {
			kind, text = remote.Kind, remote.Text
		} else if r == &unclassified || r.word {
			text = err.Error()
		}
		return r.class(kind, upstream(kind, text))
	}
	return r.class(r.like.Kind, r.do)
}

func findRow(err error) *row {
	s := describeError(err)
	for i := range table {
		if r := &table[i]; slices.ContainsFunc(r.match, func(m match) bool { return m.matches(s) }) {
			return r
		}
	}
	return &unclassified
}

// treatment is what a row says in one column.
type treatment struct {
	category Category
	redial   Redial
	budget   Budget
	delay    Delay
	opDelay  Delay // where it differs from delay
	action   Action
	advice   string
}

// row is one row of the table.
type row struct {
	name  string
	match []match     // any of these
	word  bool        // found by its words, which upstream reads itself
	like  RemoteError // what upstream's user sees in the same situation
	do    treatment   // the Default treatment
	why   string
}

func (r *row) class(k Kind, t treatment) Class {
	return Class{
		Row: r.name, Category: t.category, Redial: t.redial, Budget: t.budget, Delay: t.delay,
		Backoff: DefaultBackoffs().For(t.delay), OpDelay: max(t.opDelay, t.delay), Action: t.action, Kind: k, Advice: t.advice,
	}
}

// place is where a status was given.
type place uint8

const (
	onCommand place = 1 << iota // as the result of a command other than those that connect
	onDial                      // as the result of an attempt to connect
	onLink                      // as the reason of a link's end
	anywhere  = onCommand | onDial | onLink
)

// subject is what can be told of an error before the table is asked.
type subject struct {
	err    error
	place  place
	status hci.Status
	hasHCI bool
	remote *RemoteError
	text   string
}

func describeError(err error) *subject {
	s := &subject{err: err, text: err.Error(), place: onCommand}
	s.status, s.hasHCI = errors.AsType[hci.Status](err)
	if r, ok := errors.AsType[*RemoteError](err); ok {
		s.remote, s.text = r, r.Text
	}
	_, dialed := errors.AsType[*controller.ConnectError](err)
	cmd, commanded := errors.AsType[*controller.CommandError](err)
	d, ended := errors.AsType[*controller.DisconnectError](err)
	switch {
	case ended:
		s.place, s.status, s.hasHCI = onLink, d.Reason, d.Reason != 0
	case commanded:
		if cmd.Op == hci.OpLECreateConnection || cmd.Op == hci.OpLEExtendedCreateConnection {
			s.place = onDial
		}
	case dialed:
		s.place = onDial
	}
	return s
}

// match is a way to recognize an error.
type match interface{ matches(s *subject) bool }

type matchFunc func(s *subject) bool

func (f matchFunc) matches(s *subject) bool { return f(s) }

// at matches statuses by where they were given.
func statusAt(p place, codes ...hci.Status) match {
	return matchFunc(func(s *subject) bool {
		return s.hasHCI && p&s.place != 0 && (codes == nil || slices.Contains(codes, s.status))
	})
}

// is matches what wraps any of targets.
func is(targets ...error) match {
	return matchFunc(func(s *subject) bool {
		return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(s.err, t) })
	})
}

// as matches what wraps an error of type E.
func as[E error]() match {
	return matchFunc(func(s *subject) bool { _, ok := errors.AsType[E](s.err); return ok })
}

// attr matches attribute protocol error codes that a predicate holds for.
func attr(has func(att.Code) bool) match {
	return matchFunc(func(s *subject) bool { c, ok := errors.AsType[att.Code](s.err); return ok && has(c) })
}

// codes matches attribute protocol error codes.
func codes(want ...att.Code) match {
	return attr(func(c att.Code) bool { return slices.Contains(want, c) })
}

// results matches outcomes of a request for a channel; all without want.
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

// words matches errors that have any of these in their text.
func words(want ...string) match {
	return matchFunc(func(s *subject) bool {
		return slices.ContainsFunc(want, func(w string) bool { return strings.Contains(s.text, w) })
	})
}
