package controller

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// reportPath is a core with Scanners that takes report packets, as runLoop does it.
type reportPath struct {
	core
	scanners []*Scanner
	packets  [][]byte
	n        int
	ended    context.Context //nolint:containedctx // Next does not wait with it
}

func newReportPath(all ...ScanOptions) *reportPath {
	p := &reportPath{}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	p.ended = ended
	p.setup(Config{})
	for i := range all {
		p.scanners = append(p.scanners, &Scanner{ctl: &Controller{}, opts: all[i], queue: newReportQueue(8)})
	}
	p.scan.scanners = p.scanners
	legacy := func(typ hci.AdvType, from hci.Addr, data []byte) {
		p.packets = append(p.packets, hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &hci.LEAdvertisingReport{
			Reports: []hci.AdvReport{{Type: typ, Addr: from, RSSI: -60, Data: data}},
		}))
	}
	extended := func(typ hci.ExtAdvType, from hci.Addr, data []byte) {
		p.packets = append(p.packets, hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &hci.LEExtendedAdvertisingReport{
			Reports: []hci.ExtAdvReport{{Type: typ, Addr: from, PrimaryPHY: hci.PHY1M, Data: data}},
		}))
	}
	long := make([]byte, 200)
	for round := range byte(2) { // the data changes
		legacy(hci.AdvInd, peerA, []byte{2, 1, 6, 9, 9, 'A', ' ', 'K', 'e', 't', 't', 'l', 'e', 5, 0xFF, 1, 2, 3, round})
		legacy(hci.AdvScanRsp, peerA, []byte{3, 3, 0x0F, 0x18, 2, 10, round})
		legacy(hci.AdvInd, peerB, []byte{2, 1, round}) // shorter
		legacy(hci.AdvInd, peerB, append([]byte{30, 0xFF}, make([]byte, 29)...))
		extended(hci.ExtAdvConnectable, peerA, append(long, 2, 1, round))
		extended(0, hci.Addr{Kind: hci.AddrAnonymous}, []byte{2, 1, round})
	}
	return p
}

// take handles the next packet, and all Scanners take what they get.
func (p *reportPath) take(tb testing.TB, want bool) {
	p.handlePacket(time.Time{}.Add(time.Hour), p.packets[p.n%len(p.packets)])
	p.n++
	for _, s := range p.scanners {
		if s.opts.OnReport != nil {
			continue
		}
		if _, err := s.Next(p.ended); (err == nil) != want {
			tb.Fatalf("packet %d: %v, want a report: %v", p.n-1, err, want)
		}
	}
}

func TestReportsAllocateNothing(t *testing.T) {
	called := 0
	every := ScanOptions{Duplicates: true}
	filtered := func(f ScanFilter) []ScanOptions { return []ScanOptions{{Duplicates: true, Filter: &f}} }
	for _, c := range []struct {
		name      string
		scans     []ScanOptions
		delivered bool
	}{
		{"one Scanner", []ScanOptions{every}, true},
		{"three Scanners", []ScanOptions{every, every, every}, true},
		{"OnReport", []ScanOptions{{Duplicates: true, OnReport: func(*Report) { called++ }}}, true},
		{"known data", []ScanOptions{{}}, false},
		{"name", filtered(ScanFilter{Name: "kettles"}), false},
		{"signal", filtered(ScanFilter{MinRSSI: -50, Services: []uuid.UUID{uuid.From16(0x180F)}}), false},
		{"service", filtered(ScanFilter{Services: []uuid.UUID{uuid.From16(0x1811)}}), false},
		{"company", filtered(ScanFilter{Manufacturers: []uint16{0x1234}}), false},
		{"address", filtered(ScanFilter{Addrs: []hci.Addr{numbered(3)}}), false},
	} {
		p := newReportPath(c.scans...)
		for range 4 * len(p.packets) { // everything is known
			p.handlePacket(time.Time{}.Add(time.Hour), p.packets[p.n%len(p.packets)])
			p.n++
		}
		for _, s := range p.scanners {
			if s.opts.OnReport == nil {
				drain(s)
			}
		}
		if n := testing.AllocsPerRun(100, func() {
			for range p.packets {
				p.take(t, c.delivered)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want none", c.name, n)
		}
	}
	if called == 0 {
		t.Error("OnReport was not called")
	}
}

// A report keeps its data until the next call of Next, whatever comes meanwhile. A
// Clone keeps it for good.
func TestReportIsValidUntilTheNext(t *testing.T) {
	h := newHarness(t, 1)
	s := h.scanOn(&ScanOptions{Duplicates: true})
	data := func(n byte) []byte { return []byte{2, 1, n, 3, 0xFF, n, n} }
	h.advert(hci.AdvInd, peerA, -50, data(1))
	h.advert(hci.AdvScanRsp, peerA, -50, data(100))
	first := h.next(s)
	clone := first.Clone()
	for n := range byte(20) { // more than the queue holds
		h.advert(hci.AdvInd, peerA, -50, data(n+2))
	}
	if string(first.Data) != string(data(1)) {
		t.Errorf("the report has % X before the next call, want % X", first.Data, data(1))
	}
	for range 8 {
		h.next(s)
	}
	for n := range byte(20) {
		h.advert(hci.AdvInd, peerA, -50, data(n+200))
	}
	if string(clone.Data) != string(data(1)) || clone.Response != nil || clone.Addr != peerA {
		t.Errorf("the clone is %+v", clone)
	}
	r := h.next(s)
	if string(r.Response) != string(data(100)) {
		t.Errorf("scan response % X, want % X", r.Response, data(100))
	}
	if c := r.Clone(); string(append(c.Data, 1)) == string(r.Data) || string(c.Response) != string(data(100)) {
		t.Errorf("appending to the data of a clone changes its response: % X", c.Response)
	}
}

// OnReport gets what the queue would, and nothing after Close.
func TestOnReport(t *testing.T) {
	h := newHarness(t, 1)
	var got []Report
	s := h.scanOn(&ScanOptions{OnReport: func(r *Report) { got = append(got, r.Clone()) }})
	for n := range byte(6) {
		h.advert(hci.AdvInd, peerA, -50, []byte{2, 1, n / 2})
	}
	if len(got) != 3 || got[2].Data[2] != 2 || got[2].Addr != peerA {
		t.Errorf("reports %+v, want three", got)
	}
	h.noReport(s, "with OnReport")
	s.closed.Store(true)
	h.advert(hci.AdvInd, peerA, -50, []byte{2, 1, 9})
	if len(got) != 3 {
		t.Errorf("a report after Close: %+v", got[3:])
	}
}

// The filter of names compares as strings.ToLower would.
func TestNamesInAnyCase(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	letters := []string{"a", "A", "b", "ß", "Ä", "ä", "İ", "K", "\xff", "\xc3", "日"}
	word := func(n int) (s string) {
		for range n {
			s += letters[rnd.IntN(len(letters))]
		}
		return s
	}
	found := 0
	for range 20_000 {
		name, part := word(rnd.IntN(8)), word(rnd.IntN(4))
		want := strings.Contains(strings.ToLower(name), strings.ToLower(part))
		if got := containsFold([]byte(name), part); got != want {
			t.Fatalf("%q in %q: %v, want %v", part, name, got, want)
		}
		if want {
			found++
		}
	}
	if found < 1000 || found > 19_000 {
		t.Errorf("%d of 20000 names match", found)
	}
}
