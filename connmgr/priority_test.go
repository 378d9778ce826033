package connmgr_test

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
)

// full is a lab with one slot and the devices 0 to 2.
func full(t *testing.T) *lab {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	for n := range 3 {
		l.device(n)
	}
	time.Sleep(second)
	return l
}

// urgent is for calls that may end links of lower priority.
func urgent(priority int, timeout time.Duration) *connmgr.Options {
	return &connmgr.Options{Priority: priority, Evict: true, Timeout: timeout}
}

// wantEvicted checks whether a call for device 2 ends the link of a Client.
func (l *lab) wantEvicted(why string, c *connmgr.Client, o *connmgr.Options, want bool) {
	l.t.Helper()
	other, err := l.m.Establish(l.t.Context(), address(2).String(), o)
	if evicted := c.Err() != nil; evicted != want || (err == nil) != want {
		l.t.Errorf("%s: the link ended: %v, want %v; the other call: %v", why, c.Err(), want, err)
	}
	if err == nil {
		other.Close()
	}
}

// A link has the highest priority of its Clients: that of one which joins it counts for as
// long as that one stays.
func TestSharedLinkHasTheHighestPriority(t *testing.T) { inBubble(t, testSharedPriority) }

func testSharedPriority(t *testing.T) {
	l := full(t)
	low := l.establish(1, nil)
	high := l.establish(1, &connmgr.Options{Priority: 10})
	time.Sleep(second)
	l.wantEvicted("shared by priority 10", high, urgent(5, 30*second), false)
	l.wantEvicted("shared by priority 10", high, urgent(10, 30*second), false)
	high.Close()
	l.wantEvicted("left by priority 10", low, urgent(5, 30*second), true)

	low = l.establish(1, nil)
	high = l.establish(1, &connmgr.Options{Priority: 10})
	l.wantEvicted("shared by priority 10", low, urgent(11, 30*second), true)
	if high.Err() == nil {
		t.Error("the Clients have two links")
	}
	l.wantNoSlots()
}

// The right to end links, and the priority, that a caller lends to another one for the same
// device end with its call.
func TestInheritedRightsEnd(t *testing.T) { inBubble(t, testInheritedRightsEnd) }

func testInheritedRightsEnd(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	l.device(0)
	time.Sleep(second)
	holder := l.establish(0, &connmgr.Options{Priority: 5})
	low := l.begin(1, nil) // the device is away, so that nobody evicts for it yet
	time.Sleep(second)
	if _, err := l.m.Establish(t.Context(), address(1).String(), urgent(10, second)); err == nil {
		t.Fatal("connected to an absent device")
	}
	time.Sleep(10 * second)
	l.device(1)
	time.AfterFunc(15*second, func() {
		if err := holder.Err(); err != nil {
			t.Errorf("the link of priority 5 was ended for a call of priority 0: %v", err)
		}
		holder.Close()
	})
	c, took := low()
	wantAbout(t, "the slot of the link", took, 27*second)
	c.Close()
}

// A caller that has given up leaves its device the place of the callers that remain.
func TestInheritedPriorityEnds(t *testing.T) { inBubble(t, testInheritedPriorityEnds) }

func testInheritedPriorityEnds(t *testing.T) {
	l := full(t)
	holder := l.establish(0, &connmgr.Options{Priority: 20})
	low := l.begin(1, nil)
	time.Sleep(second)
	if _, err := l.m.Establish(t.Context(), address(1).String(), urgent(10, second)); err == nil {
		t.Fatal("connected without a slot")
	}
	mid := l.begin(2, &connmgr.Options{Priority: 5})
	time.Sleep(second)
	holder.Close()
	c, took := mid()
	wantAbout(t, "priority 5", took, second)
	time.AfterFunc(second, func() { c.Close() })
	c, took = low()
	wantAbout(t, "priority 0", took, 4*second)

	// The link that a dial makes for two callers has the priority of the one that is left.
	l.wantEvicted("its other caller has given up", c, urgent(1, 30*second), true)
	l.wantNoSlots()
}

// The link that was dialed for two callers has the priority of the higher one, once that
// shares it and until it leaves.
func TestLinkOfTwoCallers(t *testing.T) { inBubble(t, testLinkOfTwoCallers) }

func testLinkOfTwoCallers(t *testing.T) {
	l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
	l.device(2)
	low, high := l.begin(1, nil), l.begin(1, &connmgr.Options{Priority: 10})
	time.Sleep(second)
	l.device(1)
	c, _ := low()
	h, _ := high()
	c.Close()
	l.wantEvicted("used by priority 10", h, urgent(5, 5*second), false)
	h.Close()
	l.wantNoSlots()

	low, high = l.begin(1, nil), l.begin(1, &connmgr.Options{Priority: 10})
	c, _ = low()
	h, _ = high()
	h.Close()
	l.wantEvicted("left by priority 10", c, urgent(5, 5*second), true)
	l.wantNoSlots()
}
