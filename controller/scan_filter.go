package controller

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
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
	if name, _ := r.RawName(); !containsFold(name, f.Name) {
		return false
	}
	return len(f.Manufacturers) == 0 || f.namesManufacturer(r.Data) || f.namesManufacturer(r.Response)
}

// namesManufacturer reports whether d has data of a company that the filter names.
func (f *ScanFilter) namesManufacturer(d hci.AdvData) bool {
	for typ, content := range d.All() {
		if r := wire.NewReader(content); typ == hci.ADManufacturer && slices.Contains(f.Manufacturers, r.U16()) && r.Err() == nil {
			return true
		}
	}
	return false
}

// containsFold reports whether part is in name, in whatever letter case.
func containsFold(name []byte, part string) bool {
	for ; !hasPrefixFold(name, part); name = skipRune(name) {
		if len(name) == 0 {
			return false
		}
	}
	return true
}

func hasPrefixFold(name []byte, prefix string) bool {
	for _, p := range prefix {
		r, n := utf8.DecodeRune(name)
		if n == 0 || unicode.ToLower(r) != unicode.ToLower(p) {
			return false
		}
		name = name[n:]
	}
	return true
}

func skipRune(b []byte) []byte {
	_, n := utf8.DecodeRune(b)
	return b[n:]
}
