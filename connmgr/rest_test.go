package connmgr_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// sensorAt puts the device number n on air, which advertises every so often and has a
// temper.
func (l *lab) sensorAt(n int, every time.Duration, temper sim.Temper) *sim.Device {
	return l.air.NewDevice(&sim.DeviceConfig{
		Name: "sensor", Address: address(n), Temper: temper,
		Table: sim.NewTable(gatt.ServiceDef{UUID: uuid.From16(0x180F), Characteristics: []gatt.CharDef{
			{UUID: uuid.From16(0x2A19), Properties: gatt.PropRead, Value: []byte{byte(n)}},
		}}),
		Peer: &sim.RawPeerConfig{Interval: every},
	})
}

// resting hangs up on every link for a while.
func resting(status hci.Status, until time.Duration) sim.Temper {
	return sim.Temper{Rules: []sim.Rule{{On: sim.OnLink, Do: sim.HangUp, Status: status, Until: until}}}
}

// attempts records the events of attempts.
type attempts struct {
	mu      sync.Mutex
	started []connmgr.AttemptStarted
	failed  []connmgr.AttemptFailed
}

// watchAttempts records until the test ends.
func (l *lab) watchAttempts() *attempts {
	r := &attempts{}
	ctx, cancel := context.WithCancel(l.t.Context())
	l.t.Cleanup(cancel)
	events := l.m.Events(ctx)
	go func() {
		for ev := range events {
			r.mu.Lock()
			switch ev := ev.(type) {
			case connmgr.AttemptStarted:
				r.started = append(r.started, ev)
			case connmgr.AttemptFailed:
				r.failed = append(r.failed, ev)
			}
			r.mu.Unlock()
		}
	}()
	return r
}

// count returns how many attempts were started, and how many have failed.
func (r *attempts) count() (started, failed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.started), len(r.failed)
}

// events returns the events so far.
func (r *attempts) events() ([]connmgr.AttemptStarted, []connmgr.AttemptFailed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.started), slices.Clone(r.failed)
}

// waits returns the times from the failure of each attempt to the begin of the
// next.
func (r *attempts) waits() []time.Duration {
	started, failed := r.events()
	var ds []time.Duration
	for i, f := range failed {
		if i+1 < len(started) {
			ds = append(ds, started[i+1].Time.Sub(f.Time))
		}
	}
	return ds
}

// growing is the waits of a reason that repeats: base, and then doubled from
// at least 0.25 s up to 4 s.
func growing(base time.Duration, n int) []time.Duration {
	ds := []time.Duration{base}
	for d := max(base, 250*time.Millisecond); len(ds) < n; {
		d = min(2*d, max(4*second, base))
		ds = append(ds, d)
	}
	return ds
}

// A device that rests is given the time that it needs, however often it
// advertises: the waits are those of the reason, doubled each time.
func TestDeviceThatRestsIsConnected(t *testing.T) { inBubble(t, testDeviceThatRestsIsConnected) }

func testDeviceThatRestsIsConnected(t *testing.T) {
	for _, c := range []struct {
		status hci.Status
		rest   time.Duration
		waits  []time.Duration
	}{
		{0x13, 3 * second, growing(250*time.Millisecond, 4)},
		{0x13, 30 * second, growing(250*time.Millisecond, 11)},
		{0x14, 3 * second, growing(4*second, 1)},
		{0x14, 6 * second, growing(4*second, 2)},
		{0x14, 30 * second, growing(4*second, 8)},
		// The second and the third attempt ask for other parameters.
		{0x08, 3 * second, []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, 2 * second}},
	} {
		for _, every := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, 2 * second} {
			l := newLab(t, connmgr.Config{})
			r := l.watchAttempts()
			d := l.sensorAt(1, every, sim.Temper{})
			time.Sleep(20 * second)
			l.air.SetTemper(d, resting(c.status, c.rest))
			cl, err := l.m.Establish(t.Context(), address(1).String(), nil)
			if err != nil {
				t.Fatalf("status 0x%02x for %v, advertised every %v: %v", uint8(c.status), c.rest, every, err)
			}
			l.wantLevel(cl, 1)
			want := c.waits
			if every == 2*second { // an attempt takes up to two seconds, too
				want = want[:min(len(want), len(r.waits()))]
			}
			if got := r.waits(); !slices.Equal(got, want) {
				t.Errorf("status 0x%02x for %v, advertised every %v: waits %v, want %v", uint8(c.status), c.rest, every, got, want)
			}
			cl.Close()
			l.m.Close()
		}
	}
}

// A device that ends each link for 30 s, for whatever reason, is connected within one wait
// of 4 s after that, whether or not the adapters scan meanwhile.
func TestRestIsOutlastedWithoutAScan(t *testing.T) { inBubble(t, testRestWithoutAScan) }

func testRestWithoutAScan(t *testing.T) {
	for _, reason := range []hci.Status{0x08, 0x13, 0x14, 0x16, 0x22, 0x3B, 0x3E} {
		for _, scan := range []bool{true, false} {
			l := newLab(t, connmgr.Config{DisableScan: !scan})
			d := l.sensorAt(1, 100*time.Millisecond, sim.Temper{})
			time.Sleep(5 * second)
			l.air.SetTemper(d, resting(reason, 30*second))
			c, took := l.begin(1, nil)()
			if took < 30*second || took > 34*second+second/2 {
				t.Errorf("0x%02x, scanning: %v: connected after %v, want 30 to 34.5 s", uint8(reason), scan, took)
			}
			l.wantLevel(c, 1)
			c.Close()
			l.m.Close()
		}
	}
}

// The count of attempts bounds what the program has bounded by it.
func TestExplicitAttemptsAreABound(t *testing.T) { inBubble(t, testExplicitAttemptsAreABound) }

func testExplicitAttemptsAreABound(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.sensorAt(1, 100*time.Millisecond, resting(0x13, time.Hour))
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{MaxAttempts: 2})
	var e *connmgr.EstablishError
	if !errors.As(err, &e) || !errors.Is(err, connmgr.ErrAborted) || len(e.Attempts) != 9 {
		t.Errorf("%v, want the nine attempts of a transient error", err)
	}
	begin := time.Now()
	_, err = l.m.Establish(t.Context(), address(1).String(), nil)
	if took := time.Since(begin).Round(4 * second); !errors.Is(err, connmgr.ErrAborted) || took != 48*second {
		t.Errorf("%v after %v, want the device given up after 45 s and an attempt", err, took)
	}
}

// A device that asks for security on each link, and rests for 8 s, is given its time: low
// resources and a power-off are not about security.
func TestRestOfADeviceThatAsksForSecurity(t *testing.T) { inBubble(t, testRestAndSecurity) }

func testRestAndSecurity(t *testing.T) {
	for _, st := range []hci.Status{0x14, 0x15} {
		l := newLab(t, connmgr.Config{})
		l.sensorAt(1, 100*time.Millisecond, sim.Temper{
			SecurityRequests: []sim.SecurityRequest{{}},
			Rules:            []sim.Rule{{On: sim.OnRequest, Do: sim.HangUp, Status: st, Until: 8 * second, Delay: 60 * time.Millisecond}},
		})
		begin := time.Now()
		if c, err := l.m.Establish(t.Context(), address(1).String(), nil); err != nil {
			t.Errorf("0x%02x: %v after %v", uint8(st), err, time.Since(begin))
		} else {
			c.Close()
		}
		l.m.Close()
	}
}
