package sim

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// transcript runs a busy hour with loss and returns a hash of all that
// happened, and how many entries it had.
func transcript(t *testing.T, seed uint64) (sum uint64, entries int) {
	h := fnv.New64a()
	cfg := &Config{Seed: seed, Path: Path{Loss: 0.3, RSSINoise: 5}, Log: func(e Entry) {
		entries++
		fmt.Fprintf(h, "%d %v %s %s %d %x %v", e.Time.UnixNano(), e.Kind, e.Node, e.Peer, e.Link, e.Packet, e.Status)
	}}
	bubble(t, cfg, func(t *testing.T, a *Air) {
		var hosts []*rawHost
		for range 3 {
			hosts = append(hosts, newHost(t, a.NewController(nil)).up())
		}
		for range 9 {
			storm(a, 50)
		}
		for i, h := range hosts {
			go func() { // a host that connects to all it hears and drops what it has
				h.send(hci.LESetScanEnable{Enable: true})
				for n := 0; ; n++ {
					select {
					case b := <-h.in:
						if b[0] != eventPacket {
							continue
						}
						ev, err := hci.ParseEvent(b[1:])
						if r, ok := ev.(*hci.LEAdvertisingReport); ok && err == nil {
							h.send(create(r.Reports[0].Addr))
						}
						if up, ok := ev.(*hci.LEEnhancedConnectionComplete); ok && n%4 == i {
							h.send(hci.Disconnect{Handle: up.Handle, Reason: hci.StatusRemoteUserTerminated})
						}
					case <-h.quit:
						return
					}
				}
			}()
		}
		time.Sleep(20 * time.Second)
	})
	return h.Sum64(), entries
}

// TestRepeatable has the same seed give the same run, octet by octet.
func TestRepeatable(t *testing.T) {
	sum, n := transcript(t, 1)
	for range 3 {
		if again, m := transcript(t, 1); again != sum || m != n {
			t.Fatalf("second run differs: %d entries, then %d", n, m)
		}
	}
	if other, _ := transcript(t, 2); other == sum {
		t.Error("another seed gave the same run")
	}
	if n < 10000 {
		t.Errorf("only %d entries", n)
	}
}

// TestLossKeepsOrder sends data both ways over a bad path, all of which has to
// arrive once and in order.
func TestLossKeepsOrder(t *testing.T) {
	bubble(t, &Config{Seed: 5, Path: Path{Loss: 0.3}}, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		p := a.NewRawPeer(nil)
		o := create(p.Address())
		o.Params = hci.ConnParams{IntervalMin: 7500 * time.Microsecond, IntervalMax: 7500 * time.Microsecond, Timeout: 10 * time.Second}
		h.do(o)
		ev := h.connected()
		l, err := p.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		const frames = 500
		go func() {
			for i := range frames {
				l.Send(4, []byte{byte(i), byte(i >> 8)})
			}
		}()
		received := make(chan struct{})
		go func() {
			defer close(received)
			for i := range frames {
				wantFrame(t, l, 5, byte(i), byte(i>>8))
			}
		}()
		sent, credits, got := 0, 8, 0
		for got < frames || sent < frames {
			for ; credits > 0 && sent < frames; credits, sent = credits-1, sent+1 {
				h.data(ev.Handle, true, frame(5, byte(sent), byte(sent>>8)))
			}
			b := h.read()
			if b[0] == dataPacket {
				if want := frame(4, byte(got), byte(got>>8)); !bytes.Equal(b[5:], want) {
					t.Fatalf("got % x, want % x", b[5:], want)
				}
				got++
				continue
			}
			ev, err := hci.ParseEvent(b[1:])
			if done, ok := ev.(*hci.NumberOfCompletedPackets); ok {
				credits += int(done.Counts[0].Count)
			} else {
				t.Fatalf("%s, %v", describe(ev), err)
			}
		}
		<-received
	})
}

// TestLossEndsLink checks that a path with much loss ends an idle link as
// often as chance says.
func TestLossEndsLink(t *testing.T) {
	ended := 0
	const runs = 50
	for seed := range uint64(runs) {
		bubble(t, &Config{Seed: seed}, func(t *testing.T, a *Air) {
			c := a.NewController(nil)
			h := newHost(t, c).up()
			p := a.NewRawPeer(nil)
			o := create(p.Address())
			o.Params = hci.ConnParams{IntervalMin: 100 * time.Millisecond, IntervalMax: 100 * time.Millisecond, Timeout: time.Second}
			h.do(o)
			h.connected()
			time.Sleep(time.Second)
			a.SetPathOneWay(p, c, Path{Loss: 0.6})
			select {
			case <-h.in:
				ended++
			case <-time.After(30 * time.Second):
			}
		})
	}
	// Ten events in a row fail with 0.6^10 = 0.6 %, in one of some 300 starts a
	// chance of 1-(1-0.006*0.4)^300 = 51 %.
	if ended < 15 || ended > 40 {
		t.Errorf("%d of %d links ended, want about half", ended, runs)
	}
}
