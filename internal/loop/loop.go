// Package loop holds the two interfaces by which other goroutines hand work to a
// controller's loop.
//
// Every controller has one goroutine, the loop, that owns the state of the
// controller, of its links and of the protocols on them. Other goroutines post a
// [Task] and wait for the result that it sends back. Protocol packages take these
// interfaces, so that they need not import the controller.
package loop

import "time"

// Task is work for the loop. The loop calls Run once, with the present time. Run
// must not block and must not call user code.
type Task interface {
	Run(now time.Time)
}

// Func is a function as a Task. Making one allocates.
type Func func(now time.Time)

// Run calls f.
func (f Func) Run(now time.Time) { f(now) }

// Poster hands tasks to a loop. Its methods may be called from any goroutine except
// the loop, which would wait for itself.
type Poster interface {
	// Post hands t to the loop and reports whether the loop has taken it. A task that
	// was taken runs unless the loop ends first, which closes Done. Post waits while
	// the loop's queue is full; the loop never blocks, so it does not wait for long.
	Post(t Task) bool
	// Done is closed when the poster's link, channel or controller has ended.
	Done() <-chan struct{}
	// Err returns the reason of that end; nil before.
	Err() error
}
