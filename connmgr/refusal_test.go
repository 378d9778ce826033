package connmgr_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/slots"
)

// One passing refusal of the controller costs each dial that it ended a quarter of a
// second. It teaches no limit, least of all below the one that is configured.
func TestPassingRefusal(t *testing.T) { inBubble(t, testPassingRefusal) }

func testPassingRefusal(t *testing.T) {
	for _, status := range []hci.Status{0x07, 0x09, 0x0D} {
		for _, refuse := range []bool{true, false} { // by the command's status, or by the event
			for _, limit := range []int{0, 5} {
				cfg, want := connmgr.Config{}, slots.Unknown
				if limit > 0 {
					cfg.Slots, want = map[string]int{"hci0": limit}, slots.Count(limit)
				}
				l := newLab(t, cfg)
				for n := range 5 {
					l.device(n)
				}
				time.Sleep(second)
				l.adapters[0].Fault(sim.ConnectFault{Status: status, Refuse: refuse, MinLinks: 1})
				var waits []func() (*connmgr.Client, time.Duration)
				for n := range 5 {
					waits = append(waits, l.begin(n, nil))
				}
				var times []time.Duration
				for _, wait := range waits {
					c, took := wait()
					defer c.Close()
					times = append(times, took)
				}
				slices.Sort(times)
				if times[0] > second/2 || times[1] < second/4 || times[4] > 3*second/4 {
					t.Errorf("0x%02x, command status %v, %d slots: connected after %v, want one at once and four within 0.25 to 0.75 s", uint8(status), refuse, limit, times)
				}
				if u := l.m.Slots().Usage("hci0"); u.Used != 5 || u.Slots != want {
					t.Errorf("0x%02x, command status %v: %+v, want 5 of %v slots", uint8(status), refuse, u, want)
				}
				l.m.Close()
			}
		}
	}
}

// A controller that refuses for 35 s beside one link costs no caller its connection: the
// limit that it teaches is probed soon enough, whether one or several wait.
func TestLongPassingRefusal(t *testing.T) { inBubble(t, testLongPassingRefusal) }

func testLongPassingRefusal(t *testing.T) {
	for _, callers := range []int{1, 3} {
		l := newLab(t, connmgr.Config{})
		for n := range callers + 1 {
			l.device(n)
		}
		time.Sleep(2 * second)
		l.establish(0, nil)
		l.adapters[0].Fault(sim.ConnectFault{Status: hci.StatusRejectedResources, MinLinks: 1, Times: sim.Always})
		time.AfterFunc(35*second, l.adapters[0].ClearFaults)
		var all sync.WaitGroup
		for n := range callers {
			all.Go(func() {
				begin := time.Now()
				c, err := l.m.Establish(t.Context(), address(n+1).String(), nil)
				if took := time.Since(begin); err != nil || took > 45*second {
					t.Errorf("device %d of %d: %v after %v", n+1, callers, err, took)
				}
				if err == nil {
					time.Sleep(time.Minute)
					c.Close()
				}
			})
		}
		all.Wait()
		l.m.Close()
	}
}

// A dial that a full controller has refused follows the end of a link at once, although the
// subscriptions to the slots do not keep up: that end is one among thousands of changes.
func TestRefusedDialFollowsTheEndOfALink(t *testing.T) { inBubble(t, testRefusedDialFollows) }

func testRefusedDialFollows(t *testing.T) {
	l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{MaxLinks: 1})
	blocked, lost := make(chan struct{}), make(chan uint64, 1)
	l.m.Slots().Subscribe(func(ev slots.Event) {
		<-blocked
		if ev.Dropped > 0 {
			select {
			case lost <- ev.Dropped:
			default:
			}
		}
	})
	flood := func() {
		for range 4000 {
			l.m.Slots().TryAllocate("none of the manager's", address(9).MAC.String())
			l.m.Slots().Release("none of the manager's", address(9).MAC.String())
		}
	}
	l.m.Slots().Register("none of the manager's", 1)
	l.device(1)
	l.device(2)
	time.Sleep(second)
	c := l.establish(1, nil)
	time.AfterFunc(second, func() {
		flood()
		c.Close()
		flood()
	})
	r := l.record()
	c, took := l.begin(2, nil)()
	wantAbout(t, "a slot after 1 s", took, second)
	if n := r.count(isFailure); n != 1 {
		t.Errorf("%d failed attempts, want the one that was refused", n)
	}
	c.Close()
	close(blocked)
	if n := <-lost; n < 8000 {
		t.Errorf("the slow subscription has lost %d changes, want most of 16000", n)
	}
}

// Devices whose dials a full controller has refused keep their places before those that
// came later, also where its number of links is not known.
func TestRefusedDialsKeepTheirPlaces(t *testing.T) { inBubble(t, testRefusedDialsKeepTheirPlaces) }

func testRefusedDialsKeepTheirPlaces(t *testing.T) {
	l := newLab(t, connmgr.Config{}, &sim.ControllerConfig{MaxLinks: 1})
	for n := range 5 {
		l.device(n)
	}
	time.Sleep(2 * second)
	holder := l.establish(0, nil)
	var all sync.WaitGroup
	order := make(chan int, 4)
	begin := time.Now()
	time.AfterFunc(2500*time.Millisecond, func() { holder.Close() })
	for n := 1; n < 5; n++ {
		all.Go(func() {
			c, took := l.begin(n, nil)()
			order <- n
			if n == 1 {
				wantAbout(t, "the first one", took, 2500*time.Millisecond)
			}
			time.Sleep(2 * second)
			c.Close()
		})
		time.Sleep(second / 2)
	}
	all.Wait()
	for want := 1; want < 5; want++ {
		if n := <-order; n != want {
			t.Errorf("device %d was connected in place of %d", n, want)
		}
	}
	if took := time.Since(begin); took > 12*second {
		t.Errorf("took %v, want 2.5 s and four times 2 s", took)
	}
}

// Fifty devices over nine slots, each held for ten seconds, get them in their order.
func TestSlotsAreGivenInOrder(t *testing.T) { inBubble(t, testSlotsAreGivenInOrder) }

func testSlotsAreGivenInOrder(t *testing.T) {
	const devices, each = 50, 3
	cc := &sim.ControllerConfig{MaxLinks: each}
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": each, "hci1": each, "hci2": each}}, cc, cc, cc)
	for n := range devices {
		l.device(n)
	}
	time.Sleep(2 * second)
	r := l.record()
	begin := time.Now()
	var wg sync.WaitGroup
	for n := range devices {
		wg.Go(func() {
			c, err := l.m.Establish(t.Context(), address(n).String(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(10 * second)
			c.Close()
		})
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	var given []byte
	r.count(func(ev connmgr.Event) bool {
		if s, ok := ev.(connmgr.SlotsChanged); ok && s.Allocated {
			given = append(given, s.Address.MAC[0])
		}
		return false
	})
	if len(given) != devices || !slices.IsSorted(given) {
		t.Errorf("slots given to the devices %v, want their order", given)
	}
	if took := time.Since(begin); took > 62*second { // six rounds of ten seconds, and the connects
		t.Errorf("took %v", took)
	}
}
