package slots

import "time"

const (
	// maxProbeDelay bounds the time between two probes of a learned limit.
	maxProbeDelay = 10 * time.Minute
	// maxWaitedDelay bounds it while a ticket waits: the refusals may have ended, and no
	// link need end for that.
	maxWaitedDelay = 16 * time.Second
)

// limit is the capacity of a controller as far as its refusals show it. The zero
// value is no limit. Its states, by the number of links in force:
//
//	none --two refusals in a row beside n links--> n
//	n    --after a delay-------------------------> n+1, so that one dial probes
//	n+1  --refused beside n links----------------> n, and the delay doubles
//	n+1  --n+1 links are up----------------------> 2(n+1)
//
// The last step repeats with each further link, so that a limit that was wrong
// goes quickly, and yet not all waiting dials can be refused at once.
//
// The first refusal beside n links raises a suspicion: for the first delay, or until
// n+1 links are up, there is room for n+1. Without it, all waiting dials would be
// made together once more, to be refused by one event again.
type limit struct {
	links  int           // in force; 0: no limit
	proven int           // the most links that were up, or beside which a dial was refused
	reason uint8         // HCI error code of the refusals
	delay  time.Duration // before the next probe, from the refusal
	due    time.Time     // of the next probe; zero: it may go already, or there is none
	early  time.Time     // from when the probe goes before it is due, if a ticket waits

	suspected int       // links that there is room for by suspicion; 0: none
	until     time.Time // the end of the suspicion

	refusals int    // in a row beside the same number of links
	beside   int    // that number
	counted  uint64 // Manager.order at the last of them
}

// addRefusal takes a refusal beside so many links. A limit of 0 would stop
// everything after a refusal that had another reason, so one slot always stays.
func (l *limit) addRefusal(now time.Time, links int, reason uint8, firstDelay time.Duration) {
	if links != l.beside {
		l.refusals = 0
	}
	l.refusals, l.beside = l.refusals+1, links
	switch {
	case l.refusals < 2:
		if firstDelay > 0 {
			l.suspected, l.until, l.reason = links+1, now.Add(firstDelay), reason
		}
		return
	case l.refusals == 2:
		l.delay = firstDelay
	case l.delay > 0:
		l.delay = min(2*l.delay, max(firstDelay, maxProbeDelay))
	}
	l.links, l.proven, l.reason, l.due, l.suspected = max(1, links), links, reason, time.Time{}, 0
	if l.delay > 0 {
		l.due = now.Add(l.delay)
		l.early = now.Add(min(l.delay, max(firstDelay, maxWaitedDelay)))
	}
}

// raiseLimit takes the number of links after one has come up.
func (l *limit) raiseLimit(links int) {
	if links > l.beside {
		l.refusals = 0
	}
	if links >= l.suspected {
		l.endSuspicion()
	}
	if l.links != 0 && links > l.proven {
		l.proven, l.links, l.due = links, max(l.links, 2*links), time.Time{}
	}
}

// room returns the number of links in force; 0: no limit.
func (l *limit) room() int {
	if l.suspected != 0 && (l.links == 0 || l.suspected < l.links) {
		return l.suspected
	}
	return l.links
}

func (l *limit) endSuspicion() {
	if l.suspected = 0; l.links == 0 {
		l.reason = 0
	}
}

// nextChange returns the time after now at which allowProbe has something to do or
// mayProbeEarly is true; zero: never.
func (l *limit) nextChange(now time.Time) time.Time {
	next := l.due
	if !next.IsZero() && l.early.After(now) {
		next = l.early
	}
	if l.suspected != 0 && (next.IsZero() || l.until.Before(next)) {
		next = l.until
	}
	return next
}

// allowProbe ends a suspicion, and raises the limit by one, once that is due.
func (l *limit) allowProbe(now time.Time) {
	if l.suspected != 0 && !now.Before(l.until) {
		l.endSuspicion()
	}
	if !l.due.IsZero() && !now.Before(l.due) {
		l.raiseForProbe()
	}
}

// mayProbeEarly reports whether the limit may be raised by one for a ticket that waits.
func (l *limit) mayProbeEarly(now time.Time) bool { return !l.due.IsZero() && !now.Before(l.early) }

func (l *limit) raiseForProbe() { l.links, l.due = l.links+1, time.Time{} }
