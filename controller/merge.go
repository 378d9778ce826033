package controller

import (
	"slices"

	"github.com/moor-ble/moor/hci"
)

// Bounds of a merger and of a seenSet. The advertiser heard longest ago is forgotten
// first.
const (
	maxAdvertisers = 16_384
	// maxMergedOctets bounds the data in a merger: enough for maxAdvertisers legacy
	// advertisements with scan responses, 62 octets each.
	maxMergedOctets = 1 << 20
)

// noSID is the advertising SID of legacy advertisements in reports
// (Vol 4, Part E, 7.7.65.13).
const noSID = 0xFF

// advertiser identifies a source of advertisements. A device may advertise different
// data in several sets, which differ in their SID.
type advertiser struct {
	addr hci.Addr
	sid  uint8
}

func advertiserOf(r *Report) advertiser { return advertiser{r.Addr, r.SID} }

// merger joins advertisements and scan responses of the same advertiser.
type merger struct {
	last   recent[advertiser, heard]
	octets int // of data in last
}

// heard holds the latest packets of one advertiser.
type heard struct {
	data, response         hci.AdvData
	connectable, scannable bool
}

func (h *heard) octets() int { return len(h.data) + len(h.response) }

// mergeReport stores data as the latest of its kind and sets r.Data and r.Response,
// which alias the memory of the merger, or data, until the next call.
func (m *merger) mergeReport(r *Report, data []byte) {
	if r.Addr.Kind == hci.AddrAnonymous { // any number of devices: there is nothing to merge with
		if r.ScanResponse {
			r.Response, r.Scannable = data, true
		} else {
			r.Data = data
		}
		return
	}
	h := m.last.use(advertiserOf(r))
	m.octets -= h.octets()
	h.merge(r, data)
	m.octets += h.octets()
	for m.last.Len() > maxAdvertisers || m.octets > maxMergedOctets {
		old := m.last.removeOldest() // never h: one alone is within the bounds
		m.octets -= old.octets()
	}
}

func (h *heard) merge(r *Report, data []byte) {
	if r.ScanResponse {
		h.response = replaceData(h.response, data)
		// An extended scan response has its own connectable flag.
		r.Connectable = r.Connectable || h.connectable
		r.Scannable = true
	} else {
		h.data = replaceData(h.data, data)
		h.connectable, h.scannable = r.Connectable, r.Scannable
	}
	r.Data, r.Response = h.data, h.response
}

// replaceData returns a copy of data in the memory of old, if it fits and does not waste
// much.
func replaceData(old, data []byte) []byte {
	if cap(old) < len(data) || cap(old) > legacyOctets && cap(old) > 2*len(data) {
		return slices.Clone(data)
	}
	return append(old[:0], data...)
}

// legacyOctets is the memory for the data of a legacy advertisement: 31 octets, rounded up
// as the allocator does.
const legacyOctets = 32
