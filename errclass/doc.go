// Package errclass says what to do about an error: whether and when to try
// again, what that spends, what to change before, and what to tell the user.
//
// [Of] classifies whatever this module's packages return, and the errors that
// other stacks report in words, such as those of a radio behind a network. It
// looks each up in one table, which docs/errors.md shows. An error that the
// table does not know is taken for a failure to connect that may pass, since
// the number of attempts bounds what a mistake about it can cost.
//
// The table holds two treatments of each error. [Default] uses the reason that
// the controller gave. [Upstream] does as bleak-retry-connector 4.6 does with
// the error that its user would have seen in the same situation.
//
// The package keeps no state. It only reads errors, from any goroutine.
package errclass
