package connmgr

import (
	"testing"

	"github.com/moor-ble/moor/hci"
)

// A signal closes the channels of its adapter and of any, however many wait, and no others.
func TestSignalClosesOneChannelForAll(t *testing.T) {
	a, other := &Adapter{name: "hci0"}, &Adapter{name: "hci1"}
	for _, n := range []int{50, 3000} {
		b := newBroadcast()
		var woken, asleep []<-chan struct{}
		for range n {
			woken = append(woken, b.await(news{linkEnded, a}), b.await(news{change: linkEnded}))
			asleep = append(asleep, b.await(news{linkEnded, other}), b.await(news{adapterUp, a}), b.await(news{change: adapterChanged}))
		}
		if len(b.waits) != 5 {
			t.Errorf("%d channels for %d waiters for 5 kinds of news", len(b.waits), 5*n)
		}
		b.signal(news{linkEnded, a})
		for _, ch := range woken {
			select {
			case <-ch:
			default:
				t.Fatal("a waiter was not told of its news")
			}
		}
		for _, ch := range asleep {
			select {
			case <-ch:
				t.Fatal("a waiter was told of other news")
			default:
			}
		}
		if len(b.waits) != 3 {
			t.Errorf("%d channels are left, want 3", len(b.waits))
		}
		select {
		case <-b.await(news{linkEnded, a}):
			t.Error("old news")
		default:
		}
	}
}

// Whoever waits for a slot looks at the dials over its adapters, not at all that wait.
func TestListDialsOfAdapters(t *testing.T) {
	ps := newPlaces()
	a, b, other := &Adapter{name: "hci0"}, &Adapter{name: "hci1"}, &Adapter{name: "hci2"}
	var all []*place
	for n := range 3000 {
		p := &place{mac: hci.MAC{byte(n), byte(n >> 8)}, wants: n}
		all = append(all, p)
		ps.byMAC[p.mac] = []*place{p}
	}
	ps.enterDial(all[1], a)
	ps.enterDial(all[2], b)
	ps.enterDial(all[3], other)
	sum := 0
	dials := ps.listDials([]*Adapter{a, b})
	for _, p := range dials {
		sum += p.wants
	}
	if len(dials) != 2 || sum != 3 {
		t.Errorf("dials %+v, want those of places 1 and 2", dials)
	}
	ps.leaveDial(all[1], a)
	ps.leaveDial(all[2], a) // it dials over another one
	if dials = ps.listDials([]*Adapter{a, b}); len(dials) != 1 || dials[0].wants != 2 {
		t.Errorf("dials %+v, want that of place 2", dials)
	}
}
