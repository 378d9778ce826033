package smp_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

func TestIdentityTheftWhileSaving(t *testing.T) { synctest.Test(t, testIdentityTheftWhileSaving) }

// testIdentityTheftWhileSaving lets a second central, which uses a private address, claim
// the identity of the first one while the bond with the first is being written.
func testIdentityTheftWhileSaving(t *testing.T) {
	screen := make(chan smp.Passkey, 2)
	x := newPair(t, &smp.Config{Delegate: newUser(smp.DisplayYesNo, screen)}, &smp.Config{
		Delegate: newUser(smp.DisplayYesNo, screen),
		Store: keep(func(l smp.Local) (smp.Store, error) {
			s, err := smp.Memory()(l)
			return slow{s}, err
		}),
	})
	c, p := x.link()
	if _, err := c.SMP().Pair(t.Context(), &smp.PairOptions{MITM: true}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	owner := x.c.SMP().Identity().Addr
	if n := len(x.p.SMP().Store().All()); n > 0 {
		t.Fatalf("%d bonds are saved: this tests nothing", n)
	}
	before, ok := x.p.SMP().Find(owner)
	if !ok || !before.Authenticated {
		t.Fatalf("the bond that is being saved: %+v, %v", before, ok)
	}
	x.unlink(c, p)
	x.c = x.open(x.air.NewController(nil), &smp.Config{Identity: owner, Privacy: true})
	tc, tp := x.link()
	_, _ = tc.SMP().Pair(t.Context(), nil) // the last word is the peripheral's
	time.Sleep(20 * time.Second)
	if got, _ := x.p.SMP().Store().Find(owner); got != before || tp.SMP().Security().Bonded {
		t.Errorf("the bond became %+v, and the thief has %+v", got, tp.SMP().Security())
	}
	x.unlink(tc, tp)
}

// stopped is a Store that reports the beginning of each Save, and then waits.
type stopped struct {
	smp.Store
	begun, goOn chan struct{}
}

func (s stopped) Save(b *smp.Bond) error {
	s.begun <- struct{}{}
	<-s.goOn
	return s.Store.Save(b)
}

func TestRemovedBondStaysAway(t *testing.T) { synctest.Test(t, testRemovedBondStaysAway) }

// testRemovedBondStaysAway removes a bond while it is being written: for the first time,
// and for a new counter.
func testRemovedBondStaysAway(t *testing.T) {
	var store stopped
	var m *smp.Manager
	var changes atomic.Int32
	x := newPair(t, &smp.Config{
		Signing: true,
		Store: keep(func(l smp.Local) (smp.Store, error) {
			s, err := smp.Memory()(l)
			store = stopped{s, make(chan struct{}), make(chan struct{})}
			return store, err
		}),
		Changed: func(peer hci.Addr, b *smp.Bond) {
			// Config.Changed may change bonds itself.
			if n := changes.Add(1); b != nil && n > 4 {
				if err := m.Store().Remove(peer); err != nil {
					t.Error(err)
				}
			}
		},
	}, &smp.Config{Signing: true, AllowRepair: true})
	m = x.c.SMP()
	peer := x.p.Controller().Info().Address
	remove := func(when string) {
		t.Helper()
		removed := make(chan error, 1)
		go func() { removed <- m.Store().Remove(peer) }()
		synctest.Wait()
		store.goOn <- struct{}{}
		if err := <-removed; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if b, ok := m.Find(peer); ok {
			t.Errorf("%s: the bond is back: %+v", when, b)
		}
	}
	c, p := x.link()
	go func() { _, _ = c.SMP().Pair(t.Context(), nil) }()
	<-store.begun
	remove("while it is saved")
	x.unlink(c, p)

	c, p = x.link()
	go func() { _, _ = c.SMP().Pair(t.Context(), nil) }()
	<-store.begun
	store.goOn <- struct{}{}
	synctest.Wait()
	go func() { _, _ = c.SMP().Sign(t.Context(), []byte("x")) }()
	<-store.begun
	remove("while its counter is saved")
	x.unlink(c, p)

	c, p = x.link()
	go func() { _, _ = c.SMP().Pair(t.Context(), nil) }()
	<-store.begun
	store.goOn <- struct{}{}
	synctest.Wait()
	if _, ok := m.Find(peer); ok || changes.Load() != 6 {
		t.Errorf("removed by who heard of it: found %v, %d changes", ok, changes.Load())
	}
	x.unlink(c, p)
}

func TestDamagedBondIsNotReplacedByJoining(t *testing.T) {
	synctest.Test(t, testDamagedBondIsNotReplacedByJoining)
}

// testDamagedBondIsNotReplacedByJoining has a damaged bond, whose peer uses a private
// address that cannot be resolved. Two callers without PairOptions.Replace must not
// replace the bond, though one of them waits for the pairing of the other.
func testDamagedBondIsNotReplacedByJoining(t *testing.T) {
	x := newPair(t, nil, &smp.Config{Privacy: true})
	peer := x.p.SMP().Identity().Addr
	damaged := &smp.Bond{Peer: peer, Damaged: smp.ErrBondDamaged}
	if err := x.c.SMP().Store().Save(damaged); err != nil {
		t.Fatal(err)
	}
	c, p := x.link()
	got := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := c.SMP().Pair(t.Context(), &smp.PairOptions{Delegate: smp.NoInput{}})
			got <- err
		}()
	}
	for range 2 {
		if err := <-got; !errors.Is(err, smp.ErrBondDamaged) {
			t.Errorf("got %v, want %v", err, smp.ErrBondDamaged)
		}
	}
	time.Sleep(time.Minute) // the peripheral wants a pause
	if b, _ := x.c.SMP().Find(peer); b != damaged {
		t.Errorf("the bond became %+v", b)
	}
	x.unlink(c, p)
}

func TestReplaceIsNotFoiledByAnother(t *testing.T) {
	synctest.Test(t, testReplaceIsNotFoiledByAnother)
}

// testReplaceIsNotFoiledByAnother lets a caller with Replace wait for the pairing of a
// caller without. When that fails, the first must begin its own.
func testReplaceIsNotFoiledByAnother(t *testing.T) {
	s := newScripted(t, nil, sim.RawPeerConfig{})
	c, l := s.central()
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := c.SMP().Pair(t.Context(), nil); first <- err }()
	if _, ok := s.next(l).(smp.PairingRequest); !ok {
		t.Fatal("no Pairing Request")
	}
	go func() { _, err := c.SMP().Pair(t.Context(), &smp.PairOptions{Replace: true}); second <- err }()
	synctest.Wait()
	say(l, smp.PairingFailed{Reason: smp.ReasonPairingNotSupported})
	wantReason(t, <-first, smp.ReasonPairingNotSupported, false)
	time.Sleep(2 * time.Second) // the peer is given a pause
	if _, ok := s.next(l).(smp.PairingRequest); !ok {
		t.Error("the failure of one without Replace is taken for that of one with it")
	}
	say(l, smp.PairingFailed{Reason: smp.ReasonPairingNotSupported})
	wantReason(t, <-second, smp.ReasonPairingNotSupported, false)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestEveryDelegateIsAsked(t *testing.T) { synctest.Test(t, testEveryDelegateIsAsked) }

// testEveryDelegateIsAsked has two callers with a Delegate each. Both must be asked:
// neither user sees what the other one sees.
func testEveryDelegateIsAsked(t *testing.T) {
	screen := make(chan smp.Passkey, 1)
	x := newPair(t, nil, &smp.Config{Delegate: newUser(smp.DisplayYesNo, screen), AllowRepair: true})
	c, p := x.link()
	users := [2]*user{newUser(smp.DisplayYesNo, screen), newUser(smp.DisplayYesNo, screen)}
	got := make(chan error, 2)
	for _, u := range users {
		go func() {
			_, err := c.SMP().Pair(t.Context(), &smp.PairOptions{MITM: true, Delegate: u})
			got <- err
		}()
	}
	for range 2 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	synctest.Wait()
	for i, u := range users {
		if len(u.ended) != 1 {
			t.Errorf("user %d was asked %d times", i, len(u.ended))
		}
	}
	x.unlink(c, p)
}
