package connmgr_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/sim"
)

// Each fault costs as much as it has to: of a device, a link or an adapter, as seen by the
// attempts that fail, the links that end, and the times that the adapter is opened again,
// taken down and up, or reset.
func TestFaultCostsItsRung(t *testing.T) { inBubble(t, testFaultCostsItsRung) }

func testFaultCostsItsRung(t *testing.T) {
	type costs struct{ failed, ended, reopened, cycled, reset int }
	for _, c := range []struct {
		name  string
		fault func(l *ladder)
		want  costs
	}{
		{"three faults of the controller that meet one device, beside a link", func(l *ladder) {
			l.adapters[0].Fault(sim.ConnectFault{Peer: address(1), Times: 3, Status: hci.StatusHardwareFailure})
		}, costs{failed: 3}},
		{"a link that falls silent", func(l *ladder) {
			l.adapters[0].Fault(sim.LinkFault{Peer: address(2)})
		}, costs{ended: 1}},
		{"an adapter that hangs", func(l *ladder) { l.adapters[0].HangUntil(sim.CureReopen) },
			costs{failed: 1, ended: 1, reopened: 1}},
		{"an adapter that hangs until it is switched off", func(l *ladder) { l.adapters[0].HangUntil(sim.CurePowerCycle) },
			costs{failed: 1, ended: 1, reopened: 4, cycled: 1}},
		{"an adapter that hangs until its port is reset", func(l *ladder) { l.adapters[0].HangUntil(sim.CureUSBReset) },
			costs{failed: 1, ended: 1, reopened: 6, cycled: 2, reset: 1}},
	} {
		l := newLadder(t, connmgr.Config{})
		l.device(1)
		l.device(2)
		healthy := l.establish(2, nil)
		time.Sleep(2 * time.Minute)
		r := l.record()
		c.fault(l)
		wait := l.begin(1, &connmgr.Options{Policy: patient()})
		_, _ = healthy.Read(t.Context(), battery, level)
		c1, _ := wait()
		c1.Close()
		time.Sleep(2 * time.Minute)
		got := costs{failed: r.count(isFailure)}
		if healthy.Err() != nil {
			got.ended = 1
		}
		for _, s := range l.events() {
			switch _, what, _ := strings.Cut(s, " "); what {
			case "down":
				got.reopened++
			case "power cycle":
				got.cycled++
			case "USB reset":
				got.reset++
			}
		}
		if got != c.want {
			t.Errorf("%s costs %+v, want %+v", c.name, got, c.want)
		}
		l.m.Close()
	}
}

// patient is a policy that waits for an adapter as long as the ladder takes.
func patient() *connmgr.Policy {
	p := connmgr.DefaultPolicy()
	p.AdapterTimeout = 10 * time.Minute
	return &p
}

// An adapter whose dials meet faults after it was opened again, too, whichever device they
// are for.
func TestLadderOfFaults(t *testing.T) { inBubble(t, testLadderOfFaults) }

func testLadderOfFaults(t *testing.T) {
	l := newLadder(t, connmgr.Config{})
	defer l.awaitAbsent()()
	l.device(1)
	l.device(2)
	time.Sleep(2 * time.Minute)
	l.instead(func(connmgr.Rung) error {
		l.adapters[0].ClearFaults()
		return nil
	})
	fault := broken
	fault.Times = sim.Always
	l.adapters[0].Fault(fault)
	one := l.begin(1, nil)
	time.Sleep(10 * time.Millisecond) // the order of the dials is fixed
	other := l.begin(2, nil)
	for _, wait := range []func() (*connmgr.Client, time.Duration){one, other} {
		c, _ := wait()
		c.Close()
	}
	time.Sleep(2 * time.Minute)
	// Opened again, the controller begins both dials at the end of its start-up, in one
	// initiation: that is one fault.
	wantStrings(t, "events", l.events(), "0s down", "0s up", "1s down", "2s power cycle", "2s up")
	if r := l.m.Adapter("hci0").Recovery(); r != (connmgr.Recovery{}) {
		t.Errorf("an adapter that has made links has the recovery %+v", r)
	}
}

// No rung is taken against a failure that is not the adapter's, and no port is reset of an
// adapter that another process uses or that is switched off.
func TestRungsHelpAgainstTheCause(t *testing.T) { inBubble(t, testRungsHelpAgainstTheCause) }

func testRungsHelpAgainstTheCause(t *testing.T) {
	const none, cycles, all = "", "power cycle, power cycle", "power cycle, power cycle, USB reset, USB reset"
	for cause, want := range map[hcisock.Cause]string{
		hcisock.CauseUnknown: all, hcisock.CauseNoAdapter: all, hcisock.CauseDriver: all,
		hcisock.CauseBusy: cycles, hcisock.CauseRFKill: cycles,
		hcisock.CauseAddress: none, hcisock.CauseUnsupported: none, hcisock.CauseNoBluetooth: none, hcisock.CauseNamespace: none,
		hcisock.CausePermission: none, hcisock.CauseUnreachable: none, hcisock.CauseCanceled: none,
	} {
		air := sim.New(nil)
		var taken []string
		m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"good", "bad"}, Kinds: []connmgr.Kind{{
			Open: func(_ context.Context, name string) (hci.Transport, error) {
				if name == "good" {
					return air.NewController(nil), nil
				}
				return nil, &hcisock.OpenError{Address: name, Op: "open", Err: errAbsent, Cause: cause}
			},
			Recoverer: func() connmgr.Recoverer {
				return recoverFunc(func(_ string, rung connmgr.Rung) error {
					taken = append(taken, rung.String())
					return nil
				})
			},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		m.Close()
		air.Close()
		if got := strings.Join(taken, ", "); got != want {
			t.Errorf("%v: rungs %q, want %q", cause, got, want)
		}
	}
}
