package errclass

import (
	"errors"
	"slices"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// Treatment is a column of the table: the class of each of its errors.
type Treatment uint8

const (
	// Default uses the reason of a failure, and the situation where it is known.
	Default Treatment = iota
	// Upstream46 has the waits, budgets and final errors of bleak-retry-connector 4.6.
	Upstream46
	// Upstream47 has those of bleak-retry-connector 4.7.1.
	Upstream47
)

// Valid reports whether the treatment is one of the constants.
func (t Treatment) Valid() bool { return t <= Upstream47 }

// String returns "default", "upstream 4.6" or "upstream 4.7".
func (t Treatment) String() string {
	return name(int(t), "treatment", "default", "upstream 4.6", "upstream 4.7")
}

// Of returns the class of an error by the Default treatment.
func Of(err error) Class { return Default.Of(err) }

// Retryable reports whether the same call may succeed after it has failed with
// err: the failure is neither the caller's mistake, nor canceled, nor a lost bond.
// It is the counterpart of BLEAK_RETRY_EXCEPTIONS.
func Retryable(err error) bool { return Of(err).Retried() }

// Of is Classify without a situation. 0x05, 0x06 and 0x3D then count as a lost
// bond.
func (t Treatment) Of(err error) Class { return t.Classify(err, nil) }

// Classify returns the class of an error in a situation; the zero Class for a nil
// error. The situation may be nil, and makes no difference to Upstream46. If a link
// was closed by this host because of an error, that error decides.
func (t Treatment) Classify(err error, in *Situation) Class {
	if err == nil {
		return Class{}
	}
	if t != Default {
		return t.classifyUpstream(err, in)
	}
	r, s := findRow(err, in)
	c := r.class(r.like.Kind, r.do)
	if r.advise != nil {
		c.Advice = r.advise(s)
	}
	return c
}

// classifyUpstream returns the class of an error that bleak-retry-connector's user
// would have seen.
func (t Treatment) classifyUpstream(err error, in *Situation) Class {
	r, s := findRow(err, nil)
	kind, text := r.like.Kind, r.like.Text
	if remote, ok := errors.AsType[*RemoteError](err); ok {
		kind, text = remote.Kind, remote.Text
	} else if r == &unclassified || r.word {
		text = err.Error()
	}
	s.in = in
	return r.class(kind, upstream{t == Upstream47, s.elapsed()}.treat(kind, text))
}

// findRow returns the row of an error, and the subject that it matched: that of
// the cause for a link that this host closed because of it.
func findRow(err error, in *Situation) (*row, *subject) {
	if d, ok := errors.AsType[*controller.DisconnectError](err); ok && d.Cause != nil {
		s := describeError(d.Cause, in)
		if r := s.matchRow(); r != &unclassified {
			return r, s
		}
	}
	s := describeError(err, in)
	return s.matchRow(), s
}

// matchRow returns the first row of the table that matches the subject.
func (s *subject) matchRow() *row {
	for i := range table {
		if r := &table[i]; slices.ContainsFunc(r.match, func(m match) bool { return m.matches(s) }) {
			return r
		}
	}
	return &unclassified
}

// treatment is the content of a row in one column.
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
	word  bool        // matches words, which upstream reads itself
	like  RemoteError // the error that upstream's user sees in the same situation
	do    treatment   // the Default treatment
	// advise returns the advice where it depends on the subject; nil if it is that
	// of do.
	advise func(*subject) string
	why    string
}

func (r *row) class(k Kind, t treatment) Class {
	return Class{
		Row: r.name, Category: t.category, Redial: t.redial, Budget: t.budget, Delay: t.delay,
		Backoff: DefaultBackoffs().For(t.delay), OpDelay: max(t.opDelay, t.delay), Action: t.action, Kind: k, Advice: t.advice,
	}
}

// place is the event that carried a status.
type place uint8

const (
	onCommand place = 1 << iota // the result of a command other than those that connect
	onDial                      // the result of an attempt to connect
	onLink                      // the end of a link
	anywhere  = onCommand | onDial | onLink
)

// subject is an error, taken apart for the table.
type subject struct {
	err    error
	in     *Situation // nil if it is not known
	place  place
	status hci.Status
	hasHCI bool
	remote *RemoteError
	text   string
}

func describeError(err error, in *Situation) *subject {
	s := &subject{err: err, in: in, text: err.Error(), place: onCommand}
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
