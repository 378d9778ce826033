package connmgr_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

var errEnough = errors.New("enough")

// atStep calls f at step n from now: the n-th HCI command or event of adapter hci0, or
// the n-th data packet on a link. f must not block.
func (l *lab) atStep(n int, f func()) {
	steps := 0
	step := func(e sim.Entry) {
		switch {
		case e.Kind == sim.LogData, (e.Kind == sim.LogToController || e.Kind == sim.LogToHost) && e.Node == "hci0":
		default:
			return
		}
		if steps++; steps == n {
			f()
		}
	}
	l.step.Store(&step)
}

// cancelAt calls Establish and cancels its context at step n. It returns what Establish
// returned, the time that it took from there, and whether there was such a step.
func (l *lab) cancelAt(n int, o *connmgr.Options) (c *connmgr.Client, late time.Duration, canceled bool, err error) {
	ctx, cancel := context.WithCancelCause(l.t.Context())
	defer cancel(nil)
	at := make(chan time.Time, 1)
	l.atStep(n, func() {
		at <- time.Now()
		cancel(errEnough)
	})
	c, err = l.m.Establish(ctx, address(1).String(), o)
	now := time.Now()
	l.step.Store(nil)
	select {
	case then := <-at:
		return c, now.Sub(then), true, err
	default:
		return c, 0, false, err
	}
}

// A storm of cancellations: one at each command, event and packet of an Establish.
// It returns at that instant, and when the supervision timeout is over, nothing is
// held.
func TestStormOfCancellations(t *testing.T) { inBubble(t, testStormOfCancellations) }

func testStormOfCancellations(t *testing.T) {
	silent := sim.Temper{Rules: []sim.Rule{{On: sim.OnRequest, Do: sim.FallSilent}}}
	for _, s := range []struct {
		name  string
		o     connmgr.Options
		begin func(l *lab) // puts the device on air
		share bool         // another Client has the link
		least int          // steps
		most  int          // as many are tried; 0: until the connect succeeds
	}{
		{name: "plain", begin: func(l *lab) { l.device(1) }, least: 25},
		{name: "without discovery", begin: func(l *lab) { l.device(1) }, o: connmgr.Options{DisableDiscovery: true}, least: 8},
		{name: "pairs", begin: func(l *lab) { l.guarded(&smp.Config{}) }, o: connmgr.Options{Pair: true}, least: 40},
		{name: "encrypts", begin: func(l *lab) {
			l.guarded(&smp.Config{})
			l.establish(1, &connmgr.Options{Pair: true}).Close()
		}, least: 25},
		{name: "shares", begin: func(l *lab) { l.device(1) }, o: connmgr.Options{DisableCache: true}, share: true, least: 4},
		{name: "falls silent", begin: func(l *lab) { l.sensorAt(1, 100*time.Millisecond, silent) }, least: 40, most: 40},
		{name: "hangs up", begin: func(l *lab) { l.sensorAt(1, 100*time.Millisecond, resting(0x13, time.Hour)) }, least: 100, most: 100},
	} {
		l := newLab(t, connmgr.Config{DisableScan: true, Slots: map[string]int{"hci0": 1}})
		s.begin(l)
		s.o.DisableCache = true
		var other *connmgr.Client
		if s.share {
			other = l.establish(1, nil)
			time.Sleep(10 * second) // it is settled
		}
		// Once without a fault, since some goroutines begin with the first link.
		if c, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{MaxAttempts: -1}); err == nil {
			c.Close()
		}
		time.Sleep(3 * second)
		synctest.Wait()
		before := goroutines()
		n := 1
		for ; s.most == 0 || n <= s.most; n++ {
			c, late, canceled, err := l.cancelAt(n, &s.o)
			if !canceled {
				if err != nil || n <= s.least {
					t.Errorf("%s: ended after %d steps, at least %d wanted: %v", s.name, n-1, s.least, err)
				} else {
					c.Close()
				}
				break
			}
			if late != 0 || err != nil && !errors.Is(err, errEnough) {
				t.Errorf("%s: canceled at step %d: %v after %v", s.name, n, err, late)
			}
			if err == nil { // it was the last step
				c.Close()
			}
			time.Sleep(10*second + 600*time.Millisecond) // the longest supervision timeout, and the wait for queued data
			synctest.Wait()
			if s.share {
				if other.Err() != nil {
					t.Fatalf("%s: canceled at step %d: the link of another ended: %v", s.name, n, other.Err())
				}
				l.wantLevel(other, 1)
			} else {
				l.wantNoSlots()
				if links := l.adapters[0].Stats().Links; links != 0 {
					t.Fatalf("%s: canceled at step %d: %d links are left", s.name, n, links)
				}
			}
			if left := goroutines() - before; left > 0 {
				t.Fatalf("%s: canceled at step %d: %d goroutines are left", s.name, n, left)
			}
			if t.Failed() {
				break
			}
		}
		t.Logf("%s: %d steps", s.name, n-1)
		if other != nil {
			other.Close()
		}
		l.m.Close()
	}
}

// goroutines returns the number of goroutines that this module has begun.
func goroutines() int {
	b := make([]byte, 1<<20)
	return strings.Count(string(b[:runtime.Stack(b, true)]), "\ncreated by github.com/moor-ble/moor/")
}

// The same in real time, where a cancellation may take 50 ms.
func TestStormInRealTime(t *testing.T) {
	stride := 10
	if testing.Short() {
		stride = 40
	}
	l := newLab(t, connmgr.Config{})
	l.device(1)
	o := &connmgr.Options{DisableCache: true}
	for n, tries := 1, 0; ; {
		c, late, canceled, err := l.cancelAt(n, o)
		switch tries++; {
		case late <= 50*time.Millisecond:
			n, tries = n+stride, 0
		case tries == 3: // no matter of a busy machine
			t.Fatalf("canceled at step %d: returned %v later", n, late)
		}
		if err == nil {
			c.Close()
		}
		if !canceled {
			if err != nil || n < 25 {
				t.Errorf("ended before step %d: %v", n, err)
			}
			return
		}
	}
}

// A Manager that is closed at any step of an Establish ends it at that instant, and is
// closed as soon as its link is.
func TestCloseAtEachStep(t *testing.T) { inBubble(t, testCloseAtEachStep) }

func testCloseAtEachStep(t *testing.T) {
	for n := 1; ; n++ {
		l := newLab(t, connmgr.Config{DisableScan: true})
		l.device(1)
		at, ended := make(chan struct{}), make(chan time.Time, 1)
		l.atStep(n, func() { close(at) })
		var c *connmgr.Client
		var err error
		go func() {
			c, err = l.m.Establish(t.Context(), address(1).String(), nil)
			ended <- time.Now()
		}()
		over := false
		select {
		case <-at:
		case <-ended:
			over = true
		}
		begin := time.Now()
		l.m.Close()
		if took := time.Since(begin); took > 20*time.Millisecond {
			t.Errorf("step %d: closed after %v", n, took)
		}
		if over {
			if err != nil || c.Err() == nil || n < 25 {
				t.Errorf("%v and %v after %d steps", err, c.Err(), n-1)
			}
			return
		}
		end := <-ended
		if last := err == nil && c.Err() != nil; !last && !errors.Is(err, net.ErrClosed) || end != begin {
			t.Errorf("step %d: %v, %v after Close", n, err, end.Sub(begin))
		}
	}
}

// An Establish that waits for another one to the same device goes on at once when that
// one is canceled, at whatever step.
func TestCancelPassesTheDialOn(t *testing.T) { inBubble(t, testCancelPassesTheDialOn) }

func testCancelPassesTheDialOn(t *testing.T) {
	for n := 1; ; n++ {
		l := newLab(t, connmgr.Config{DisableScan: true})
		l.device(1)
		ctx, cancel := context.WithCancel(t.Context())
		l.atStep(n, cancel)
		first := make(chan *connmgr.Client, 1)
		go func() {
			c, _ := l.m.Establish(ctx, address(1).String(), nil)
			first <- c
		}()
		synctest.Wait()
		c, took := l.begin(1, nil)()
		if took > 300*time.Millisecond {
			t.Errorf("canceled at step %d: the other one connected after %v", n, took)
		}
		l.wantLevel(c, 1)
		c.Close()
		over := ctx.Err() == nil
		if cancel(); over {
			(<-first).Close()
			if n < 25 {
				t.Errorf("%d steps", n-1)
			}
			return
		}
		l.m.Close()
	}
}

// Options.Timeout bounds an Establish in each of its waits, however long the
// supervision timeout of a link that it leaves behind is.
func TestTimeoutIsExact(t *testing.T) { inBubble(t, testTimeoutIsExact) }

func testTimeoutIsExact(t *testing.T) {
	slow := hci.ConnParams{IntervalMin: 15 * time.Millisecond, IntervalMax: 15 * time.Millisecond, Timeout: 32 * second}
	silent := sim.Temper{Rules: []sim.Rule{{On: sim.OnRequest, Do: sim.FallSilent}}}
	for _, c := range []struct {
		name  string
		begin func(l *lab)
		phase connmgr.Phase
	}{
		{"no adapter", func(l *lab) { l.unplug(0); time.Sleep(second) }, connmgr.PhasePath},
		{"no slot", func(l *lab) { l.device(1); l.device(2); l.establish(2, nil); time.Sleep(second) }, connmgr.PhaseSlot},
		{"no device", func(*lab) {}, connmgr.PhaseDial},
		{"no answer", func(l *lab) { l.sensorAt(1, 100*time.Millisecond, silent) }, connmgr.PhaseDiscover},
		{"old link", func(l *lab) {
			d := l.sensorAt(1, 100*time.Millisecond, sim.Temper{})
			c := l.establish(1, &connmgr.Options{InitialParams: slow, KeepParams: true})
			l.air.SetAway(d, true)
			go c.Close()
			time.Sleep(second)
		}, connmgr.PhaseDiscover},
		{"another one dials", func(l *lab) {
			go func() {
				_, _ = l.m.Establish(l.t.Context(), address(1).String(), &connmgr.Options{Timeout: 5 * second})
			}()
			synctest.Wait()
		}, connmgr.PhaseDial},
		{"between two attempts", func(l *lab) {
			l.sensorAt(1, 100*time.Millisecond, resting(hci.StatusRemoteLowResources, time.Hour))
		}, connmgr.PhaseDiscover},
	} {
		l := newLab(t, connmgr.Config{Slots: map[string]int{"hci0": 1}})
		c.begin(l)
		before := time.Now()
		_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{Timeout: second, InitialParams: slow})
		var e *connmgr.EstablishError
		if took := time.Since(before); !errors.As(err, &e) || took != second || e.Attempts[0].Phase != c.phase {
			t.Errorf("%s: %v after %v, want it in phase %s after 1 s", c.name, err, took, c.phase)
		}
		time.Sleep(32*second + 600*time.Millisecond - time.Since(before))
		synctest.Wait()
		if c.phase != connmgr.PhaseSlot {
			l.wantNoSlots()
		}
		l.m.Close()
	}
}
