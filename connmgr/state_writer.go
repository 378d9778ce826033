package connmgr

import (
	"log/slog"
	"slices"
	"sync"
)

// stateWriter writes to the state directory in the background, on one goroutine, which
// lives while there is something to write: a disk may be slow, and another process may
// hold the lock of the directory for seconds. No Establish and no end of a link waits for
// that.
type stateWriter struct {
	log *slog.Logger

	mu      sync.Mutex
	due     []*stateWrite // guarded by mu, as all below
	failing []*stateWrite
	ended   chan struct{} // closed at the end of the goroutine; nil while there is none
	closed  bool
}

// stateWrite is one kind of write. Requests that come before it has begun are served by
// one call of run.
type stateWrite struct {
	failure string // the text of the warning
	run     func() error
}

// requestWrite has a write made soon. Once the writer is closed, it does nothing.
func (w *stateWriter) requestWrite(s *stateWrite) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || slices.Contains(w.due, s) {
		return
	}
	w.due = append(w.due, s)
	if w.ended == nil {
		w.ended = make(chan struct{})
		go w.makeWrites()
	}
}

// makeWrites makes the writes that are due.
func (w *stateWriter) makeWrites() {
	for {
		w.mu.Lock()
		if len(w.due) == 0 {
			close(w.ended)
			w.ended = nil
			w.mu.Unlock()
			return
		}
		s := w.due[0]
		w.due = w.due[1:]
		w.mu.Unlock()
		w.recordWrite(s, s.run())
	}
}

// recordWrite records the result of a write. A disk that fails is logged once, and again
// after it has worked.
func (w *stateWriter) recordWrite(s *stateWrite, err error) {
	w.mu.Lock()
	failed := slices.Contains(w.failing, s)
	switch {
	case err == nil:
		w.failing = slices.DeleteFunc(w.failing, func(o *stateWrite) bool { return o == s })
	case !failed:
		w.failing = append(w.failing, s)
	}
	w.mu.Unlock()
	if err != nil && !failed {
		w.log.Warn(s.failure, "error", err)
	}
}

// retryWrites requests the writes again that have failed.
func (w *stateWriter) retryWrites() {
	w.mu.Lock()
	failing := slices.Clone(w.failing)
	w.mu.Unlock()
	for _, s := range failing {
		w.requestWrite(s)
	}
}

// awaitWrites waits until no write is due.
func (w *stateWriter) awaitWrites() {
	w.mu.Lock()
	ended := w.ended
	w.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

// closeWriter makes the writes that are due, and those that have failed again.
func (w *stateWriter) closeWriter() {
	w.retryWrites()
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.awaitWrites()
}
