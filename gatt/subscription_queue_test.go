package gatt_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/moor-ble/moor/gatt"
)

func TestOverflowDropsTheOldestAndSaysSo(t *testing.T) {
	bubble(testOverflowDropsTheOldestAndSaysSo)(t)
}

func testOverflowDropsTheOldestAndSaysSo(t *testing.T) {
	c, ch := newBattery(t)
	s := subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
	for i := range 100 {
		ch.Receive(fmt.Sprintf("1b 0300 %02x", i))
	}
	wantNext(t, s, "24", 36) // 36 of 100 are lost, 64 are there
	ch.Receive("1b 0300 aa", "1b 0300 ab")
	wantNext(t, s, "26", 1)
	for i := 0x27; i < 100; i++ {
		wantNext(t, s, fmt.Sprintf("%02x", i), 0)
	}
	wantNext(t, s, "aa", 0)
	wantNext(t, s, "ab", 0)
	wantEmpty(t, s)
}

func TestNotifyStorm(t *testing.T) { bubble(testNotifyStorm)(t) }

// Ten thousand notifications that no receiver takes, of known and unknown
// handles.
func testNotifyStorm(t *testing.T) {
	c, ch := newBattery(t)
	s := subscribe(t, ch, char(t, c, 0x2A19), &gatt.SubscribeOptions{Queue: -1}, "12 0400 0100", "13")
	for i := range 10000 {
		ch.Receive(fmt.Sprintf("1b 0300 %04x", i), fmt.Sprintf("1b %04x %04x", i+0x1000, i))
	}
	wantNext(t, s, "270f", 9999)
	wantEmpty(t, s)
}

func TestIndicationsAreNeverDropped(t *testing.T) { bubble(testIndicationsAreNeverDropped)(t) }

func testIndicationsAreNeverDropped(t *testing.T) {
	c, ch := newBattery(t)
	s := subscribe(t, ch, char(t, c, 0x2A1A), &gatt.SubscribeOptions{Queue: 2}, "12 0700 0200", "13")
	quick := subscribe(t, ch, char(t, c, 0x2A1A), nil)
	ch.Receive("1d 0600 01")
	ch.Want("1e")
	ch.Receive("1d 0600 02")
	ch.Want("1e")
	ch.Receive("1d 0600 03")
	ch.WantIdle() // one of the receivers has no room
	wantNext(t, quick, "01", 0)
	ch.WantIdle() // it is the other one
	wantNext(t, s, "01", 0)
	ch.Want("1e")
	ch.WantIdle()
	ch.Receive("1d 0600 04")
	ch.WantIdle()
	wantNext(t, s, "02", 0)
	ch.Want("1e")
	// Close makes room, too.
	ch.Receive("1d 0600 05")
	ch.WantIdle()
	wantNoError(t, script(t, ch, func(context.Context) error { return s.Close() }, "1e", ""))
	for _, want := range []string{"02", "03", "04", "05"} {
		wantNext(t, quick, want, 0)
	}
	wantEmpty(t, quick)
	ch.WantIdle()
}

func TestMixedQueueKeepsIndications(t *testing.T) { bubble(testMixedQueueKeepsIndications)(t) }

func testMixedQueueKeepsIndications(t *testing.T) {
	c, ch := newBattery(t)
	s := subscribe(t, ch, char(t, c, 0x2A1B), &gatt.SubscribeOptions{Queue: 2}, "12 0a00 0100", "13")
	ch.Receive("1b 0900 01", "1d 0900 02", "1b 0900 03", "1b 0900 04", "1b 0900 05")
	ch.Want("1e")
	wantNext(t, s, "02", 1) // 01 was the oldest
	wantNext(t, s, "03", 0)
	ch.Receive("1b 0900 06")
	wantNext(t, s, "06", 2) // 04 and 05 found nothing that could go
	wantEmpty(t, s)
}

func TestIndicationWithoutSubscriberIsConfirmedOnce(t *testing.T) {
	bubble(testIndicationWithoutSubscriberIsConfirmedOnce)(t)
}

func testIndicationWithoutSubscriberIsConfirmedOnce(t *testing.T) {
	_, ch := newBattery(t)
	for _, ind := range []string{"1d 0600 01", "1d 0000", "1d ffff" + octets(20), "1d 06"} {
		ch.Receive(ind)
		ch.Want("1e")
		ch.WantIdle()
	}
}
