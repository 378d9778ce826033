// Package errclass classifies errors: whether and when to try again, which budget
// that spends, what to change before, and what to advise the user.
//
// [Of] classifies the errors of this module's packages, and errors of other stacks
// by their text, such as those of a radio behind a network. It looks an error up in
// one table, which docs/errors.md shows. An unknown error counts as a failure to
// connect that may pass: the number of attempts bounds the cost of a wrong guess.
//
// The table holds two treatments of each error. [Default] uses the reason that the
// controller reported. [Upstream] treats the error as bleak-retry-connector 4.6
// treats the one that its user sees in the same situation.
//
// The package has no state. Its functions may be called from any goroutine.
package errclass
