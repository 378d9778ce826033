// Package loop holds the two small interfaces by which code outside a
// controller's loop asks code on it to do something.
//
// Every controller has one goroutine, the loop, that owns all state of the
// controller, of its links and of the protocols on them. Other goroutines
// hand it a [Task] and wait for what the task sends back. Packages above hci
// use these interfaces, so that they need not import hci for them.
package loop

import "time"

// Task is work for the loop. Run is called once, on the loop, with the loop's
// present time; it must not block and must not call user code.
type Task interface {
	Run(now time.Time)
}

// Func makes a Task of a function, for the paths where its allocation does
// not matter.
type Func func(now time.Time)

// Run calls f.
func (f Func) Run(now time.Time) { f(now) }

// Poster hands tasks to a loop. Its methods may be called from any goroutine
// but the loop itself, which would wait for itself.
type Poster interface {
	// Post hands t to the loop, which will run it unless it ends first, as Done
	// then says; false means that it has ended, and t will never run. Post waits
	// while the loop's queue is full, which the loop empties without ever
	// blocking.
	Post(t Task) bool
	// Done is closed when the thing that the poster stands for (a link, a
	// channel, a device) has ended.
	Done() <-chan struct{}
	// Err returns why it ended; nil before that.
	Err() error
}
