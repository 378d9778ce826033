package controller

import (
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// RSSIUnknown is the signal strength of which the controller has no value
// (Vol 4, Part E, 7.7.65.2).
const RSSIUnknown int8 = 127

// TxPowerUnknown is the transmit power of which the controller has no value.
const TxPowerUnknown int8 = 127

// Report is one advertisement, together with what was heard before from the
// same device of the other kind: the scan response to an advertisement, the
// advertisement to a scan response. All slices are the receiver's to keep.
type Report struct {
	Time time.Time
	Addr hci.Addr
	RSSI int8 // dBm, or RSSIUnknown
	// TxPower is the power in dBm given in an extended advertisement's header,
	// or TxPowerUnknown.
	TxPower int8
	// What the packet allows: to connect, to ask for a scan response. A scan
	// response has the values of the advertisement that it belongs to.
	Connectable, Scannable bool
	Directed               bool // the advertisement names one central
	ScanResponse           bool // the packet was a scan response
	Extended               bool // the packet was an extended advertisement
	Truncated              bool // the controller could not deliver all data
	PrimaryPHY             hci.PHY
	SecondaryPHY           hci.PHY // zero if there was no secondary packet
	SID                    uint8   // advertising set; meaningful if Extended
	Data                   hci.AdvData
	Response               hci.AdvData
}

// Name returns the device's name, the complete one before a shortened one, and
// the scan response's before the advertisement's; "" if there is none.
func (r *Report) Name() string {
	name, whole := r.Response.LocalName()
	if whole {
		return name
	}
	if n, whole := r.Data.LocalName(); whole || name == "" {
		return n
	}
	return name
}

// Services returns the UUIDs of services in both parts.
func (r *Report) Services() []uuid.UUID {
	us := r.Data.Services()
	for _, u := range r.Response.Services() {
		if !slices.Contains(us, u) {
			us = append(us, u)
		}
	}
	return us
}

// HasService reports whether either part lists u.
func (r *Report) HasService(u uuid.UUID) bool {
	return r.Data.HasService(u) || r.Response.HasService(u)
}

// ManufacturerData returns the manufacturer fields of both parts.
func (r *Report) ManufacturerData() []hci.ManufacturerData {
	return append(r.Data.ManufacturerData(), r.Response.ManufacturerData()...)
}

// ServiceData returns the service data fields of both parts.
func (r *Report) ServiceData() []hci.ServiceData {
	return append(r.Data.ServiceData(), r.Response.ServiceData()...)
}

// ScanFilter selects reports: all fields that are set must match, and a list
// matches if any of its elements does.
type ScanFilter struct {
	Addrs         []hci.Addr
	Services      []uuid.UUID
	Name          string // a part of the name, without regard to case
	Manufacturers []uint16
	MinRSSI       int8 // dBm; 0 does not filter. An unknown RSSI passes.
}

func (f *ScanFilter) match(r *Report) bool {
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
func (m *merger) add(r *Report, data []byte) {
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
func (s *seenSet) changed(r *Report) bool {
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
func (c *chains) add(r *hci.ExtAdvReport) (data []byte, whole bool) {
	key := chainKey{r.Addr, r.SID, r.ScanResponse()}
	have, open := c.open[key]
	if !open {
		if !r.Incomplete() {
			return r.Data, true
		}
		c.makeRoom()
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

func (c *chains) makeRoom() {
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
