package controller

import "github.com/moor-ble/moor/hci"

// Bounds of what is kept of extended advertisements that come in pieces.
const (
	maxChainLen = 1650 // octets (Vol 4, Part E, 7.8.57)
	maxChains   = 16
)

type chainKey struct {
	addr hci.Addr
	sid  uint8
	rsp  bool
}

// chains reassembles extended advertisements (Vol 4, Part E, 7.7.65.13). It
// holds at most maxChains of maxChainLen octets. When a further one begins, the
// oldest is given up: its rest may never come, as the end of an advertisement is
// lost on the air more often than not, and by whoever likes on purpose. One that
// grows too long is dropped with its last piece.
type chains struct {
	open  map[chainKey]chain
	begun uint64 // counts those that have begun
}

type chain struct {
	data    []byte
	tooLong bool // data is gone, and what follows is passed over
	begun   uint64
}

func (c *chains) init() { c.open = map[chainKey]chain{} }

// add takes one piece. whole reports whether data now is all there will be.
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
