package controller

import (
	"hash/maphash"
	"slices"

	"github.com/moor-ble/moor/hci"
)

// mergerSize bounds the number of devices in a merger and in a seenSet. A full one
// starts again empty, and the devices in range soon fill it again. A merger takes
// at most 2*maxChainLen octets for each device.
const mergerSize = 1024

// merger joins advertisements and scan responses of the same device.
type merger struct {
	last map[hci.Addr]*heard
}

// heard holds the latest packets of one device.
type heard struct {
	data, response         hci.AdvData
	connectable, scannable bool
}

func (m *merger) init() { m.last = map[hci.Addr]*heard{} }

// mergeReport stores data as the latest of its kind and sets r.Data and r.Response,
// which alias the memory of the merger.
func (m *merger) mergeReport(r *Report, data []byte) {
	h := m.last[r.Addr]
	if h == nil {
		if h = new(heard); r.Addr.Kind != hci.AddrAnonymous {
			if len(m.last) >= mergerSize {
				clear(m.last)
			}
			m.last[r.Addr] = h
		}
	}
	if r.ScanResponse {
		if !slices.Equal(h.response, data) {
			h.response = slices.Clone(data)
		}
		// An extended scan response has its own connectable flag.
		r.Connectable = r.Connectable || h.connectable
		r.Scannable = true
	} else {
		if !slices.Equal(h.data, data) {
			h.data = slices.Clone(data)
		}
		h.connectable, h.scannable = r.Connectable, r.Scannable
	}
	r.Data, r.Response = h.data, h.response
}

// seenSet remembers a hash of the latest report of each device that a scanner has
// delivered, for at most mergerSize devices.
type seenSet struct {
	seed maphash.Seed
	sums map[hci.Addr]uint64
}

// noteChange reports whether r differs from the latest report of its device, and
// remembers it.
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
