package connmgr_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// recoverFunc is a Recoverer that notes nothing.
type recoverFunc func(address string, rung connmgr.Rung) error

func (recoverFunc) NoteOpened(string) {}

func (f recoverFunc) Recover(_ context.Context, address string, rung connmgr.Rung) error {
	return f(address, rung)
}

// ladder is a lab whose adapter hci0 has the rungs of a dongle, and the times at which it
// failed and its rungs were taken, from the first failure on.
type ladder struct {
	*lab
	mu      sync.Mutex
	since   time.Time                     // guarded by mu, as all below
	log     []string                      // events
	recover func(rung connmgr.Rung) error // instead of the effect of the rung
}

// cures are the effects of the rungs.
var cures = map[connmgr.Rung]sim.Cure{connmgr.RungPowerCycle: sim.CurePowerCycle, connmgr.RungUSBReset: sim.CureUSBReset}

func newLadder(t *testing.T, cfg connmgr.Config) *ladder {
	t.Helper()
	l := &ladder{}
	cfg.Kinds = []connmgr.Kind{{Recoverer: func() connmgr.Recoverer {
		return recoverFunc(func(_ string, rung connmgr.Rung) error {
			l.mu.Lock()
			instead := l.recover
			l.mu.Unlock()
			if instead != nil {
				return instead(rung)
			}
			l.adapters[0].Apply(cures[rung])
			return nil
		})
	}}}
	l.lab = newLab(t, cfg)
	l.restart()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	events := l.m.Events(ctx)
	go func() {
		for ev := range events {
			l.mu.Lock()
			switch ev := ev.(type) {
			case connmgr.AdapterChanged:
				if ev.State == connmgr.AdapterDown && len(l.log) == 0 {
					l.since = ev.Time
				}
				if ev.State != connmgr.AdapterOpening {
					l.add(ev.Time, ev.State.String(), nil)
				}
			case connmgr.RungTaken:
				l.add(ev.Time, ev.Rung.String(), ev.Err)
			}
			l.mu.Unlock()
		}
	}()
	return l
}

// add appends to the log. l.mu must be held.
func (l *ladder) add(at time.Time, what string, err error) {
	s := fmt.Sprintf("%v %s", at.Sub(l.since).Truncate(10*time.Millisecond), what)
	if err != nil {
		s += ": " + err.Error()
	}
	l.log = append(l.log, s)
}

// restart begins the log anew.
func (l *ladder) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since, l.log = time.Now(), nil
}

// events returns the log.
func (l *ladder) events() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log
}

// hang makes the adapter hang until a cure, after minutes of work.
func (l *ladder) hang(cure sim.Cure) {
	l.device(1)
	time.Sleep(2 * time.Minute)
	l.restart()
	l.adapters[0].HangUntil(cure)
}

// An adapter that hangs is brought back by the mildest rung that helps. A try to open it
// takes 6 s, in which Reset is sent three times.
func TestLadder(t *testing.T) { inBubble(t, testLadder) }

func testLadder(t *testing.T) {
	reopened := []string{"0s down", "6s down", "12s down", "18.25s down"}
	cycled := slices.Concat(reopened, []string{"19.25s power cycle", "25.25s down", "29.25s power cycle", "35.25s down"})
	for _, c := range []struct {
		cure sim.Cure
		want []string
	}{
		{sim.CureReopen, []string{"0s down", "0s up"}},
		{sim.CurePowerCycle, slices.Concat(reopened, []string{"19.25s power cycle", "19.25s up"})},
		{sim.CureUSBReset, slices.Concat(cycled, []string{"50.25s USB reset", "50.25s up"})},
	} {
		l := newLadder(t, connmgr.Config{})
		l.hang(c.cure)
		time.Sleep(10 * time.Minute)
		wantStrings(t, fmt.Sprintf("cure %d", c.cure), l.events(), c.want...)
		if r := l.m.Adapter("hci0").Recovery(); r != (connmgr.Recovery{}) {
			t.Errorf("cure %d: an adapter that works has the recovery %+v", c.cure, r)
		}
		l.establish(1, nil).Close()
		l.m.Close()
	}
}

// taken returns the rungs in the log.
func (l *ladder) taken() []string {
	return slices.DeleteFunc(slices.Clone(l.events()), func(s string) bool {
		return strings.HasSuffix(s, " down") || strings.HasSuffix(s, " up")
	})
}

// A dongle that nothing helps is reset more and more rarely, and after the fifth reset
// only opened again. It is found when it is plugged in anew.
func TestLadderEnds(t *testing.T) { inBubble(t, testLadderEnds) }

func testLadderEnds(t *testing.T) {
	var w warnings
	l := newLadder(t, connmgr.Config{Logger: slog.New(&w)})
	l.hang(sim.CureReplug)
	time.Sleep(24 * time.Hour)
	wantStrings(t, "rungs", l.taken(), "19.25s power cycle", "29.25s power cycle",
		"50.25s USB reset", "2m2.25s USB reset", "6m14.25s USB reset", "22m26.25s USB reset", "1h22m26.25s USB reset")
	wantStrings(t, "warnings", w.list, slices.Repeat([]string{"adapter recovery"}, 7)...)
	r := l.m.Adapter("hci0").Recovery()
	if r.Rung != connmgr.RungUSBReset || r.Steps != 7 || r.Tries < 2000 || r.Err != nil || r.Refused != nil {
		t.Errorf("after a day: %+v", r)
	}
	l.adapters[0].Apply(sim.CureReplug)
	time.Sleep(36 * second)
	if state, err := l.m.Adapter("hci0").State(); state != connmgr.AdapterUp {
		t.Errorf("36 s after it was plugged in, the adapter is %v: %v", state, err)
	}
	time.Sleep(time.Minute)
	if r := l.m.Adapter("hci0").Recovery(); r != (connmgr.Recovery{}) {
		t.Errorf("a minute later: %+v", r)
	}
}

// The program bounds the ladder.
func TestMaxRung(t *testing.T) { inBubble(t, testMaxRung) }

func testMaxRung(t *testing.T) {
	for rung, want := range map[connmgr.Rung][]string{
		connmgr.RungReopen:     {},
		connmgr.RungPowerCycle: {"19.25s power cycle", "29.25s power cycle"},
		connmgr.RungUSBReset:   {"19.25s power cycle", "29.25s power cycle", "50.25s USB reset"},
	} {
		l := newLadder(t, connmgr.Config{MaxRung: rung})
		l.hang(sim.CureReplug)
		time.Sleep(62*second + 90*second)
		wantStrings(t, rung.String(), l.taken(), want...)
		l.m.Close()
	}
	_, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, MaxRung: 4})
	if want := "connmgr: Config.MaxRung is rung 0x04: use RungReopen, RungPowerCycle or RungUSBReset"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// instead replaces the effect of the rungs.
func (l *ladder) instead(f func(rung connmgr.Rung) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recover = f
}

// A rung that cannot be taken is left out, and its reason is logged once. It is taken as
// soon as it can be.
func TestRungThatCannotBeTaken(t *testing.T) { inBubble(t, testRungThatCannotBeTaken) }

func testRungThatCannotBeTaken(t *testing.T) {
	var w warnings
	l := newLadder(t, connmgr.Config{Logger: slog.New(&w)})
	noPower := fmt.Errorf("%w: the adapter is not there", connmgr.ErrNoRung)
	noRight := fmt.Errorf("%w: it requires write access: %w", connmgr.ErrNoRung, fs.ErrPermission)
	l.instead(func(rung connmgr.Rung) error {
		if rung == connmgr.RungPowerCycle {
			return noPower
		}
		return noRight
	})
	l.hang(sim.CureUSBReset)
	time.Sleep(10 * time.Minute)
	wantStrings(t, "rungs", l.taken())
	wantStrings(t, "warnings", w.list, "adapter recovery: the permission is missing")
	const refused = "power cycle not possible: the adapter is not there\n" +
		"USB reset not possible: it requires write access: permission denied"
	if r := l.m.Adapter("hci0").Recovery(); r.Refused == nil || r.Refused.Error() != refused || r.Rung != 0 || r.Tries < 10 {
		t.Errorf("recovery %+v, want the refusal %q", r, refused)
	}
	e, err := l.m.Explain(address(1).String())
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Adapters[0].Recovery; !strings.HasPrefix(got, "failed ") || !strings.HasSuffix(got, "times in a row; "+strings.ReplaceAll(refused, "\n", "; ")) {
		t.Errorf("explained as %q", got)
	}
	l.instead(func(rung connmgr.Rung) error {
		if rung == connmgr.RungPowerCycle {
			return noPower
		}
		l.adapters[0].Apply(sim.CureUSBReset)
		return nil
	})
	time.Sleep(36 * second)
	if state, err := l.m.Adapter("hci0").State(); state != connmgr.AdapterUp || len(l.taken()) != 1 {
		t.Errorf("with the permission, the adapter is %v: %v; rungs %q", state, err, l.taken())
	}
}

// A rung that fails counts as taken, and its error is told.
func TestRungThatFails(t *testing.T) { inBubble(t, testRungThatFails) }

func testRungThatFails(t *testing.T) {
	l := newLadder(t, connmgr.Config{})
	defer l.awaitAbsent()()
	l.instead(func(rung connmgr.Rung) error {
		time.Sleep(10 * second)
		return errAbsent
	})
	l.hang(sim.CureReplug)
	time.Sleep(62*second + 90*second)
	wantStrings(t, "rungs", l.taken(), "29.25s power cycle: no such device", "49.25s power cycle: no such device", "1m20.25s USB reset: no such device")
	e, err := l.m.Explain(address(1).String())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := e.Adapters[0].Recovery, "failed 6 times in a row; USB reset 9.8 s ago, which failed: no such device"; got != want {
		t.Errorf("explained as %q, want %q", got, want)
	}
}

// An adapter that fails again within a minute has not been brought back; one that works
// for a minute has.
func TestAdapterThatFailsAgain(t *testing.T) { inBubble(t, testAdapterThatFailsAgain) }

func testAdapterThatFailsAgain(t *testing.T) {
	for _, c := range []struct {
		works time.Duration
		want  []string
	}{
		{59 * second, []string{"2m58.25s power cycle", "4m1.25s power cycle", "5m15.25s USB reset", "6m44.25s USB reset"}},
		{61 * second, nil},
	} {
		l := newLadder(t, connmgr.Config{})
		time.Sleep(2 * time.Minute)
		l.restart()
		events := l.m.Events(t.Context())
		l.adapters[0].Unplug()
		ups := 0
		for ev := range events {
			if s, ok := ev.(connmgr.AdapterChanged); ok && s.State == connmgr.AdapterUp {
				if ups++; ups == 7 {
					break
				}
				time.AfterFunc(c.works, l.adapters[0].Unplug)
			}
		}
		wantStrings(t, fmt.Sprintf("works for %v", c.works), l.taken(), c.want...)
		l.m.Close()
	}
}

// An adapter that answers, but refuses to scan after it was opened again, is switched off
// and on, and then its port is reset.
func TestLadderOfRefusedScans(t *testing.T) { inBubble(t, testLadderOfRefusedScans) }

func testLadderOfRefusedScans(t *testing.T) {
	for _, c := range []struct {
		heals connmgr.Rung
		want  []string
	}{
		{connmgr.RungPowerCycle, []string{"0s down", "0s up", "10s down", "11s power cycle", "11s up"}},
		{connmgr.RungUSBReset, []string{
			"0s down", "0s up", "10s down", "11s power cycle", "11s up", "21s down", "25s power cycle", "25s up", "35s down", "50s USB reset", "50s up",
		}},
	} {
		l := newLadder(t, connmgr.Config{})
		time.Sleep(2 * time.Minute)
		l.instead(func(rung connmgr.Rung) error {
			if rung == c.heals {
				l.adapters[0].ClearFaults()
			}
			return nil
		})
		l.refuseScans()
		l.restart()
		time.Sleep(20 * time.Minute)
		wantStrings(t, c.heals.String(), l.events(), c.want...)
		if err := l.m.Adapter("hci0").ScanErr(); err != nil {
			t.Errorf("%v: the adapter does not scan: %v", c.heals, err)
		}
		l.m.Close()
	}
}

// An adapter whose scan stays silent after it was opened again, too. While it has a link,
// no rung is taken.
func TestLadderOfSilence(t *testing.T) { inBubble(t, testLadderOfSilence) }

func testLadderOfSilence(t *testing.T) {
	l := newLadder(t, connmgr.Config{})
	defer l.awaitAbsent()()
	for n := range 4 {
		l.device(n)
	}
	time.Sleep(2 * time.Minute)
	l.instead(func(rung connmgr.Rung) error {
		if rung == connmgr.RungUSBReset {
			l.adapters[0].ClearFaults()
		}
		return nil
	})
	l.restart()
	l.adapters[0].Fault(sim.EventFault{Code: hci.EvLEMeta, Subevent: hci.EvLEExtendedAdvertisingReport, Times: sim.Always, Drop: true})
	time.Sleep(4 * time.Minute)
	wantStrings(t, "after the reset", l.events(), "0s down", "0s up")
	c := l.establish(1, nil)
	time.Sleep(10 * time.Minute)
	wantStrings(t, "with a link", l.events(), "0s down", "0s up")
	c.Close()
	l.restart()
	time.Sleep(20 * time.Minute)
	wantStrings(t, "without", l.events(),
		"0s down", "1s power cycle", "1s up", "1m31s down", "1m35s power cycle", "1m35s up", "3m5s down", "3m20s USB reset", "3m20s up")
}

// The end of the Manager ends the wait for a rung.
func TestCloseDuringRung(t *testing.T) { inBubble(t, testCloseDuringRung) }

func testCloseDuringRung(t *testing.T) {
	air := sim.New(nil)
	defer air.Close()
	adapter := air.NewController(nil)
	took := make(chan time.Duration, 1)
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{
		Open:      func(context.Context, string) (hci.Transport, error) { return adapter.Plug(), nil },
		Recoverer: func() connmgr.Recoverer { return &stuckRung{took} },
	}}})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Minute)
	adapter.Hang()
	if d := <-took; d != 30*second {
		t.Errorf("a rung has %v, want 30 s", d)
	}
	time.Sleep(15 * second) // in the next one
	begin := time.Now()
	m.Close()
	if d := <-took; d != 5*second || time.Since(begin) != 0 {
		t.Errorf("the rung ended after %v, and Close after %v, want 5 s and at once", d, time.Since(begin))
	}
}

// stuckRung is a Recoverer whose rungs take as long as they may.
type stuckRung struct{ took chan time.Duration }

func (*stuckRung) NoteOpened(string) {}

func (r *stuckRung) Recover(ctx context.Context, _ string, _ connmgr.Rung) error {
	begin := time.Now()
	<-ctx.Done()
	r.took <- time.Since(begin)
	return context.Cause(ctx)
}
