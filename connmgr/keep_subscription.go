package connmgr

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt"
)

// KeptSubscription receives the values of a characteristic over all links of a Kept. Its
// methods may be called from any goroutine.
//
// It is interrupted when its link ends, when the characteristic changes with the table of
// the device, when the device has forgotten it, and while the device refuses it. Next
// then returns an *InterruptedError, after the values that have arrived before, and a
// second one before the first value that arrives again; values that still arrive between
// the two come between them. So the program knows each time at which it may have missed
// values.
type KeptSubscription struct {
	k                       *Kept
	service, characteristic gatt.UUID
	opts                    gatt.SubscribeOptions

	// The following are guarded by k.mu.

	items   []keptItem         // for Next, in their order
	live    *gatt.Subscription // nil while the subscription is interrupted
	since   time.Time          // when live was made
	tried   bool               // the device has refused it on this link, with this table
	last    string             // the reason of the last interruption; "" if values come or none came yet
	ended   error
	changed chan struct{} // closed and replaced when items or ended change

	// It is not made again before heldUntil, a hold after its end; see holdLocked.
	hold      time.Duration
	heldUntil time.Time
	// byChange reports that a change which the device has indicated is the reason why there
	// is no live one: it is made once the device has been quiet for some time. indicated is
	// the number of changes before live was made.
	byChange  bool
	indicated int
	quiet     time.Duration
}

// keptItem is an interruption, or the values of a subscription on one link.
type keptItem struct {
	interrupted *InterruptedError
	sub         *gatt.Subscription // has the values; nil if they were taken from it
	values      []gatt.Value       // taken from a subscription that is over
	taking      bool               // the values are being taken from sub
}

// maxKeptItems bounds the items that wait for Next. The oldest are dropped, at least one
// interruption among them, and counted in the interruption after them.
const maxKeptItems = 256

// InterruptedError reports that no values come from a KeptSubscription for the time being,
// or that they come again. It does not end the subscription.
type InterruptedError struct {
	Service, Characteristic gatt.UUID
	// Err is the reason: the end of the link, ErrIdle, gatt.ErrStale for a change of the
	// table, gatt.ErrForgotten, or the refusal of the device. Nil means that values come again.
	Err error
	// Dropped is the number of earlier interruptions that were dropped with the values
	// before each, because Next was not called.
	Dropped int
}

// Error returns the characteristic and the reason.
func (e *InterruptedError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("connmgr: values of %v come again", e.Characteristic)
	}
	return fmt.Sprintf("connmgr: subscription to %v is interrupted: %v", e.Characteristic, e.Err)
}

// Unwrap returns Err.
func (e *InterruptedError) Unwrap() error { return e.Err }

// Next waits for the next value. An *InterruptedError is not the end. Any other error is
// that of ctx, or is returned by each further call: the reason for the end of the Kept, or
// an error that wraps net.ErrClosed after Close.
func (s *KeptSubscription) Next(ctx context.Context) (gatt.Value, error) {
	for {
		s.k.mu.Lock()
		changed, ended := s.changed, s.ended
		if len(s.items) == 0 {
			s.k.mu.Unlock()
			if ended != nil {
				return gatt.Value{}, ended
			}
			if err := awaitChange(ctx, changed); err != nil {
				return gatt.Value{}, err
			}
			continue
		}
		it := s.items[0]
		if it.sub == nil {
			v, err := s.popLocked()
			s.k.mu.Unlock()
			return v, err
		}
		s.k.mu.Unlock()
		if it.taking {
			if err := awaitChange(ctx, changed); err != nil {
				return gatt.Value{}, err
			}
			continue
		}
		v, err := it.sub.Next(ctx)
		if err == nil {
			return v, nil
		}
		if !s.dropEnded(it.sub) {
			if ctx.Err() != nil {
				return gatt.Value{}, context.Cause(ctx)
			}
			// It has ended: the goroutine of the Kept finds the reason.
			s.k.pokeLoop()
			if err := awaitChange(ctx, changed); err != nil {
				return gatt.Value{}, err
			}
		}
	}
}

// popLocked removes the first interruption or value, which must not be in a subscription.
// k.mu must be held.
func (s *KeptSubscription) popLocked() (gatt.Value, error) {
	it := &s.items[0]
	if len(it.values) > 1 {
		v := it.values[0]
		it.values = it.values[1:]
		return v, nil
	}
	first := *it
	s.items = s.items[1:]
	if first.interrupted != nil {
		return gatt.Value{}, first.interrupted
	}
	return first.values[0], nil
}

// dropEnded removes the first item if that is sub, and no values come from it any more.
// False means that the end of sub is not known yet.
func (s *KeptSubscription) dropEnded(sub *gatt.Subscription) bool {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if len(s.items) == 0 || s.items[0].sub != sub || s.items[0].taking {
		return true // another call of Next has removed it, or its values have another place
	}
	if s.live == sub {
		return false
	}
	s.items = s.items[1:]
	return true
}

func awaitChange(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// All iterates over the values and interruptions as they come. The last pair has the error
// that ended the iteration, and is no *InterruptedError. Breaking out of the loop does not
// close the subscription.
func (s *KeptSubscription) All(ctx context.Context) iter.Seq2[gatt.Value, error] {
	return func(yield func(gatt.Value, error) bool) {
		for {
			v, err := s.Next(ctx)
			_, goesOn := errors.AsType[*InterruptedError](err)
			if !yield(v, err) || err != nil && !goesOn {
				return
			}
		}
	}
}

// Close ends the subscription and drops its values, also after the end of the Kept. It
// waits for the answer of the device as gatt.Subscription.Close does, and returns its
// error.
func (s *KeptSubscription) Close() error {
	k := s.k
	k.mu.Lock()
	i := slices.Index(k.subs, s)
	live := s.live
	s.items = nil
	if i >= 0 {
		k.subs = slices.Delete(k.subs, i, i+1)
		s.endLocked(fmt.Errorf("connmgr: subscription to %v: %w", s.characteristic, net.ErrClosed))
		k.updateLocked(func(st *KeepStatus) {
			st.Subscriptions--
			if st.State == KeepReady {
				st.Subscribed = k.subscribedLocked()
			}
		})
	}
	k.mu.Unlock()
	if i < 0 || live == nil {
		return nil
	}
	return live.Close()
}

// endLocked ends the subscription; values that have arrived stay. k.mu must be held.
func (s *KeptSubscription) endLocked(err error) {
	if s.ended == nil {
		s.ended, s.live = err, nil
		s.signalLocked()
	}
}

// signalLocked wakes the calls of Next. k.mu must be held.
func (s *KeptSubscription) signalLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// addLocked appends an item. k.mu must be held.
func (s *KeptSubscription) addLocked(it keptItem) {
	s.items = append(s.items, it)
	if len(s.items) > maxKeptItems {
		dropped := 0
		for len(s.items) > maxKeptItems || dropped == 0 || s.items[0].interrupted == nil {
			if e := s.items[0].interrupted; e != nil {
				dropped += 1 + e.Dropped
			}
			s.items = s.items[1:]
		}
		s.items[0].interrupted.Dropped += dropped
	}
	s.signalLocked()
}

// interruptLocked tells the program that no values come, unless the last interruption had
// the same reason. k.mu must be held.
func (s *KeptSubscription) interruptLocked(err error) {
	s.live = nil
	if s.last == err.Error() {
		return
	}
	s.last = err.Error()
	s.addLocked(keptItem{interrupted: &InterruptedError{Service: s.service, Characteristic: s.characteristic, Err: err}})
}

// attachLocked continues the subscription with one on the present link, after the values
// that came before it, and with the first values of it. k.mu must be held.
func (s *KeptSubscription) attachLocked(sub *gatt.Subscription, early, first []gatt.Value) {
	s.addValuesLocked(early)
	if s.last != "" {
		s.last = ""
		s.addLocked(keptItem{interrupted: &InterruptedError{Service: s.service, Characteristic: s.characteristic}})
	}
	s.live, s.since = sub, time.Now()
	s.addValuesLocked(first)
	s.addLocked(keptItem{sub: sub})
}

// addValuesLocked appends an item of values, if there are any. k.mu must be held.
func (s *KeptSubscription) addValuesLocked(values []gatt.Value) {
	if len(values) > 0 {
		s.addLocked(keptItem{values: values})
	}
}
