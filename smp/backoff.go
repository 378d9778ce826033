package smp

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// Backing off after failures (Vol 3, Part H, 2.3.6).
const (
	firstWait   = time.Second
	longestWait = 2 * time.Minute
	forgetAfter = 10 * time.Minute // without a failure, counted from the end of the wait
	maxFailed   = 64               // peers; an attacker can have any number of addresses
)

// backoff makes peers that failed to pair wait before they may try again, each
// time twice as long, on whatever link they come. It remembers at most maxFailed
// peers: one more replaces the peer whose wait ends first. It belongs to the loop.
type backoff struct {
	failed map[hci.Addr]failure
}

// failure is the latest failure of a peer.
type failure struct {
	wait  time.Duration // doubles with the next one
	until time.Time     // when the peer may try again
}

// blocks reports whether a peer has to wait.
func (b *backoff) blocks(now time.Time, peer hci.Addr) bool {
	return now.Before(b.failed[peer].until)
}

// addFailure makes a peer wait.
func (b *backoff) addFailure(now time.Time, peer hci.Addr) {
	old, known := b.failed[peer]
	wait := firstWait
	if known && now.Before(old.until.Add(forgetAfter)) {
		wait = min(2*old.wait, longestWait)
	}
	if !known && len(b.failed) >= maxFailed {
		b.forgetSoonest()
	}
	if b.failed == nil {
		b.failed = map[hci.Addr]failure{}
	}
	b.failed[peer] = failure{wait, now.Add(wait)}
}

// forgetSoonest forgets the peer whose wait ends first.
func (b *backoff) forgetSoonest() {
	var soonest hci.Addr
	for peer, f := range b.failed {
		if s, ok := b.failed[soonest]; !ok || f.until.Before(s.until) {
			soonest = peer
		}
	}
	delete(b.failed, soonest)
}

// forgetPeer forgets the failures of a peer that has paired.
func (b *backoff) forgetPeer(peer hci.Addr) { delete(b.failed, peer) }
