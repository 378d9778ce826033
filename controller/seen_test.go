package controller

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// extAdvert delivers an extended advertisement, or the scan response of one.
func (h *harness) extAdvert(typ hci.ExtAdvType, from hci.Addr, sid uint8, data []byte) {
	h.event(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{{
		Type: typ, Addr: from, SID: sid, PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY1M, TxPower: 127, RSSI: -50, Data: data,
	}}})
}

// drain takes all reports.
func drain(s *Scanner) (reports []Report) {
	for {
		ctx, cancel := canceled()
		r, err := s.Next(ctx)
		cancel()
		if err != nil {
			return reports
		}
		reports = append(reports, r.Clone())
	}
}

// TestSetsOfOneAdvertiserAreApart has one device advertise by three sets: two
// extended ones, of which the second has a scan response, and a legacy one.
func TestSetsOfOneAdvertiserAreApart(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(nil)
	for range 3 {
		h.extAdvert(0, peerA, 0, adUUID)
		h.extAdvert(hci.ExtAdvConnectable, peerA, 1, adUUID)
		h.extAdvert(hci.ExtAdvConnectable|hci.ExtAdvScanResponse, peerA, 1, adName)
		h.extAdvert(hci.ExtAdvLegacy|hci.ExtAdvScannable, peerA, 0, adFlags) // of a controller that gives it a SID
		h.advert(hci.AdvScanInd, peerA, -50, adFlags)
	}
	type set struct {
		sid         uint8
		connectable bool
		name        string
	}
	var got []set
	for _, r := range drain(s) {
		got = append(got, set{r.SID, r.Connectable, r.Name()})
	}
	want := []set{{0, false, ""}, {1, true, ""}, {1, true, "kettle"}, {0xFF, false, ""}}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
		t.Errorf("reports %+v, want %+v", got, want)
	}
}

// numbered returns the address of device number n.
func numbered(n int) hci.Addr {
	a := hci.Addr{Kind: hci.AddrRandom}
	binary.LittleEndian.PutUint32(a.MAC[:], uint32(n))
	return a
}

// TestDevicesBeyondTheMemory has as many devices advertise as the memory holds: each
// is delivered once. One more takes the place of the device heard longest ago.
func TestDevicesBeyondTheMemory(t *testing.T) {
	h := newHarness(t, 1)
	s := &Scanner{ctl: &Controller{}, queue: newReportQueue(4 * maxAdvertisers)}
	h.do(func(time.Time) { h.c.scan.addScanner(s, func(error) {}) })
	h.scanStarts("scan")
	for round := range 2 {
		for n := range maxAdvertisers {
			h.advert(hci.AdvInd, numbered(n), -50, adName)
		}
		if got, want := len(drain(s)), []int{maxAdvertisers, 0}[round]; got != want {
			t.Errorf("round %d: %d reports, want %d", round, got, want)
		}
	}
	h.advert(hci.AdvInd, numbered(0), -50, adName) // now 1 is the one heard longest ago
	h.advert(hci.AdvInd, numbered(maxAdvertisers), -50, adName)
	for n := range 3 {
		h.advert(hci.AdvInd, numbered(n), -50, adName)
	}
	var got []hci.Addr
	for _, r := range drain(s) {
		got = append(got, r.Addr)
	}
	if len(got) != 3 || got[0] != numbered(maxAdvertisers) || got[1] != numbered(1) || got[2] != numbered(2) {
		t.Errorf("delivered %v, want the new device, the one it has displaced, and the one this has displaced", got)
	}
	if n, m := h.c.scan.merge.last.Len(), s.seen.last.Len(); n != maxAdvertisers || m != maxAdvertisers {
		t.Errorf("%d and %d devices are kept, want %d", n, m, maxAdvertisers)
	}
}

// TestLongAdvertisementsAreBounded has many devices send the longest advertisement:
// the octets that are kept stay within their bound.
func TestLongAdvertisementsAreBounded(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(nil)
	data := make([]byte, 1650)
	devices := 2 * maxMergedOctets / len(data)
	for n := range devices {
		for rest := data; len(rest) > 0; rest = rest[min(len(rest), 229):] {
			typ := hci.ExtAdvIncomplete
			if len(rest) <= 229 {
				typ = 0
			}
			h.extAdvert(typ, numbered(n), 0, rest[:min(len(rest), 229)])
		}
	}
	if got := h.next(s); len(got.Data) != 1650 {
		t.Fatalf("%d octets of data", len(got.Data))
	}
	m := &h.c.scan.merge
	if want := maxMergedOctets / len(data); m.last.Len() != want || m.octets != want*len(data) {
		t.Errorf("%d advertisements with %d octets are kept, want %d with %d", m.last.Len(), m.octets, want, want*len(data))
	}
}

// TestAlternatingFramesAreDeliveredOnce has a beacon take turns between frames, as
// iBeacon and Eddystone, one of which counts.
func TestAlternatingFramesAreDeliveredOnce(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(nil)
	count := byte(0)
	for i := range 40 {
		h.advert(hci.AdvScanInd, peerA, -50, adUUID)
		h.advert(hci.AdvScanRsp, peerA, -50, adName)
		h.advert(hci.AdvScanInd, peerA, -50, adFlags)
		h.advert(hci.AdvScanRsp, peerA, -50, adName)
		if i%10 == 5 {
			count++
		}
		h.advert(hci.AdvScanInd, peerA, -50, hci.AppendAD(nil, hci.ADManufacturer, []byte{0x4C, 0, count}))
		h.pass(100 * time.Millisecond)
	}
	// Three frames, the response, and four counts.
	if got := drain(s); len(got) != 8 || count != 4 {
		t.Errorf("%d reports of %d changes, want 8", len(got), count)
	}
}

// TestDataThatReturnsIsDelivered has the data of a sensor change and change back. The
// return is delivered once the other data has not been heard for a while.
func TestDataThatReturnsIsDelivered(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(nil)
	open, closed := hci.AppendAD(nil, hci.ADManufacturer, []byte{1, 0, 1}), hci.AppendAD(nil, hci.ADManufacturer, []byte{1, 0, 0})
	begin := h.now
	var got []time.Duration
	for range 200 {
		since := h.now.Sub(begin)
		data := closed
		if since >= 2*time.Second && since < 3*time.Second || since >= 12*time.Second {
			data = open
		}
		h.advert(hci.AdvNonconnInd, peerA, -50, data)
		for _, r := range drain(s) {
			got = append(got, r.Time.Sub(begin))
		}
		h.pass(100 * time.Millisecond)
	}
	// Closed, open for a second, closed, open. The last advertisement of the short
	// opening is at 2.9 s.
	want := []time.Duration{0, 2 * time.Second, 2900*time.Millisecond + frameTime, 12 * time.Second}
	if len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
		t.Errorf("delivered at %v, want %v", got, want)
	}
	h.pass(time.Hour)
	h.advert(hci.AdvNonconnInd, peerA, -50, open)
	h.noReport(s, "a device that was silent has the same data")
}

// TestMeshIsNeverFiltered has a node of a mesh repeat its advertisement: each network
// PDU and beacon counts.
func TestMeshIsNeverFiltered(t *testing.T) {
	for _, typ := range []hci.ADType{hci.ADMeshProvisioning, hci.ADMeshMessage, hci.ADMeshBeacon} {
		h := newHarness(t, 1)
		s := h.scanOn(nil)
		for range 3 {
			h.advert(hci.AdvNonconnInd, peerA, -50, hci.AppendAD(nil, typ, []byte{1, 2, 3}))
		}
		if got := drain(s); len(got) != 3 {
			t.Errorf("type %#x: %d reports, want 3", typ, len(got))
		}
	}
}

var adFlags = hci.AppendAD(nil, hci.ADFlags, []byte{6})
