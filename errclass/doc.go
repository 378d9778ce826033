// Package errclass classifies errors: whether and when to try again, which budget
// that spends, what to do before, and what to advise to the user.
//
// [Of] classifies the errors of this module's packages, and those that other stacks
// report in words, such as a radio behind a network. [Treatment.Classify] also takes
// the [Situation], since the same status means something else in another phase, or on
// a link with a bond. Both look the error up in one table, which docs/errors.md
// shows. An error without a row counts as a failure to connect that may pass: the
// number of attempts bounds the cost of that mistake.
//
// The table has three treatments of each error. [Default] uses the reason that the
// controller reported. [Upstream46] and [Upstream47] do as
// bleak-retry-connector 4.6 and 4.7.1 do with the error that their user would have
// seen.
//
// The package has no state. Its functions may be called from any goroutine.
package errclass
