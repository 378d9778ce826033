package connmgr

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// Silence counts by the time for which the adapters have listened.
func TestSilence(t *testing.T) { synctest.Test(t, testSilence) }

func testSilence(t *testing.T) {
	const s = time.Second
	d := newDuty()
	start := time.Now()
	at := func(n int) time.Time { return start.Add(time.Duration(n) * s) }
	time.Sleep(100 * s)
	end := d.beginWait() // from 100 s to 150 s, and for 5.12 s after that
	time.Sleep(50 * s)
	end()
	time.Sleep(50 * s)
	d.beginWait()() // from 200 s to 205.12 s
	time.Sleep(100 * s)
	end = d.beginWait() // from 300 s on
	time.Sleep(50 * s)
	for _, c := range []struct {
		from, to int
		want     time.Duration
	}{
		{0, 100, 25 * s}, {0, 120, 45 * s}, {120, 150, 30 * s}, {120, 160, 36340 * time.Millisecond}, {120, 200, 46340 * time.Millisecond}, {120, 350, 125180 * time.Millisecond},
		{310, 350, 40 * s}, {220, 300, 20 * s}, {300, 220, -80 * s},
	} {
		if got := d.silence(at(c.from), at(c.to)); got != c.want {
			t.Errorf("from %d to %d s: %v, want %v", c.from, c.to, got, c.want)
		}
	}
	if d.silence(time.Time{}, at(350)) != math.MaxInt64 {
		t.Error("a device that was never heard has not been silent for ever")
	}
	end()
	for range 1000 {
		time.Sleep(20 * s)
		d.beginWait()()
	}
	if n := len(d.now.Load().earlier); n != 10 {
		t.Errorf("%d times of attention are remembered, want those of the last 195 s", n)
	}
}
