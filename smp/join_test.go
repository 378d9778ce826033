package smp_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

func TestPairWhilePairing(t *testing.T) { synctest.Test(t, testPairWhilePairing) }

// testPairWhilePairing calls Pair while a pairing is under way that the peer or another
// call has begun without a user. Both sides have a user in the second pairing.
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
			b, ok := x.c.SMP().Find(x.p.Controller().Info().Address)
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

// testPairWaitsInVain lets callers leave, and the link end, while a pairing is under way
// that would satisfy only the caller that began it.
func testPairWaitsInVain(t *testing.T) {
	s := newScripted(t, nil, sim.RawPeerConfig{})
	c, l := s.central()
	first, leaves := begin(t, c, nil)
	if _, ok := s.next(l).(smp.PairingRequest); !ok {
		t.Fatal("no Pairing Request")
	}
	user := &smp.PairOptions{Delegate: newUser(smp.DisplayYesNo, nil)}
	second, _ := begin(t, c, user)
	third, cancel := begin(t, c, user)
	cancel()
	if err := <-third; !errors.Is(err, context.Canceled) {
		t.Errorf("who waits has left: %v", err)
	}
	s.want(l, nil, "it goes on for who began it")
	leaves()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who began it has left: %v", err)
	}
	s.want(l, smp.PairingFailed{Reason: smp.ReasonUnspecified}, "the other wants one of his own")
	say(l, smp.PairingPublicKey{}) // sent before it knew
	s.want(l, nil, "the peer is given a pause")
	time.Sleep(time.Second)
	if r, ok := s.next(l).(smp.PairingRequest); !ok || r.IO != smp.DisplayYesNo {
		t.Errorf("the next one begins with %+v", r)
	}
	l.Disconnect(hci.StatusRemoteUserTerminated)
	if err := <-second; !errors.Is(err, hci.StatusRemoteUserTerminated) {
		t.Errorf("who waits when the link ends: %v", err)
	}
}

// begin calls Pair, and returns once the call has begun a pairing or waits for one.
func begin(t *testing.T, c *host.Conn, o *smp.PairOptions) (got chan error, leave context.CancelFunc) {
	ctx, leave := context.WithCancel(t.Context())
	got = make(chan error, 1)
	go func() { _, err := c.SMP().Pair(ctx, o); got <- err }()
	synctest.Wait()
	return got, leave
}

func TestPairGoesOnForTheSame(t *testing.T) { synctest.Test(t, testPairGoesOnForTheSame) }

// testPairGoesOnForTheSame lets the caller that began a pairing leave while a caller
// with the same options waits for it.
func testPairGoesOnForTheSame(t *testing.T) {
	for _, replace := range []bool{false, true} {
		x := newPair(t, nil, nil)
		c, p := x.link()
		first, leaves := begin(t, c, nil)
		second, _ := begin(t, c, &smp.PairOptions{Replace: replace})
		leaves()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("who began it has left: %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("Replace %v: %v", replace, err)
		}
		x.unlink(c, p)
		x.air.Close()
	}
}

func TestQuestionEndsWithItsCaller(t *testing.T) { synctest.Test(t, testQuestionEndsWithItsCaller) }

// testQuestionEndsWithItsCaller lets a caller leave while its Delegate is asked, and a
// caller with another Delegate waits.
func testQuestionEndsWithItsCaller(t *testing.T) {
	screen := make(chan smp.Passkey, 1)
	x := newPair(t, nil, &smp.Config{Delegate: newUser(smp.DisplayYesNo, screen)})
	c, p := x.link()
	asked := newUser(smp.DisplayYesNo, screen)
	asked.wait = true
	first, leaves := begin(t, c, &smp.PairOptions{MITM: true, Delegate: asked})
	time.Sleep(time.Second)
	<-screen // of the peripheral
	second, _ := begin(t, c, &smp.PairOptions{MITM: true, Delegate: newUser(smp.DisplayYesNo, screen)})
	begun := time.Now()
	leaves()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who began it has left: %v", err)
	}
	if err := <-asked.ended; !errors.Is(err, smp.ErrCanceled) || time.Since(begun) != 0 {
		t.Errorf("the question ended with %v after %v", err, time.Since(begun))
	}
	if err := <-second; err != nil || time.Since(begun) < 2*time.Second {
		t.Errorf("the other got %v after %v", err, time.Since(begun))
	}
	x.unlink(c, p)
}

func TestNoBondForNobody(t *testing.T) { synctest.Test(t, testNoBondForNobody) }

// testNoBondForNobody lets the caller that began a pairing leave while others wait that
// require more. They leave during the pause, and while their Delegate is asked.
func testNoBondForNobody(t *testing.T) {
	x := newPair(t, nil, &smp.Config{Delegate: newUser(smp.DisplayYesNo, make(chan smp.Passkey, 4))})
	c, p := x.link()
	asked := newUser(smp.DisplayYesNo, nil)
	asked.wait = true
	var leaves [3]context.CancelFunc
	var got [3]chan error
	for i, o := range []*smp.PairOptions{nil, {MITM: true, Delegate: asked}, {MITM: true, Delegate: asked}} {
		got[i], leaves[i] = begin(t, c, o)
	}
	for i := range leaves {
		leaves[i]()
		if err := <-got[i]; !errors.Is(err, context.Canceled) {
			t.Errorf("caller %d: %v", i, err)
		}
		time.Sleep(time.Duration(i) * 5 * time.Second)
	}
	if n := len(x.c.SMP().Store().All()) + len(x.p.SMP().Store().All()); n != 0 {
		t.Errorf("%d bonds", n)
	}
	if n := len(asked.ended); n != 1 {
		t.Errorf("asked %d times, want once, for who was there after the pause", n)
	}
	x.unlink(c, p)
}

func TestWishEndsWithItsCaller(t *testing.T) { synctest.Test(t, testWishEndsWithItsCaller) }

// testWishEndsWithItsCaller lets a caller on a peripheral leave before the central has
// begun the pairing that it was asked for.
func testWishEndsWithItsCaller(t *testing.T) {
	s := newScripted(t, nil, sim.RawPeerConfig{Silent: true})
	c, l := s.peripheral()
	bonding := smp.AuthBonding | smp.AuthSecureConnections
	first, leaves := begin(t, c, &smp.PairOptions{MITM: true, Delegate: newUser(smp.DisplayYesNo, nil)})
	s.want(l, smp.SecurityRequest{Auth: bonding | smp.AuthMITM}, "the first")
	second, gives := begin(t, c, nil)
	encrypted := make(chan error, 1)
	go func() { encrypted <- c.SMP().Encrypt(t.Context()) }()
	s.want(l, nil, "they wait for the first")
	leaves()
	<-first
	s.want(l, smp.SecurityRequest{Auth: bonding}, "the second")
	say(l, smp.PairingRequest(plain))
	if r, ok := s.next(l).(smp.PairingResponse); !ok || r.IO != smp.NoInputNoOutput {
		t.Errorf("the response is %+v, want that of the second", r)
	}
	say(l, smp.PairingFailed{Reason: smp.ReasonUnspecified})
	wantReason(t, <-second, smp.ReasonUnspecified, false)
	wantReason(t, <-encrypted, smp.ReasonUnspecified, false)

	// Callers of Encrypt wait on.
	first, leaves = begin(t, c, nil)
	s.want(l, smp.SecurityRequest{Auth: bonding}, "again")
	go func() { encrypted <- c.SMP().Encrypt(t.Context()) }()
	synctest.Wait()
	begun := time.Now()
	leaves()
	<-first
	if err := <-encrypted; !errors.Is(err, smp.ErrTimeout) || time.Since(begun) > 30*time.Second {
		t.Errorf("Encrypt: %v after %v", err, time.Since(begun))
	}
	gives()
	l.Disconnect(hci.StatusRemoteUserTerminated)
	<-c.Done()
}

func TestPairWhileSaving(t *testing.T) { synctest.Test(t, testPairWhileSaving) }

// slow is a Store that takes a while to save.
type slow struct{ smp.Store }

func (s slow) Save(b *smp.Bond) error {
	time.Sleep(5 * time.Second)
	return s.Store.Save(b)
}

// testPairWhileSaving calls Pair while the bond of a pairing is being written that does
// not satisfy the caller.
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

func TestWhoLeftWhileSavingGetsNoPairing(t *testing.T) {
	synctest.Test(t, testWhoLeftWhileSavingGetsNoPairing)
}

// testWhoLeftWhileSavingGetsNoPairing lets a caller that waits for the end of a pairing
// leave while the bond is being written.
func testWhoLeftWhileSavingGetsNoPairing(t *testing.T) {
	x := newPair(t, &smp.Config{Store: keep(func(l smp.Local) (smp.Store, error) {
		s, err := smp.Memory()(l)
		return slow{s}, err
	})}, &smp.Config{Delegate: newUser(smp.DisplayYesNo, nil)})
	c, p := x.link()
	first, _ := begin(t, c, nil)
	second, leaves := begin(t, c, &smp.PairOptions{Replace: true, Delegate: newUser(smp.DisplayYesNo, nil)})
	time.Sleep(4 * time.Second)
	if s := c.SMP().Security(); !s.Encrypted || s.Bonded {
		t.Fatalf("security %+v: nothing is being written", s)
	}
	leaves()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	synctest.Wait()
	// If a pairing were under way, this call would join it, and the user be asked.
	if _, err := c.SMP().Pair(t.Context(), nil); !errors.Is(err, smp.ErrBonded) {
		t.Errorf("a pairing goes on: %v", err)
	}
	time.Sleep(time.Minute)
	if n := strings.Count(x.logs.text(), "pairing failed"); n != 0 {
		t.Errorf("%d pairings were begun for nobody", n)
	}
	x.unlink(c, p)
}
