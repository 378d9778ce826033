package controller

import (
	"hash/maphash"
	"slices"

	"github.com/moor-ble/moor/hci"
)

// mergerSize is of how many devices the last packets are remembered. When it
// is full the memory starts again empty: devices in range fill it at once. It
// takes at most 2*maxChainLen octets for each.
const mergerSize = 1024

// merger joins advertisements and scan responses.
type merger struct {
	last map[hci.Addr]heard
}

type heard struct {
	data, response         hci.AdvData
	connectable, scannable bool
}

func (m *merger) init() { m.last = map[hci.Addr]heard{} }

// add puts data and what it belongs to into r, which aliases the memory.
func (m *merger) mergeReport(r *Report, data []byte) {
	h := m.last[r.Addr]
	if r.ScanResponse {
		if !slices.Equal(h.response, data) {
			h.response = slices.Clone(data)
		}
		// An extended scan response says itself whether one may connect.
		r.Connectable = r.Connectable || h.connectable
		r.Scannable = true
	} else {
		if !slices.Equal(h.data, data) {
			h.data = slices.Clone(data)
		}
		h.connectable, h.scannable = r.Connectable, r.Scannable
	}
	if len(m.last) >= mergerSize {
		clear(m.last)
	}
	if r.Addr.Kind != hci.AddrAnonymous {
		m.last[r.Addr] = h
	}
	r.Data, r.Response = h.data, h.response
}

// seenSet remembers what a scanner has delivered, bounded like merger.
type seenSet struct {
	seed maphash.Seed
	sums map[hci.Addr]uint64
}

// changed reports whether r differs from the last report of its device.
func (s *seenSet) noteChange(r *Report) bool {
	if s.sums == nil {
		s.seed, s.sums = maphash.MakeSeed(), map[hci.Addr]uint64{}
	}
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.Write(r.Data)
	h.WriteByte(0)
	h.Write(r.Response)
	sum := h.Sum64()
	if old, ok := s.sums[r.Addr]; ok && old == sum {
		return false
	}
	if len(s.sums) >= mergerSize {
		clear(s.sums)
	}
	s.sums[r.Addr] = sum
	return true
}
