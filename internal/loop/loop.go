// Package loop has the two interfaces through which other goroutines give work
// to a controller's loop.
//
// Every controller has one goroutine, the loop, which owns the state of the
// controller, of its links and of the protocols on them. Another goroutine posts
// a [Task] and waits for its result. Packages above package controller use these
// interfaces instead of importing that package.
package loop

import "time"

// Task is work for the loop. The loop calls Run once, with its current time. Run
// must not block and must not call user code.
type Task interface {
	Run(now time.Time)
}

// Func makes a Task of a function, where one allocation more does not matter.
type Func func(now time.Time)

// Run calls f.
func (f Func) Run(now time.Time) { f(now) }

// Poster gives tasks to a loop. Its methods may be called from any goroutine but
// the loop itself, which would deadlock.
type Poster interface {
	// Post queues t. The loop runs it unless the loop ends first, which closes
	// Done. Post returns false if the loop has ended: t will never run. Post blocks
	// while the queue of the loop is full.
	Post(t Task) bool
	// Done is closed when the object of the Poster (a link, a channel, a
	// controller) has ended.
	Done() <-chan struct{}
	// Err returns the reason of that end; nil before it.
	Err() error
}
