package controller

import "github.com/moor-ble/moor/hci"

// Bounds of the reassembly of extended advertisements.
const (
	maxChainLen = 1650 // octets (Vol 4, Part E, 7.8.57)
	maxChains   = 16
	// maxBroken bounds the advertisements whose rest is to be dropped.
	maxBroken = 1024
)

// chainKey identifies the advertisement that a piece belongs to.
type chainKey struct {
	addr hci.Addr
	sid  uint8
	rsp  bool
}

func chainKeyOf(r *hci.ExtAdvReport) chainKey { return chainKey{r.Addr, r.SID, r.ScanResponse()} }

// chains reassembles extended advertisements that the controller reports in pieces
// (Vol 4, Part E, 7.7.65.13). It holds at most maxChains advertisements of
// maxChainLen octets. The last piece is often lost on air, and a hostile
// advertiser never sends it, so a new advertisement replaces the oldest one of a
// full set. An advertisement that is too long, or of which a piece is missing, is
// dropped with all pieces up to its last one.
type chains struct {
	open   map[chainKey]chain
	begun  uint64                     // counts the advertisements, to find the oldest
	broken recent[chainKey, struct{}] // the advertisements that are dropped
}

// chain is the received part of one advertisement.
type chain struct {
	data  []byte
	begun uint64
}

func (c *chains) init() { *c = chains{open: map[chainKey]chain{}, begun: c.begun} }

// addPiece adds one piece. whole reports whether it was the last one; data then
// holds the whole advertisement.
func (c *chains) addPiece(r *hci.ExtAdvReport) (data []byte, whole bool) {
	if len(c.open) == 0 && c.broken.Len() == 0 && !r.Incomplete() {
		return r.Data, true
	}
	key := chainKeyOf(r)
	if c.broken.has(key) {
		if !r.Incomplete() {
			c.broken.remove(key)
		}
		return nil, false
	}
	have, open := c.open[key]
	if !open {
		if !r.Incomplete() {
			return r.Data, true
		}
		c.dropOldest()
		c.begun++
		have.begun = c.begun
	}
	if len(have.data)+len(r.Data) > maxChainLen {
		c.endChain(key, r.Incomplete())
		return nil, false
	}
	have.data = append(have.data, r.Data...)
	if r.Incomplete() {
		c.open[key] = have
		return nil, false
	}
	delete(c.open, key)
	return have.data, true
}

// endChain drops an advertisement. goesOn reports whether further pieces of it follow,
// which are dropped as well.
func (c *chains) endChain(key chainKey, goesOn bool) {
	delete(c.open, key)
	if !goesOn {
		c.broken.remove(key)
		return
	}
	c.broken.use(key)
	if c.broken.Len() > maxBroken {
		c.broken.removeOldest()
	}
}

// cutChains drops the advertisements that have lost pieces.
func (c *chains) cutChains(cut *cuts) {
	if cut.restart {
		c.init()
	}
	for key, goesOn := range cut.lost {
		c.endChain(key, goesOn)
	}
	if cut.tooMany { // each of them may be among these
		for key := range c.open {
			c.endChain(key, true)
		}
	}
}

// dropOldest drops the oldest advertisement if the set is full.
func (c *chains) dropOldest() {
	if len(c.open) < maxChains {
		return
	}
	var oldest chainKey
	first := c.begun + 1
	for key, ch := range c.open {
		if ch.begun < first {
			oldest, first = key, ch.begun
		}
	}
	c.endChain(oldest, true)
}
