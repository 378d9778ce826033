package sim

import (
	"bytes"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

func (h *rawHost) scan(p hci.LESetScanParameters, duplicates bool) {
	h.t.Helper()
	if p.Interval == 0 {
		p.Interval, p.Window = 60*time.Millisecond, 60*time.Millisecond
	}
	h.do(p)
	h.do(hci.LESetScanEnable{Enable: true, FilterDuplicates: !duplicates})
}

func report(typ hci.AdvType, p *RawPeer, data ...byte) *hci.LEAdvertisingReport {
	return &hci.LEAdvertisingReport{Reports: []hci.AdvReport{{Type: typ, Addr: p.Address(), Data: data, RSSI: -50}}}
}

func TestScanning(t *testing.T) {
	bubble(t, &Config{ExactAdvertising: true}, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		p := a.NewRawPeer(&RawPeerConfig{Interval: time.Second, AdvData: []byte{2, 1, 6}, ScanResponse: []byte{2, 10, 0}})

		h.scan(hci.LESetScanParameters{}, true) // passive
		h.want(report(hci.AdvInd, p, 2, 1, 6))
		first := time.Now()
		h.want(report(hci.AdvInd, p, 2, 1, 6))
		if d := time.Since(first); d < 999*time.Millisecond || d > 1001*time.Millisecond {
			t.Errorf("next report after %v, want a second", d)
		}
		h.doStatus(hci.LESetScanParameters{Interval: 10 * time.Millisecond, Window: 10 * time.Millisecond}, hci.StatusCommandDisallowed)
		h.do(hci.LESetScanEnable{})
		h.idle(time.Minute)

		h.scan(hci.LESetScanParameters{Active: true}, false)
		h.want(report(hci.AdvInd, p, 2, 1, 6))
		h.want(report(hci.AdvScanRsp, p, 2, 10, 0))
		h.idle(time.Minute) // duplicates are filtered
		h.do(hci.LESetScanEnable{Enable: true, FilterDuplicates: true})
		h.want(report(hci.AdvInd, p, 2, 1, 6)) // forgotten by enabling again
		h.want(report(hci.AdvScanRsp, p, 2, 10, 0))
		h.do(hci.LESetScanEnable{})

		h.do(hci.LEAddDeviceToFilterAcceptList{Addr: hci.Addr{MAC: hci.MAC{1}}})
		h.scan(hci.LESetScanParameters{FilterPolicy: 1}, true)
		h.doStatus(hci.LEClearFilterAcceptList{}, hci.StatusCommandDisallowed) // in use
		h.idle(time.Minute)
	})
}

// TestScanWindow checks that a tenth of the time hears a tenth of what there
// is to hear, and that it counts as listening.
func TestScanWindow(t *testing.T) {
	bubble(t, &Config{Seed: 7}, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		a.NewRawPeer(&RawPeerConfig{Interval: 20 * time.Millisecond})
		h.scan(hci.LESetScanParameters{Interval: 100 * time.Millisecond, Window: 10 * time.Millisecond}, true)
		n := 0
		for end := time.Now().Add(100 * time.Second); time.Now().Before(end); n++ {
			h.read()
		}
		// 100 s bring 4000 events of 25 ms; a window misses the packets on its edges.
		if n < 350 || n > 450 {
			t.Errorf("%d reports, want about 400", n)
		}
		if d := c.Stats().Radio.Listening; d < 9900*time.Millisecond || d > 10100*time.Millisecond {
			t.Errorf("listened for %v, want 10 s", d)
		}
	})
}

// TestListeningIsOfOneReceiver checks that a radio that scans and initiates at once
// listens once: as much as the one of the two that listens more.
func TestListeningIsOfOneReceiver(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		listened := func(during time.Duration) time.Duration {
			before := c.Stats().Radio.Listening
			time.Sleep(during)
			return c.Stats().Radio.Listening - before
		}
		h.scan(hci.LESetScanParameters{Interval: 100 * time.Millisecond, Window: 50 * time.Millisecond}, true)
		if d := listened(10 * time.Second); d != 5*time.Second {
			t.Errorf("a scan with half of the time listened for %v of 10 s", d)
		}
		h.send(create(hci.Addr{MAC: hci.MAC{1}})) // listens all the time
		time.Sleep(time.Second)
		if d := listened(10 * time.Second); d != 10*time.Second {
			t.Errorf("the scan and the initiator listened for %v of 10 s", d)
		}
		h.send(hci.LECreateConnectionCancel{})
		time.Sleep(time.Second)
		if d := listened(10 * time.Second); d != 5*time.Second {
			t.Errorf("the scan alone listened for %v of 10 s", d)
		}
	})
}

func TestStrengthAndLoss(t *testing.T) {
	bubble(t, &Config{Seed: 1}, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		p := a.NewRawPeer(nil)
		a.SetPath(c, p, Path{Loss: 0.5, RSSI: -80, RSSINoise: 3})
		h.scan(hci.LESetScanParameters{}, true)
		n, low, high := 0, int8(127), int8(-127)
		for end := time.Now().Add(105 * time.Second); time.Now().Before(end); n++ {
			r := next[*hci.LEAdvertisingReport](h).Reports[0]
			low, high = min(low, r.RSSI), max(high, r.RSSI)
		}
		if n < 420 || n > 580 {
			t.Errorf("%d of 1000 reports came through, want about half", n)
		}
		if low != -83 || high != -77 {
			t.Errorf("RSSI from %d to %d, want -83 to -77", low, high)
		}
		a.SetPath(c, p, Path{Loss: 1})
		h.idle(time.Minute)
	})
}

func TestExtendedScanning(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		long := bytes.Repeat([]byte{4, 0xFF, 1, 2, 3}, 100) // 500 octets
		ext := a.NewRawPeer(&RawPeerConfig{Extended: true, SID: 5, AdvData: long, Interval: 300 * time.Millisecond})
		old := a.NewRawPeer(&RawPeerConfig{AdvData: []byte{2, 1, 6}, Type: hci.AdvNonconnInd, Interval: 300 * time.Millisecond})
		h.do(hci.LESetExtendedScanParameters{PHYs: hci.PHYs1M, Scanning: []hci.ScanningPHY{{Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}}})
		h.do(hci.LESetExtendedScanEnable{Enable: true, FilterDuplicates: true, Duration: time.Second})
		began := time.Now()
		var data []byte
		sawOld := false
		for {
			ev := h.event()
			if _, over := ev.(*hci.LEScanTimeout); over {
				break
			}
			r := ev.(*hci.LEExtendedAdvertisingReport).Reports[0]
			switch r.Addr {
			case ext.Address():
				data = append(data, r.Data...)
				if !r.Connectable() || r.Legacy() || r.SID != 5 || r.Incomplete() != (len(data) < len(long)) {
					t.Errorf("report %+v after %d octets", r, len(data))
				}
			case old.Address():
				sawOld = true
				if !r.Legacy() || r.Connectable() || r.Scannable() {
					t.Errorf("report %+v of a legacy advertiser", r)
				}
			}
		}
		if !bytes.Equal(data, long) || !sawOld {
			t.Errorf("%d octets of 500 in extended reports; legacy one seen: %v", len(data), sawOld)
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("scan ended after %v, want its duration of 1 s", d)
		}
		h.idle(time.Minute)
	})
}

// TestScanPeriods scans one second of every 1.28, and forgets duplicates
// between.
func TestScanPeriods(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		a.NewRawPeer(nil)
		h.do(hci.LESetExtendedScanParameters{PHYs: hci.PHYs1M, Scanning: []hci.ScanningPHY{{Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}}})
		h.do(hci.LESetExtendedScanEnable{Enable: true, FilterDuplicates: true, ResetEachPeriod: true, Duration: time.Second, Period: 1280 * time.Millisecond})
		began := time.Now()
		for range 5 {
			next[*hci.LEExtendedAdvertisingReport](h)
		}
		if d := time.Since(began); d < 4*1280*time.Millisecond || d > 4*1280*time.Millisecond+200*time.Millisecond {
			t.Errorf("five periods took %v", d)
		}
	})
}

// TestSlowHost drops reports to a host that does not read, and says so.
func TestSlowHost(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		for _, p := range []hci.Params{
			hci.SetEventMask{Mask: ^uint64(0)},
			hci.LESetScanParameters{Interval: 10 * time.Millisecond, Window: 10 * time.Millisecond},
			hci.LESetScanEnable{Enable: true},
		} {
			b, err := hci.AppendCommand(nil, p)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.WritePacket(b); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			a.NewRawPeer(nil)
		}
		time.Sleep(time.Minute)
		s := c.Stats()
		if s.Reports != reportRoom-3 || s.DroppedReports < 40000 {
			t.Errorf("%d reports kept, %d dropped; want %d and the rest of some 57,000", s.Reports, s.DroppedReports, reportRoom-3)
		}
	})
}
