package connmgr

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// subscribedLocked returns the number of subscriptions from which values come. k.mu must
// be held.
func (k *Kept) subscribedLocked() (n int) {
	for _, s := range k.subs {
		if s.live != nil {
			n++
		}
	}
	return n
}

// lacksSubscriptions reports whether the device has refused a subscription, or one is over
// since the table of the device has changed. Those that are held are not among them.
func (k *Kept) lacksSubscriptions() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.subs, func(s *KeptSubscription) bool {
		if s.live == nil {
			return s.tried
		}
		return s.live.Err() != nil
	})
}

// makeSubscriptions makes those that are missing on the link of a Client. Those that the
// device has refused are made only with anew. The error is the end of the link or of ctx.
func (k *Kept) makeSubscriptions(ctx context.Context, c *Client, anew bool) error {
	k.mu.Lock()
	subs := slices.Clone(k.subs)
	k.mu.Unlock()
	for _, s := range subs {
		before := c.link.lastIndicated()
		if !k.needsSubscription(s, anew, before) {
			continue
		}
		sub, err := c.Subscribe(ctx, s.service, s.characteristic, &s.opts)
		if err != nil && (ctx.Err() != nil || c.Err() != nil) {
			return err
		}
		if err == nil {
			k.attachSubscription(s, sub, time.Now(), before)
		} else {
			k.enterRefusal(s, err, before, c.link.lastIndicated())
		}
	}
	return nil
}

// needsSubscription reports whether a subscription has to be made. One whose
// characteristic has changed with the table of the device, or that the device has
// forgotten, is interrupted first.
func (k *Kept) needsSubscription(s *KeptSubscription, anew bool, now indicated) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.ended != nil {
		return false
	}
	if s.live != nil {
		over := s.live.Err()
		if over == nil {
			return false
		}
		s.holdLocked(time.Since(s.since))
		s.byChange = now.count != s.indicated
		s.interruptLocked(over)
	}
	return s.takeQuietLocked(now.latest) || !s.isHeldLocked() && (anew || !s.tried)
}

// enterRefusal enters a try to subscribe that has failed, with the changes that the device
// had indicated before and after it.
func (k *Kept) enterRefusal(s *KeptSubscription, err error, before, after indicated) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.tried = true
	s.byChange = before.count != after.count && isChange(err)
	if !s.byChange || s.last == "" {
		s.interruptLocked(err)
	}
}

// attachSubscription enters a subscription that the device has accepted at a time. Values
// that had arrived before are a part of the interruption: others may be missing after them.
func (k *Kept) attachSubscription(s *KeptSubscription, sub *gatt.Subscription, accepted time.Time, before indicated) {
	early := popValues(sub)
	n := slices.IndexFunc(early, func(v gatt.Value) bool { return !v.Time.Before(accepted) })
	if n < 0 {
		n = len(early)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.ended != nil { // meanwhile
		k.m.tasks.Go(func() { _ = sub.Close() })
		return
	}
	s.tried, s.byChange, s.indicated = false, false, before.count
	s.attachLocked(sub, early[:n], early[n:])
}

// popValues removes the values of a subscription that have arrived.
func popValues(sub *gatt.Subscription) (values []gatt.Value) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		v, err := sub.Next(over) // a value, if there is any
		if err != nil {
			return values
		}
		values = append(values, v)
	}
}

// isChange reports whether a change of the table has ended an operation that the device
// has not refused.
func isChange(err error) bool {
	return errors.Is(err, gatt.ErrStale) && !errors.Is(err, att.CodeDatabaseOutOfSync)
}

// errAttemptOver interrupts the subscriptions of an attempt that has run out of time on a
// link that others share.
var errAttemptOver = errors.New("the attempt to connect has failed")

// endAttemptSubscriptions interrupts the subscriptions that an attempt has made before it
// failed, if another one follows within the same Establish.
func (k *Kept) endAttemptSubscriptions() {
	if k.prepared != nil {
		k.endLinkSubscriptions(cmp.Or(k.prepared.Err(), errAttemptOver))
	}
}

// endLinkSubscriptions interrupts all subscriptions, since their link or its use has ended
// for a reason.
func (k *Kept) endLinkSubscriptions(reason error) {
	shared := k.prepared != nil && k.prepared.Err() == nil // others use the link
	k.mu.Lock()
	subs := slices.Clone(k.subs)
	k.mu.Unlock()
	for _, s := range subs {
		sub := s.endLink(reason, shared)
		if shared && sub != nil {
			s.takeValues(sub)
			k.m.tasks.Go(func() { _ = sub.Close() })
		}
	}
}

// endLink interrupts the subscription and returns the one on the link; nil if there is
// none. With takes, its values have to be taken from it next.
func (s *KeptSubscription) endLink(reason error, takes bool) *gatt.Subscription {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.tried, s.byChange, s.hold, s.heldUntil, s.quiet = false, false, 0, time.Time{}, 0
	sub := s.live
	if sub == nil {
		return nil
	}
	if i := s.indexLocked(sub); takes && i >= 0 {
		s.items[i].taking = true
	}
	s.interruptLocked(reason)
	return sub
}

// indexLocked returns the index of the item with sub; -1 if there is none. k.mu must be
// held.
func (s *KeptSubscription) indexLocked(sub *gatt.Subscription) int {
	return slices.IndexFunc(s.items, func(it keptItem) bool { return it.sub == sub })
}

// takeValues puts the values of a subscription that is about to be closed in its place.
// They stay one item, however many they are: SubscribeOptions.Queue bounds them.
func (s *KeptSubscription) takeValues(sub *gatt.Subscription) {
	values := popValues(sub)
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	i := s.indexLocked(sub)
	switch {
	case i < 0: // dropped meanwhile
	case len(values) == 0:
		s.items = slices.Delete(s.items, i, i+1)
	default:
		s.items[i] = keptItem{values: values}
	}
	s.signalLocked()
}

// presentTable is the table of a link at one moment.
type presentTable struct {
	profile  *gatt.Profile   // nil if it is not known; not to be changed
	replaced <-chan struct{} // closed when a table comes into use after it, the same or another
}

// presentTable returns the table in use.
func (l *link) presentTable() presentTable {
	l.mu.Lock()
	defer l.mu.Unlock()
	return presentTable{l.profile, l.tables}
}

// equals reports whether both are the same table. A device that answers each subscription
// with Database Out Of Sync has its table discovered with each try: only another table is
// a reason for one more try at once.
func (t presentTable) equals(old presentTable) bool {
	if t.profile == nil || old.profile == nil {
		return t.profile == old.profile
	}
	return t.profile == old.profile || slices.EqualFunc(t.profile.Services, old.profile.Services, isSameService)
}

// again is the time to make subscriptions again that the device has refused.
type again struct {
	wait, longest time.Duration
	timer         *time.Timer // nil if nothing is missing
}

// arm begins a wait if subscriptions are missing, unless one is under way.
func (a *again) arm(missing bool) {
	switch {
	case !missing:
		a.stop()
		a.wait = 0
	case a.timer == nil:
		a.wait = min(max(2*a.wait, shortestWait), a.longest)
		a.timer = time.NewTimer(a.wait)
	}
}

func (a *again) stop() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

// due returns the channel of the wait; nil if there is none.
func (a *again) due() <-chan time.Time {
	if a.timer == nil {
		return nil
	}
	return a.timer.C
}
