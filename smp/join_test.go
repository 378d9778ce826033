package smp_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

func TestPairWhilePairing(t *testing.T) { synctest.Test(t, testPairWhilePairing) }

// testPairWhilePairing calls Pair while a pairing is under way that was begun
// with nobody to ask, by the peer or by another call. Both sides have a user if
// theirs is asked.
func testPairWhilePairing(t *testing.T) {
	type want struct {
		method smp.Method
		twice  bool // a second pairing was made
		reason smp.Reason
	}
	for name, tt := range map[string]struct {
		later      func(screen chan smp.Passkey) *smp.PairOptions
		peripheral smp.IOCapability
		want
	}{
		"the same": {func(chan smp.Passkey) *smp.PairOptions { return nil }, smp.DisplayYesNo, want{}},
		"Replace":  {func(chan smp.Passkey) *smp.PairOptions { return &smp.PairOptions{Replace: true} }, smp.DisplayYesNo, want{}},
		"with a user": {func(s chan smp.Passkey) *smp.PairOptions {
			return &smp.PairOptions{Delegate: newUser(smp.DisplayYesNo, s)}
		}, smp.DisplayYesNo, want{method: smp.NumericComparison, twice: true}},
		"MITM": {func(s chan smp.Passkey) *smp.PairOptions {
			return &smp.PairOptions{MITM: true, Delegate: newUser(smp.DisplayYesNo, s)}
		}, smp.DisplayYesNo, want{method: smp.NumericComparison, twice: true}},
		"MITM with nobody to ask": {func(chan smp.Passkey) *smp.PairOptions { return &smp.PairOptions{MITM: true} },
			smp.DisplayYesNo, want{reason: smp.ReasonAuthenticationRequirements}},
		"MITM that the peer cannot do": {func(s chan smp.Passkey) *smp.PairOptions {
			return &smp.PairOptions{MITM: true, Delegate: newUser(smp.DisplayYesNo, s)}
		}, smp.NoInputNoOutput, want{reason: smp.ReasonAuthenticationRequirements}},
	} {
		for _, begun := range []string{"the peer", "another call"} {
			screen := make(chan smp.Passkey, 2)
			x := newPair(t, nil, &smp.Config{Delegate: newUser(tt.peripheral, screen)})
			c, p := x.link()
			type result struct {
				*smp.Result
				error
			}
			first, second := make(chan result, 1), make(chan result, 1)
			pair := func(c *host.Conn, o *smp.PairOptions, got chan result) {
				r, err := c.SMP().Pair(t.Context(), o)
				got <- result{r, err}
			}
			if begun == "the peer" {
				go pair(p, nil, first)
			} else {
				go pair(c, nil, first)
			}
			time.Sleep(100 * time.Millisecond) // features are being exchanged
			if c.SMP().Security().Encrypted {
				t.Fatal("the first pairing is over: this tests nothing")
			}
			go pair(c, tt.later(screen), second)
			one, two := <-first, <-second
			what := name + ", while one goes on by " + begun
			if one.error != nil {
				t.Errorf("%s: the first got %v", what, one.error)
				continue
			}
			synctest.Wait()
			b, ok := x.c.SMP().Find(x.p.Device().Info().Address)
			switch {
			case tt.reason != 0:
				var e *smp.Error
				if !errors.As(two.error, &e) || e.Reason != tt.reason || two.Result != nil {
					t.Errorf("%s: got %+v, %v, want %v", what, two.Result, two.error, tt.reason)
				}
				if !ok || b.Authenticated {
					t.Errorf("%s: the bond of the first pairing became %+v", what, b)
				}
			case two.error != nil:
				t.Errorf("%s: %v", what, two.error)
			case two.Method != tt.method || b != two.Bond || begun != "the peer" && tt.twice == (one.Bond == two.Bond):
				t.Errorf("%s: %v, replaced %v, want %v, %v", what, two.Method, one.Bond != two.Bond, tt.method, tt.twice)
			}
			x.unlink(c, p)
			x.air.Close()
		}
	}
}

func TestPairWaitsInVain(t *testing.T) { synctest.Test(t, testPairWaitsInVain) }

// testPairWaitsInVain has callers leave, and the link end, while a pairing with
// other options goes on.
func testPairWaitsInVain(t *testing.T) {
	s := newScripted(t, nil, sim.RawPeerConfig{})
	c, l := s.central()
	canceled, leaves := context.WithCancel(t.Context())
	first, second, third := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	pair := func(ctx context.Context, o *smp.PairOptions, got chan error) {
		_, err := c.SMP().Pair(ctx, o)
		got <- err
	}
	go pair(canceled, nil, first)
	if _, ok := s.next(l).(smp.PairingRequest); !ok {
		t.Fatal("no Pairing Request")
	}
	user := &smp.PairOptions{Delegate: newUser(smp.DisplayYesNo, nil)}
	go pair(t.Context(), user, second)
	late, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	go pair(late, user, third)
	if err := <-third; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who waits has left: %v", err)
	}
	leaves()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who began it has left: %v", err)
	}
	s.want(l, nil, "it goes on for those who wait")
	say(l, smp.PairingFailed{Reason: smp.ReasonAuthenticationRequirements})
	if r, ok := s.next(l).(smp.PairingRequest); !ok || r.IO != smp.DisplayYesNo {
		t.Errorf("the next one begins with %+v", r)
	}
	l.Disconnect(hci.StatusRemoteUserTerminated)
	if err := <-second; !errors.Is(err, hci.StatusRemoteUserTerminated) {
		t.Errorf("who waits when the link ends: %v", err)
	}
}

func TestPairWhileSaving(t *testing.T) { synctest.Test(t, testPairWhileSaving) }

// slow is a Store that takes its time.
type slow struct{ smp.Store }

func (s slow) Save(b *smp.Bond) error {
	time.Sleep(5 * time.Second)
	return s.Store.Save(b)
}

// testPairWhileSaving wants more than a pairing brought whose bond is being
// written.
func testPairWhileSaving(t *testing.T) {
	screen := make(chan smp.Passkey, 2)
	x := newPair(t, &smp.Config{Store: keep(func(l smp.Local) (smp.Store, error) {
		s, err := smp.Memory()(l)
		return slow{s}, err
	})}, &smp.Config{Delegate: newUser(smp.DisplayYesNo, screen)})
	c, p := x.link()
	go func() { _, _ = c.SMP().Pair(t.Context(), nil) }()
	time.Sleep(4 * time.Second)
	if s := c.SMP().Security(); !s.Encrypted || s.Bonded {
		t.Fatalf("security %+v: nothing is being written", s)
	}
	begin := time.Now()
	r, err := c.SMP().Pair(t.Context(), &smp.PairOptions{MITM: true, Delegate: newUser(smp.DisplayYesNo, screen)})
	if err != nil || !r.Security.Authenticated || time.Since(begin) < 5*time.Second {
		t.Errorf("got %+v, %v after %v", r, err, time.Since(begin))
	}
	x.unlink(c, p)
}
