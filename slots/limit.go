package slots

import "time"

// maxProbeDelay bounds the time between two probes of a learned limit.
const maxProbeDelay = 10 * time.Minute

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
type limit struct {
	links  int           // in force; 0: no limit
	proven int           // the most links that were up, or beside which a dial was refused
	reason uint8         // HCI error code of the refusals
	delay  time.Duration // before the next probe, from the refusal
	due    time.Time     // of the next probe; zero: it may go already, or there is none

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
		return
	case l.refusals == 2:
		l.delay = firstDelay
	case l.delay > 0:
		l.delay = min(2*l.delay, max(firstDelay, maxProbeDelay))
	}
	l.links, l.proven, l.reason, l.due = max(1, links), links, reason, time.Time{}
	if l.delay > 0 {
		l.due = now.Add(l.delay)
	}
}

// raiseLimit takes the number of links after one has come up.
func (l *limit) raiseLimit(links int) {
	if links > l.beside {
		l.refusals = 0
	}
	if l.links != 0 && links > l.proven {
		l.proven, l.links, l.due = links, max(l.links, 2*links), time.Time{}
	}
}

// allowProbe raises the limit by one once that is due, and reports whether it has.
func (l *limit) allowProbe(now time.Time) bool {
	if l.due.IsZero() || now.Before(l.due) {
		return false
	}
	l.links, l.due = l.links+1, time.Time{}
	return true
}
