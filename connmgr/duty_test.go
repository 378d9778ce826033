package connmgr_test

import (
	"context"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

// wantListening checks how long an adapter listens of the next time.
func (l *lab) wantListening(during, want time.Duration, why string) {
	l.t.Helper()
	before := l.adapters[0].Stats().Radio.Listening
	time.Sleep(during)
	got := l.adapters[0].Stats().Radio.Listening - before
	if d := got - want; d < -50*time.Millisecond || d > 50*time.Millisecond {
		l.t.Errorf("%s: listened for %v of %v, want %v", why, got, during, want)
	}
}

// The scan in the background listens all the time while a call waits, for 5.12 s after it,
// and for ten seconds after an adapter has come up; otherwise a quarter of the time.
func TestDuty(t *testing.T) { inBubble(t, testDuty) }

func testDuty(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.wantListening(9*second, 9*second, "the adapter has come up")
	time.Sleep(2 * second)
	l.wantListening(512*second, 128*second, "nobody waits")
	for _, call := range []struct {
		name string
		wait func(ctx context.Context)
	}{
		{"Establish", func(ctx context.Context) { _, _ = l.m.Establish(ctx, address(9).String(), nil) }},
		{"WaitFor", func(ctx context.Context) { _, _ = l.m.WaitFor(ctx, address(9).String()) }},
		{"Find", func(ctx context.Context) { _, _ = l.m.Find(ctx, connmgr.Named("nothing")) }},
		{"Keep", func(ctx context.Context) {
			k, err := l.m.Keep(ctx, address(9).String(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			<-ctx.Done()
			k.Close()
			<-k.Done()
		}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); call.wait(ctx) }()
		time.Sleep(second)
		l.wantListening(time.Minute, time.Minute, call.name)
		cancel()
		<-done
		l.wantListening(5*second, 5*second, "after "+call.name)
		time.Sleep(2 * second)
		l.wantListening(512*second, 128*second, "long after "+call.name)
	}
	scan, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range l.m.Scan(scan, nil) { // until stop
		}
	}()
	time.Sleep(second)
	l.wantListening(time.Minute, time.Minute, "a Scan has its own timing")
	stop()
	<-ended
	time.Sleep(second)
	l.wantListening(512*second, 128*second, "after the Scan")
}

// While nobody waits, a device with a common advertising interval is heard in each window,
// and a call after that chooses the adapter that hears it best, at once.
func TestWatchingAdapters(t *testing.T) { inBubble(t, testWatching) }

func testWatching(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	p := l.device(1)
	l.air.SetPath(l.adapters[0], p, sim.Path{RSSI: -70})
	l.air.SetPath(l.adapters[1], p, sim.Path{RSSI: -60})
	for range 40 { // at different times of the windows
		time.Sleep(31 * second)
		for _, d := range l.m.Devices() {
			if age := time.Since(d.Seen); age > 4*second {
				t.Errorf("%s has heard the device %v ago", d.Adapter, age)
			}
		}
		c, took := l.begin(1, nil)()
		if c.Adapter() != "hci1" || took > second/2 {
			t.Errorf("connected on %s after %v", c.Adapter(), took)
		}
		c.Close()
	}
}
