package sim

import (
	"hash/crc32"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ring"
)

// DuplicateRule selects the properties that a controller's duplicate filter
// compares. Real controllers differ in it.
type DuplicateRule uint8

// The rules of duplicate filters.
const (
	// DuplicatesByType compares the address, the type of the PDU, and the set of
	// extended advertising: each advertiser is reported once, and its scan response
	// once.
	DuplicatesByType DuplicateRule = iota
	// DuplicatesByAddress compares the address alone: of an advertisement and its
	// scan response only the one that comes first is reported.
	DuplicatesByAddress
	// DuplicatesByData compares the data too: a change of it is reported.
	DuplicatesByData
)

// duplicates is the memory of a duplicate filter. It forgets the oldest entry
// when it is full.
type duplicates struct {
	on    bool
	limit int // negative: none
	known map[duplicate]struct{}
	order ring.Ring[duplicate]
}

type duplicate struct {
	addr     hci.Addr
	typ      uint8
	response bool
	sid      uint8
	data     uint32
}

// keyOf returns the part of a report that the filter remembers.
func (r DuplicateRule) keyOf(v *advertiser, identity hci.Addr, response bool, data []byte) duplicate {
	k := duplicate{addr: identity}
	if r == DuplicatesByAddress {
		return k
	}
	k.typ, k.response = uint8(v.legacyType()), response
	if !v.legacy {
		k.typ, k.sid = 0xFF, v.sid
	}
	if r == DuplicatesByData {
		k.data = crc32.ChecksumIEEE(data)
	}
	return k
}

// isKnown reports whether the filter knows an advertiser, and remembers it.
func (d *duplicates) isKnown(k duplicate) bool {
	if _, ok := d.known[k]; ok {
		return true
	}
	if d.known == nil {
		d.known = map[duplicate]struct{}{}
	}
	if d.limit >= 0 && d.order.Len() >= d.limit {
		delete(d.known, d.order.Pop())
	}
	d.known[k] = struct{}{}
	if d.limit >= 0 {
		d.order.Push(k)
	}
	return false
}

func (d *duplicates) forgetAll() { d.known, d.order = nil, ring.Ring[duplicate]{} }
