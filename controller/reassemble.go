package controller

import "github.com/moor-ble/moor/hci"

// Bounds of the reassembly of extended advertisements.
const (
	maxChainLen = 1650 // octets (Vol 4, Part E, 7.8.57)
	maxChains   = 16
)

// chainKey identifies the advertisement that a piece belongs to.
type chainKey struct {
	addr hci.Addr
	sid  uint8
	rsp  bool
}

// chains reassembles extended advertisements that the controller reports in pieces
// (Vol 4, Part E, 7.7.65.13). It holds at most maxChains advertisements of
// maxChainLen octets. The last piece is often lost on air, and a hostile
// advertiser never sends it, so a new advertisement replaces the oldest one of a
// full set. An advertisement that is too long is dropped.
type chains struct {
	open  map[chainKey]chain
	begun uint64 // counts the advertisements, to find the oldest
}

// chain is the received part of one advertisement.
type chain struct {
	data    []byte
	tooLong bool // data is dropped, and so are all further pieces
	begun   uint64
}

func (c *chains) init() { c.open = map[chainKey]chain{} }

// addPiece adds one piece. whole reports whether it was the last one; data then
// holds the whole advertisement.
func (c *chains) addPiece(r *hci.ExtAdvReport) (data []byte, whole bool) {
	key := chainKey{r.Addr, r.SID, r.ScanResponse()}
	have, open := c.open[key]
	if !open {
		if !r.Incomplete() {
			return r.Data, true
		}
		c.dropOldest()
		c.begun++
		have.begun = c.begun
	}
	if have.tooLong = have.tooLong || len(have.data)+len(r.Data) > maxChainLen; have.tooLong {
		have.data = nil
	} else {
		have.data = append(have.data, r.Data...)
	}
	if r.Incomplete() {
		c.open[key] = have
		return nil, false
	}
	delete(c.open, key)
	return have.data, !have.tooLong
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
	delete(c.open, oldest)
}
