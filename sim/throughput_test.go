package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// fast is what throughput is measured with.
var fast = hci.ConnParams{IntervalMin: 7500 * time.Microsecond, IntervalMax: 7500 * time.Microsecond, Timeout: 2 * time.Second}

// storm makes a peer that always has frames of n octets waiting.
func storm(a *Air, n int) *RawPeer {
	payload := make([]byte, n)
	more := func(l *RawLink) { l.Send(4, payload) }
	return a.NewRawPeer(&RawPeerConfig{Script: Script{
		Up: func(l *RawLink) {
			for range 8 {
				more(l)
			}
		},
		Sent: more,
	}})
}

// TestThroughput compares what arrives with the table of packets per event:
// 27 or 251 octets, 1M or 2M, plain or encrypted, at 7.5 ms.
func TestThroughput(t *testing.T) {
	for _, test := range []struct {
		phys      hci.PHYs
		octets    int
		encrypted bool
		perEvent  int
	}{
		{hci.PHYs1M, 27, false, 11}, {hci.PHYs1M, 27, true, 10},
		{hci.PHYs1M, 251, false, 3}, {hci.PHYs1M, 251, true, 3},
		{hci.PHYs2M, 27, false, 15}, {hci.PHYs2M, 27, true, 14},
		{hci.PHYs2M, 251, false, 5}, {hci.PHYs2M, 251, true, 5},
	} {
		t.Run(fmt.Sprint(test.phys, " ", test.octets, " ", test.encrypted), func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, a *Air) {
				c := a.NewController(nil)
				h := newHost(t, c).up()
				p := storm(a, test.octets-4)
				p.cfg.Key = func([8]byte, uint16) ([16]byte, bool) { return [16]byte{1}, true }
				p.able.defaultTx, p.able.maxTx = test.octets, test.octets
				o := create(p.Address())
				o.Params = fast
				h.do(o)
				next[*hci.LEEnhancedConnectionComplete](h)
				h.send(hci.LESetDataLength{Handle: 0x40, TXOctets: 251, TXTime: 2120 * time.Microsecond})
				h.send(hci.LESetPHY{Handle: 0x40, TX: test.phys, RX: test.phys})
				if test.encrypted {
					h.send(hci.LEEnableEncryption{Handle: 0x40, Key: [16]byte{1}})
				}
				got := 0
				count := func(until time.Time) {
					for time.Now().Before(until) {
						select {
						case b := <-h.in:
							if b[0] == dataPacket {
								got++
							}
						case <-time.After(time.Until(until)):
						}
					}
				}
				count(time.Now().Add(time.Second)) // procedures settle
				got = 0
				const events = 1000
				count(time.Now().Add(events * 7500 * time.Microsecond))
				if want := events * test.perEvent; got < want-test.perEvent || got > want+test.perEvent {
					t.Errorf("%d packets in %d events, want %d", got, events, want)
				}
			})
		})
	}
}

// TestFairness has eight links storm at one controller's one radio.
func TestFairness(t *testing.T) {
	for _, shift := range []time.Duration{0, 1300 * time.Microsecond} {
		t.Run(shift.String(), func(t *testing.T) {
			bubble(t, &Config{Seed: 3}, func(t *testing.T, a *Air) {
				h := newHost(t, a.NewController(nil)).up()
				h.do(hci.LEWriteSuggestedDefaultDataLength{TXOctets: 251, TXTime: 2120 * time.Microsecond})
				const links = 8
				got := map[hci.Handle]int{}
				total := 0
				handle := func(b []byte) {
					if b[0] == dataPacket {
						got[hci.Handle(b[1])|hci.Handle(b[2]&0xF)<<8]++
						total++
					}
				}
				for range links {
					p := storm(a, 247)
					o := create(p.Address())
					o.Params = fast
					h.send(o)
					for connected := false; !connected; {
						b := h.read()
						handle(b)
						connected = b[0] == eventPacket && b[1] == hci.EvLEMeta && b[3] == hci.EvLEEnhancedConnectionComplete
					}
					time.Sleep(shift)
				}
				clear(got)
				total = 0
				for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
					handle(h.read())
				}
				for k, n := range got {
					if share := float64(n) * links / float64(total); share < 0.9 || share > 1.1 {
						t.Errorf("handle %#x has %.2f of its share: %v", uint16(k), share, got)
					}
				}
				// 1M packets of 251 octets: 2468 µs each, at most 405 a second.
				if len(got) != links || total < 20*405*85/100 {
					t.Errorf("%d packets on %d links in 20 s: %v", total, len(got), got)
				}
			})
		})
	}
}
