package connmgr

import "time"

// longestHold is the longest hold of a subscription. That long may values be missed after
// the last of many changes of the table.
const longestHold = 8 * time.Second

// holdLocked puts off a subscription that has lasted for some time until the table of the
// device has changed. Some devices change their table whenever they are subscribed to, so
// that each end would lead to the next one. k.mu must be held.
//
//	the subscription has lasted    hold before the next one
//	twice the last hold or more    none
//	less                           1, 2, 4 s, then longestHold
//
// One that has lasted for less than two seconds is held in any case.
func (s *KeptSubscription) holdLocked(lasted time.Duration) {
	if lasted >= 2*max(s.hold, shortestWait) {
		s.hold = 0
	} else {
		s.hold = min(max(2*s.hold, shortestWait), longestHold)
	}
	if lasted >= 2*max(s.quiet, shortestWait) {
		s.quiet = 0
	}
	s.heldUntil = time.Now().Add(s.hold)
}

// isHeldLocked reports whether the subscription must not be made yet. k.mu must be held.
func (s *KeptSubscription) isHeldLocked() bool { return time.Until(s.heldUntil) > 0 }

// endOfHoldLocked returns when the subscription may be made if it is held; otherwise the
// zero time. k.mu must be held.
func (s *KeptSubscription) endOfHoldLocked() time.Time {
	if s.live != nil || !s.isHeldLocked() {
		return time.Time{}
	}
	return s.heldUntil
}
