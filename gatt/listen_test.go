package gatt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/moor-ble/moor/gatt/att"
)

func TestListenAll(t *testing.T) { bubble(testListenAll)(t) }

// A listener gets each value beside the subscriptions, until it stops; another one goes on.
func testListenAll(t *testing.T) {
	c, ch := newBattery(t)
	s := subscribe(t, ch, char(t, c, 0x2A19), nil, "12 0400 0100", "13")
	var heard [2][]string // by the loop, which ch.Want and ch.WantIdle wait for
	listen := func(i int) func() {
		return c.Listen(func(h att.Handle, value []byte, indication bool) {
			heard[i] = append(heard[i], fmt.Sprintf("%04x %x %v", uint16(h), value, indication))
		})
	}
	stop := listen(0)
	listen(1)
	ch.Receive("1b 0300 01", "1d 0600 02")
	ch.Want("1e")
	stop()
	stop()
	ch.Receive("1b 0900 0304")
	ch.WantIdle()
	wantNext(t, s, "01", 0)
	wantEmpty(t, s)
	for i, want := range [][]string{
		{"0003 01 false", "0006 02 true"},
		{"0003 01 false", "0006 02 true", "0009 0304 false"},
	} {
		if !slices.Equal(heard[i], want) {
			t.Errorf("listener %d heard %v, want %v", i, heard[i], want)
		}
	}
}
