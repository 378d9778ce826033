package sim

import (
	"context"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestIdleLinksCostNothing has a thousand links and nobody who listens.
func TestIdleLinksCostNothing(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		const links = 1000
		h := newHost(t, a.NewController(&ControllerConfig{MaxLinks: links})).up()
		for range links {
			h.connect(a.NewRawPeer(&RawPeerConfig{Interval: 20 * time.Millisecond, Type: hci.AdvInd}))
		}
		time.Sleep(time.Minute) // what belongs to connecting is over
		if !a.runAndWait(func() {
			if n := len(a.heap); n != 0 {
				t.Errorf("%d timers with %d idle links, want none", n, links)
			}
		}) {
			t.Fatal("air is closed")
		}
		h.idle(10 * time.Hour)
		h.data(only+links-1, true, frame(4, 1))
		next[*hci.NumberOfCompletedPackets](h)
	})
}

// TestAdvertisersWithoutListeners sleep, and keep their time.
func TestAdvertisersWithoutListeners(t *testing.T) {
	bubble(t, &Config{ExactAdvertising: true}, func(t *testing.T, a *Air) {
		p := a.NewRawPeer(&RawPeerConfig{Interval: time.Second, AdvData: []byte{1, 0}})
		h := newHost(t, a.NewController(nil)).up()
		time.Sleep(10*time.Hour + 500*time.Millisecond - time.Since(a.start))
		h.scan(hci.LESetScanParameters{}, true)
		h.want(report(hci.AdvInd, p, 1, 0))
		// After half a second of 60 ms intervals the scanner is on the third channel.
		// Packets of 18 octets take 144 µs, and there are 400 µs between them.
		if at := time.Since(a.start); at != 10*time.Hour+time.Second+(144+400+144+400+144)*time.Microsecond {
			t.Errorf("heard at %v, want at its second", at)
		}
	})
}

// BenchmarkData is the cost of one packet of 247 octets from a peer to a host
// that reads it. Time does not pass: the clock jumps from timer to timer.
func BenchmarkData(b *testing.B) {
	b.ReportAllocs()
	packets := 0
	a := New(nil)
	defer func() { _ = a.Close() }()
	c := a.NewController(nil)
	p := storm(a, 247)
	var spare []call
	a.runAndWait(func() {
		l := a.newLink(a.now, newLinkParams(fast))
		k := &conn{endpoint: l.attach(central, c.node, c, c.Address(), p.Address()), peer: p.Address()}
		k.endpoint.aux = k
		p.acceptLink(p.adv, l, c.Address())
		l.schedule()
		l.c.phy, l.p.phy = hci.PHY2M, hci.PHY2M
		l.c.startProcedure(procedure{kind: procLength, quiet: true})
	})
	if _, err := p.Accept(context.Background()); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, hci.MaxPacketLen)
	read := func() {
		for c.port.hasRoom(false) {
			c.port.mu.Lock()
			n := c.port.out.Len()
			c.port.mu.Unlock()
			if n == 0 {
				return
			}
			if _, err := c.ReadPacket(buf); err != nil {
				b.Error(err)
				return
			}
			if buf[0] == dataPacket {
				packets++
			}
		}
	}
	b.ResetTimer()
	a.runAndWait(func() {
		for packets < b.N {
			a.fireNext(never - 1)
			read()
			a.mu.Lock() // what scripts have posted
			calls := a.calls
			a.calls, spare = spare[:0], calls
			a.free = append(a.free, a.used...)
			a.used = a.used[:0]
			a.mu.Unlock()
			for i := range calls {
				calls[i].runCall()
			}
		}
	})
}
