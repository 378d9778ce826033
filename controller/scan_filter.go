package controller

import (
	"slices"
	"strings"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// ScanFilter selects reports. All fields that are set must match; a list matches if
// one of its elements does.
type ScanFilter struct {
	Addrs         []hci.Addr
	Services      []uuid.UUID
	Name          string   // a part of the name; letter case is ignored
	Manufacturers []uint16 // company identifiers
	MinRSSI       int8     // dBm; 0 means no limit. An unknown RSSI passes.
}

// matchReport reports whether r passes the filter. A nil filter passes everything.
func (f *ScanFilter) matchReport(r *Report) bool {
	if f == nil {
		return true
	}
	if len(f.Addrs) > 0 && !slices.ContainsFunc(f.Addrs, func(a hci.Addr) bool { return a.Identity() == r.Addr.Identity() }) {
		return false
	}
	if f.MinRSSI != 0 && r.RSSI != RSSIUnknown && r.RSSI < f.MinRSSI {
		return false
	}
	if len(f.Services) > 0 && !slices.ContainsFunc(f.Services, r.HasService) {
		return false
	}
	if f.Name != "" && !strings.Contains(strings.ToLower(r.Name()), strings.ToLower(f.Name)) {
		return false
	}
	return len(f.Manufacturers) == 0 || slices.ContainsFunc(r.ManufacturerData(), func(m hci.ManufacturerData) bool {
		return slices.Contains(f.Manufacturers, m.Company)
	})
}
