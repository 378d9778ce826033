package controller_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
)

// TestDeadControllerIsNoticed has a controller die while it scans and nothing is on
// air.
func TestDeadControllerIsNoticed(t *testing.T) { synctest.Test(t, testDeadControllerIsNoticed) }

func testDeadControllerIsNoticed(t *testing.T) {
	host, ctl := hcitest.Pipe()
	s := newScript(ctl)
	d := open(t, s, host, nil)
	sc, err := d.Scan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	synctest.Wait()
	s.answer(func(hci.Params) bool { return true })
	begin := time.Now()
	<-d.Done()
	if took := time.Since(begin); took != time.Minute+2*time.Second || !errors.Is(d.Err(), controller.ErrNoAnswer) {
		t.Errorf("ended after %v with %v, want no answer after a minute and 2s", took, d.Err())
	}
}

// TestSilentControllerIsAsked counts the questions in an hour: one a minute while the
// controller scans in silence, none while it reports, does nothing, or is not to be
// asked.
func TestSilentControllerIsAsked(t *testing.T) { synctest.Test(t, testSilentControllerIsAsked) }

func testSilentControllerIsAsked(t *testing.T) {
	for _, c := range []struct {
		name          string
		scan, reports bool
		every         time.Duration
		want          int
	}{
		{"silent scan", true, false, 0, 60},
		{"scan with reports", true, true, 0, 0},
		{"nothing to watch", false, false, 0, 0},
		{"disabled", true, false, -1, 0},
		{"every ten minutes", true, false, 10 * time.Minute, 6},
	} {
		host, ctl := hcitest.Pipe()
		s := newScript(ctl)
		d := open(t, s, host, &controller.Config{IdleCheck: c.every})
		if c.scan {
			sc, err := d.Scan(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer sc.Close()
		}
		began := len(s.sent())
		for range 120 {
			time.Sleep(30*time.Second + time.Millisecond)
			if c.reports {
				s.send(&hci.LEAdvertisingReport{})
			}
		}
		got := s.sent()[began:]
		if len(got) != c.want || slices.ContainsFunc(got, func(op hci.Opcode) bool { return op != hci.OpReadBDADDR }) {
			t.Errorf("%s: sent %v, want %d questions", c.name, got, c.want)
		}
		d.Close()
	}
}
