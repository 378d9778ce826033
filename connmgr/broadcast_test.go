package connmgr

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

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

// Whoever waits for a slot looks at the dials over its adapters, not at all that wait, and
// only once one of their devices may be away.
func TestListAwayOnAdapters(t *testing.T) { synctest.Test(t, testListAwayOnAdapters) }

func testListAwayOnAdapters(t *testing.T) {
	ps := newPlaces()
	a, b, other := &Adapter{name: "hci0"}, &Adapter{name: "hci1"}, &Adapter{name: "hci2"}
	heard := map[hci.MAC]time.Time{} // when a device was last heard
	var all []*place
	for n := range 3000 {
		p := &place{mac: hci.MAC{byte(n), byte(n >> 8)}, wants: n}
		all = append(all, p)
		ps.byMAC[p.mac] = []*place{p}
		heard[p.mac] = time.Now()
	}
	want := func(looks int, places ...int) {
		t.Helper()
		var got []int
		for _, p := range ps.listAway([]*Adapter{a, b}, func(d target) time.Duration {
			looks--
			return onAirFor - time.Since(heard[d.addr.MAC])
		}) {
			got = append(got, p.wants)
		}
		if slices.Sort(got); !slices.Equal(got, places) || looks != 0 {
			t.Errorf("places %v are away, want %v; %d devices were not looked at", got, places, looks)
		}
	}
	ps.enterDial(all[1], a)
	ps.enterDial(all[2], b)
	ps.enterDial(all[3], other)
	want(2)
	want(0)
	time.Sleep(time.Second)
	heard[all[4].mac] = time.Now()
	ps.enterDial(all[4], b)
	want(2)
	time.Sleep(onAirFor - time.Second - 1)
	want(0)
	heard[all[2].mac] = time.Now()
	time.Sleep(time.Nanosecond)
	want(3, 1)
	want(1, 1)
	ps.leaveDial(all[1], a)
	ps.leaveDial(all[2], a) // it dials over another one
	time.Sleep(time.Second)
	want(2, 4)
	time.Sleep(onAirFor)
	want(2, 2, 4)
}
