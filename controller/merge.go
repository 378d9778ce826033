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
// which alias the memory of the merger.
func (m *merger) mergeReport(r *Report, data []byte) {
	if r.Addr.Kind == hci.AddrAnonymous { // any number of devices
		var h heard
		h.merge(r, data)
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
