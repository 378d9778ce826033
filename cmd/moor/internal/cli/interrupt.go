package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// runInterruptible returns the result of f, which waits for a file and cannot be
// canceled: to open a named pipe waits for its other end, and to read from a terminal
// for its user. If ctx ends first, runInterruptible returns its cause, and the goroutine
// of f stays until the wait is over or the process ends.
func runInterruptible[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}

// lastWords is how long a write may take once the command is interrupted.
const lastWords = time.Second

// interruptibleWriter lets several goroutines write to a file whose writes may wait, such
// as a pipe that nobody reads. After the end of ctx, a write fails once it has taken
// lastWords, and all later ones fail at once.
type interruptibleWriter struct {
	ctx context.Context
	mu  sync.Mutex
	w   io.Writer // guarded by mu
	err error     // guarded by mu: of the write that was given up
}

// Write writes b.
func (i *interruptibleWriter) Write(b []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.writeLocked(b)
}

func (i *interruptibleWriter) writeLocked(b []byte) (int, error) {
	if i.err != nil {
		return 0, i.err
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	b = slices.Clone(b) // the caller reuses it, also while a write that was given up goes on
	go func() {
		n, err := i.w.Write(b)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-i.ctx.Done():
	}
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.n, r.err
	case <-timer.C:
		i.err = fmt.Errorf("nobody reads it: %w", context.Cause(i.ctx))
		return 0, i.err
	}
}
