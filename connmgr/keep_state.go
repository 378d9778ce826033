package connmgr

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/moor-ble/moor/internal/queue"
)

// KeepState is the state of a Kept.
//
//	idle ──work──▶ waiting ──▶ connecting ──Ready──▶ ready
//	  ▲               ▲            │                 │ │
//	  │               └─ failure ──┴──── link ends ──┘ │
//	  └──────────────── no work for KeepOptions.Idle ──┘
//
// Every state leads to ended. The state waiting is left out when there is nothing to wait
// for.
type KeepState string

// The states of a Kept.
const (
	KeepIdle       KeepState = "idle"       // no link, and no work for one
	KeepWaiting    KeepState = "waiting"    // before the next Establish
	KeepConnecting KeepState = "connecting" // an Establish is under way
	KeepReady      KeepState = "ready"      // there is a Client
	KeepEnded      KeepState = "ended"      // by Close, a context, the Manager, or a failure
)

// KeepStatus is the state of a Kept at one moment, with counts since its begin.
type KeepStatus struct {
	Address string    // as given to Keep
	State   KeepState // since Since
	Since   time.Time
	// Until is the end of the state KeepWaiting, unless news end it early; otherwise zero.
	Until   time.Time
	Adapter string // of the link; "" unless the state is KeepReady
	// Attempts counts the attempts of all calls of Establish. Establishes counts the calls
	// that led to KeepReady, and Failures those that failed.
	Attempts, Establishes, Failures int
	// Drops counts the links that ended by themselves, and Rests those that ended for want
	// of work.
	Drops, Rests int
	// Subscriptions is the number of subscriptions declared, and Subscribed the number of
	// those from which values come now.
	Subscriptions, Subscribed int
	// Err is the reason of the last failure or drop, which was at ErrTime; nil if there was
	// none. It stays when the connection is ready again. An EstablishError has no
	// Explanation if the status itself is in one.
	Err     error
	ErrTime time.Time
}

// MarshalJSON encodes the status with err as text, and without zero times.
func (s KeepStatus) MarshalJSON() ([]byte, error) {
	j := struct {
		Address       string     `json:"address"`
		State         KeepState  `json:"state"`
		Since         time.Time  `json:"since"`
		Until         *time.Time `json:"until,omitempty"`
		Adapter       string     `json:"adapter,omitempty"`
		Attempts      int        `json:"attempts"`
		Establishes   int        `json:"establishes"`
		Failures      int        `json:"failures"`
		Drops         int        `json:"drops"`
		Rests         int        `json:"rests"`
		Subscriptions int        `json:"subscriptions"`
		Subscribed    int        `json:"subscribed"`
		Err           string     `json:"error,omitempty"`
		ErrTime       *time.Time `json:"error_time,omitempty"`
	}{
		Address: s.Address, State: s.State, Since: s.Since, Adapter: s.Adapter, Attempts: s.Attempts,
		Establishes: s.Establishes, Failures: s.Failures, Drops: s.Drops, Rests: s.Rests,
		Subscriptions: s.Subscriptions, Subscribed: s.Subscribed,
	}
	if !s.Until.IsZero() {
		j.Until = &s.Until
	}
	if s.Err != nil {
		j.Err, j.ErrTime = s.Err.Error(), &s.ErrTime
	}
	return json.Marshal(j)
}

// statusQueue is the number of statuses that wait for a watcher at most; then the oldest
// is dropped.
const statusQueue = 64

type statusWatcher = queue.Ring[KeepStatus]

// errWatchOver ends a watcher whose loop has ended.
var errWatchOver = errors.New("connmgr: the loop over the statuses has ended")

// Status returns the present status.
func (k *Kept) Status() KeepStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

// Watch iterates over the present status and each change of it, until ctx ends or after
// the status KeepEnded. At most 64 statuses wait for the loop; when there are more, the
// oldest is dropped, and its counts are in the next one. The result serves one loop: a
// second one ends at once.
func (k *Kept) Watch(ctx context.Context) iter.Seq[KeepStatus] {
	w := queue.New[KeepStatus](statusQueue)
	k.mu.Lock()
	w.Push(k.status)
	if k.status.State == KeepEnded {
		w.Close(errWatchOver)
	} else {
		k.watchers[w] = struct{}{}
	}
	k.mu.Unlock()
	remove := func(err error) {
		k.mu.Lock()
		delete(k.watchers, w)
		k.mu.Unlock()
		w.Close(err)
	}
	// Without a loop, the watcher is removed when ctx ends.
	stop := context.AfterFunc(ctx, func() { remove(context.Cause(ctx)) })
	return func(yield func(KeepStatus) bool) {
		defer func() {
			stop()
			remove(errWatchOver)
		}()
		for {
			s, err := w.Next(ctx)
			if err != nil || !yield(s) {
				return
			}
		}
	}
}

// update changes the status, tells the watchers and wakes the calls of Do.
func (k *Kept) update(change func(s *KeepStatus)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.updateLocked(change)
}

// updateLocked is update. k.mu must be held.
func (k *Kept) updateLocked(change func(s *KeepStatus)) {
	old := k.status
	change(&k.status)
	s := &k.status
	if s.State != old.State {
		s.Since = time.Now()
	}
	if s.State != KeepWaiting {
		s.Until = time.Time{}
	}
	if s.State != KeepReady {
		k.client, s.Adapter, s.Subscribed = nil, "", 0
	}
	if s.equals(old) {
		return
	}
	for w := range k.watchers {
		w.Push(*s)
		if s.State == KeepEnded {
			w.Close(errWatchOver)
		}
	}
	close(k.changed)
	k.changed = make(chan struct{})
}

// equals reports whether nothing has changed since old.
func (s KeepStatus) equals(old KeepStatus) bool {
	s.Err, old.Err = nil, nil // which changes with ErrTime, and may not be comparable
	return s == old
}

// setState changes the state alone.
func (k *Kept) setState(st KeepState) {
	k.update(func(s *KeepStatus) { s.State = st })
}
