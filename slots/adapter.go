package slots

import (
	"slices"
	"time"
)

// hold is a slot that is taken.
type hold struct {
	address   string
	priority  int
	since     time.Time
	used      time.Time // when the link was last of use
	connected bool
	handle    uint16 // of the link, if connected
}

// adapter is what is known of one. Its fields are guarded by the manager's
// mutex.
type adapter struct {
	name    string
	slots   int     // as registered; 0: not known
	holds   []*hold // in the order in which they were taken
	learned learned
}

// learned is a limit that the controller has shown.
type learned struct {
	limit  int // 0: none
	reason uint8
	since  time.Time // when it was shown, or last raised
}

func (a *adapter) find(address string) *hold {
	for _, h := range a.holds {
		if h.address == address {
			return h
		}
	}
	return nil
}

// limit returns how many slots there are by what is known, 0 if nothing is.
func (a *adapter) limit() int {
	if a.learned.limit != 0 && (a.slots == 0 || a.learned.limit < a.slots) {
		return a.learned.limit
	}
	return a.slots
}

// count returns how many slots there are, and how many of them are left.
func (a *adapter) count() (all, free Count) {
	n := a.limit()
	if n == 0 {
		return Unknown, Unknown
	}
	return Count(n), Count(max(0, n-len(a.holds)))
}

// room reports whether one more slot may be taken.
func (a *adapter) room() bool {
	_, free := a.count()
	return free != 0
}

// connected returns how many links there are, not counting that of an address.
func (a *adapter) connected(except string) int {
	n := 0
	for _, h := range a.holds {
		if h.connected && h.address != except {
			n++
		}
	}
	return n
}

// refuse takes a limit that the controller has shown. A limit of 0 would stop
// everything for a refusal that had another reason, so one slot always stays.
func (a *adapter) refuse(now time.Time, address string, reason uint8) {
	a.learned = learned{limit: max(1, a.connected(address)), reason: reason, since: now}
}

// exceed corrects a learned limit that more links than that disprove.
func (a *adapter) exceed() {
	if n := a.connected(""); a.learned.limit != 0 && n > a.learned.limit {
		a.learned.limit = n
	}
}

// decay raises a learned limit by one for each period since, and returns when
// the next rise is due; the zero time for never.
func (a *adapter) decay(now time.Time, period time.Duration) time.Time {
	for a.learned.limit != 0 && period > 0 && now.Sub(a.learned.since) >= period {
		a.learned.limit++
		a.learned.since = a.learned.since.Add(period)
		if a.slots != 0 && a.learned.limit >= a.slots || a.slots == 0 && a.learned.limit > len(a.holds)+maxUnknownSlack {
			a.learned = learned{}
		}
	}
	if a.learned.limit == 0 || period < 0 {
		return time.Time{}
	}
	return a.learned.since.Add(period)
}

// maxUnknownSlack is how far above the slots in use the learned limit of an
// adapter without a registered one rises before it is forgotten.
const maxUnknownSlack = 8

func (a *adapter) remove(h *hold) {
	a.holds = slices.DeleteFunc(a.holds, func(x *hold) bool { return x == h })
}

func (a *adapter) addresses() []string {
	list := make([]string, len(a.holds))
	for i, h := range a.holds {
		list[i] = h.address
	}
	return list
}
