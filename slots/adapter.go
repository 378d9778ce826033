package slots

import "time"

// adapter is a registered adapter. The Manager's mutex guards it.
type adapter struct {
	name    string
	slots   int              // as registered or set; 0: not known, unless none is set
	none    bool             // it has been set to 0
	holds   map[string]*hold // by address
	links   int              // holds that are connected
	learned limit            // if slots is not known
	probe   *time.Timer      // of learned.due
}

// capacity returns the number of slots, 0 if it is not known.
func (a *adapter) capacity() int {
	if a.slots != 0 {
		return a.slots
	}
	return a.learned.room()
}

// hasRoom reports whether one more slot may be taken.
func (a *adapter) hasRoom() bool {
	if a.none {
		return false
	}
	n := a.capacity()
	return n == 0 || len(a.holds) < n
}

// leastDials is the number of dials for which the queue grants slots of an adapter of
// unknown capacity that has few links. Many controllers carry no more links than that.
const leastDials = 8

// mayGrant reports whether a ticket may be granted a slot. While the capacity is not known,
// there are at most as many slots without a link as there are links, or leastDials: a
// refusal may end all dials of an adapter, and each of them then takes its turn again.
func (a *adapter) mayGrant() bool {
	if !a.none && a.capacity() == 0 {
		return len(a.holds)-a.links < max(leastDials, a.links)
	}
	return a.hasRoom()
}

func (a *adapter) usage() Usage {
	n := a.capacity()
	if n == 0 && !a.none {
		return Usage{Slots: Unknown, Used: len(a.holds), Free: Unknown}
	}
	return Usage{Slots: Count(n), Used: len(a.holds), Free: Count(max(0, n-len(a.holds)))}
}

// linksBeside returns the number of links, not counting that of an address.
func (a *adapter) linksBeside(address string) int {
	if h := a.holds[address]; h != nil && h.connected {
		return a.links - 1
	}
	return a.links
}

func (a *adapter) forgetLimit() {
	a.learned = limit{}
	a.stopProbe()
}

func (a *adapter) stopProbe() {
	if a.probe != nil {
		a.probe.Stop()
		a.probe = nil
	}
}
