package gatt_test

import (
	"context"
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt"
)

func TestProveSubscriptions(t *testing.T) { bubble(testProveSubscriptions)(t) }

// One read asks for each configuration. What the peer has not any more ends, for all users;
// Service Changed is enabled again. What it has costs no more than the read.
func testProveSubscriptions(t *testing.T) {
	c, ch := newBattery(t)
	wantNoError(t, script(t, ch, c.ProveSubscriptions)) // there are none
	wantNoError(t, script(t, ch, c.EnableServiceChanged, "12 1000 0200", "13"))
	chr := char(t, c, 0x2A19)
	s := subscribe(t, ch, chr, nil, "12 0400 0100", "13")
	other := subscribe(t, ch, chr, nil)
	wantNoError(t, script(t, ch, c.ProveSubscriptions, "0a 0400", "0b 0100", "0a 1000", "0b 0200"))
	wantNoError(t, s.Err())
	for _, test := range []struct{ name, answer string }{
		{"forgotten", "0b 0000"},
		{"not to be read", "01 0a 0400 02"},
		{"of another length", "0b 01"},
	} {
		t.Log(test.name)
		ch.Receive("1b 0300 07")
		wantNoError(t, script(t, ch, c.ProveSubscriptions, "0a 0400", test.answer, "0a 1000", "0b 0000", "12 1000 0200", "13"))
		for _, sub := range []*gatt.Subscription{s, other} {
			wantNext(t, sub, "07", 0) // it had arrived
			_, err := sub.Next(t.Context())
			wantIs(t, err, gatt.ErrForgotten)
			wantIs(t, sub.Err(), gatt.ErrForgotten)
			wantNoError(t, sub.Close()) // nothing to tell the peer
		}
		ch.WantIdle()
		wantNoError(t, chr.Check())
		s = subscribe(t, ch, chr, nil, "12 0400 0100", "13")
		other = subscribe(t, ch, chr, nil)
	}
	// A change ends them first, and its reason is another.
	ch.Receive("1d 0f00 0100 ffff")
	ch.Want("1e")
	wantNoError(t, script(t, ch, c.ProveSubscriptions))
	wantIs(t, s.Err(), gatt.ErrStale)
}

func TestRestoreServiceChanged(t *testing.T) { bubble(testRestoreServiceChanged)(t) }

// The result tells whether the peer has kept the configuration since the change.
func testRestoreServiceChanged(t *testing.T) {
	c, ch := newBattery(t)
	for _, test := range []struct {
		steps []string
		kept  bool
	}{
		{[]string{"12 1000 0200", "13"}, false},
		{nil, true},
	} {
		out := make(chan bool, 1)
		wantNoError(t, script(t, ch, func(ctx context.Context) error {
			kept, err := c.RestoreServiceChanged(ctx)
			out <- kept
			return err
		}, test.steps...))
		if kept := <-out; kept != test.kept {
			t.Errorf("kept %v after %q", kept, test.steps)
		}
	}
	for _, test := range []struct {
		steps []string
		kept  bool
	}{
		{[]string{"0a 1000", "0b 0200"}, true},
		{[]string{"0a 1000", "0b 0000", "12 1000 0200", "13"}, false},
	} {
		ch.Receive("1d 0f00 0100 ffff")
		ch.Want("1e")
		c.SetProfile(battery())
		out := make(chan bool, 1)
		wantNoError(t, script(t, ch, func(ctx context.Context) error {
			kept, err := c.RestoreServiceChanged(ctx)
			out <- kept
			return err
		}, test.steps...))
		if kept := <-out; kept != test.kept {
			t.Errorf("kept %v after %q", kept, test.steps)
		}
	}
}

func TestServiceChangedAfterQuiet(t *testing.T) { bubble(testServiceChangedAfterQuiet)(t) }

// The last of many changes is returned after a second of quiet, however long the pause has
// grown. If further changes follow that, the next quiet is twice as long.
func testServiceChangedAfterQuiet(t *testing.T) {
	c, ch := newBattery(t)
	told := make(chan time.Time, 100)
	go func() {
		for {
			if _, err := c.ServiceChanged(t.Context()); err != nil {
				return
			}
			told <- time.Now()
		}
	}()
	change := func() {
		ch.Receive("1d 0f00 0100 0300")
		ch.Want("1e")
	}
	for range 400 { // 40 s: the pause is 32 s from the 31st on
		change()
		time.Sleep(100 * time.Millisecond)
	}
	n := 0
	for ; len(told) > 0; n++ {
		<-told
	}
	if n != 7 {
		t.Errorf("told %d times in 40 s of changes, want 7", n)
	}
	for _, quiet := range []time.Duration{900 * time.Millisecond, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		began := time.Now()
		if took := (<-told).Sub(began); took != quiet {
			t.Errorf("told after %v, want %v", took, quiet)
		}
		change()
	}
}
