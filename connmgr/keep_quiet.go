package connmgr

import "time"

// A device may indicate changes in quick succession. The holds of subscriptions, and the
// waits after tries that such a change has failed, grow meanwhile; but once the device is
// quiet, it has no further change. Some devices are quiet until they are subscribed to, so
// that each quiet that has led to a change makes the next one longer:
//
//	the subscription has lasted     quiet before the next one
//	twice the last quiet or more    1 s
//	less                            2, 4, 8, ... s, then longestQuiet

// longestQuiet is the longest time without a change that ends a wait.
const longestQuiet = time.Minute

// endOfQuietLocked returns when the subscription may be made if the device indicates no
// change after the latest one; the zero time if no change is the reason for the lack of
// it. k.mu must be held.
func (s *KeptSubscription) endOfQuietLocked(latest time.Time) time.Time {
	if s.live != nil || !s.byChange || s.ended != nil {
		return time.Time{}
	}
	return latest.Add(max(s.quiet, shortestWait))
}

// takeQuietLocked reports whether the subscription may be made, since the device has been
// quiet. k.mu must be held.
func (s *KeptSubscription) takeQuietLocked(latest time.Time) bool {
	end := s.endOfQuietLocked(latest)
	if end.IsZero() || time.Until(end) > 0 {
		return false
	}
	s.quiet = min(2*max(s.quiet, shortestWait), longestQuiet)
	return true
}

// nextTryLocked returns when the first of the subscriptions may be made that a hold or
// the want of quiet puts off; the zero time if there is none. k.mu must be held.
func (k *Kept) nextTryLocked(latest time.Time) (first time.Time) {
	for _, s := range k.subs {
		for _, end := range []time.Time{s.endOfHoldLocked(), s.endOfQuietLocked(latest)} {
			if !end.IsZero() && (first.IsZero() || end.Before(first)) {
				first = end
			}
		}
	}
	return first
}
