package smp_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

func TestSecurityRequestOnAnEncryptedLink(t *testing.T) {
	synctest.Test(t, testSecurityRequestOnAnEncryptedLink)
}

// testSecurityRequestOnAnEncryptedLink sends Security Requests on an encrypted link. A
// peripheral without an answer must give up pairing on the link, so there has to be one:
// encryption with the bond or, without a bond, a refusal.
func testSecurityRequestOnAnEncryptedLink(t *testing.T) {
	x := newPair(t, nil, nil)
	x.bond()
	c, p := x.link()
	if err := c.SMP().Encrypt(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := p.SMP().Pair(t.Context(), &smp.PairOptions{Replace: true}); !errors.Is(err, smp.ErrBonded) {
		t.Errorf("with a bond: %v", err)
	}
	x.unlink(c, p)

	x = newPair(t, &smp.Config{DisableBonding: true}, nil)
	c, p = x.link()
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // else the peripheral may join what is about to end there
	if c.SMP().SecurityRefused() {
		t.Error("a Security Request was refused before there was one")
	}
	_, err := p.SMP().Pair(t.Context(), nil)
	wantReason(t, err, smp.ReasonPairingNotSupported, false)
	if !c.SMP().SecurityRefused() || p.SMP().SecurityRefused() {
		t.Error("the refused Security Request is not told")
	}
	for _, s := range []smp.Security{c.SMP().Security(), p.SMP().Security()} {
		if !s.Encrypted {
			t.Errorf("security %+v", s)
		}
	}
	x.unlink(c, p)
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestSecurityRequestRightAfterPairing(t *testing.T) {
	synctest.Test(t, testSecurityRequestRightAfterPairing)
}

// brief is a Store that is as slow as a disk.
type brief struct{ smp.Store }

func (s brief) Save(b *smp.Bond) error {
	time.Sleep(50 * time.Millisecond)
	return s.Store.Save(b)
}

// testSecurityRequestRightAfterPairing sends a Security Request while the central is
// still saving the new bond. The central then encrypts with that bond, or refuses if
// there is none.
func testSecurityRequestRightAfterPairing(t *testing.T) {
	for name, tt := range map[string]struct {
		central smp.Config
		joined  bool
		again   *smp.PairOptions
		want    error
	}{
		"once more":      {smp.Config{}, false, &smp.PairOptions{Replace: true}, smp.ErrBonded},
		"joined":         {smp.Config{}, true, &smp.PairOptions{MITM: true}, smp.ErrBonded},
		"without a bond": {smp.Config{DisableBonding: true}, false, nil, smp.ReasonPairingNotSupported},
	} {
		screen := make(chan smp.Passkey, 2)
		tt.central.Delegate = newUser(smp.DisplayYesNo, screen)
		tt.central.Store = keep(func(l smp.Local) (smp.Store, error) {
			s, err := smp.Memory()(l)
			return brief{s}, err
		})
		x := newPair(t, &tt.central, nil)
		c, p := x.link()
		first := make(chan error, 1)
		go func() { _, err := p.SMP().Pair(t.Context(), nil); first <- err }()
		if tt.joined {
			time.Sleep(100 * time.Millisecond)
		} else if err := <-first; err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := p.SMP().Pair(t.Context(), tt.again); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
		if tt.joined {
			if err := <-first; err != nil {
				t.Errorf("%s: the first got %v", name, err)
			}
		}
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("%s: it took %v", name, d)
		}
		for _, s := range []smp.Security{c.SMP().Security(), p.SMP().Security()} {
			if !s.Encrypted {
				t.Errorf("%s: security %+v", name, s)
			}
		}
		x.unlink(c, p)
		x.air.Close()
	}
}

func TestNewLinkWhileSaving(t *testing.T) { synctest.Test(t, testNewLinkWhileSaving) }

// testNewLinkWhileSaving makes a new link before the peripheral has saved its bond: the
// central has the key, and must not get ErrBondLost.
func testNewLinkWhileSaving(t *testing.T) {
	var store smp.Store
	x := newPair(t, &smp.Config{Privacy: true}, &smp.Config{Store: func(l smp.Local) (smp.Store, error) {
		s, err := smp.Memory()(l)
		store = slow{s}
		return store, err
	}})
	x.bond()
	if len(store.All()) > 0 {
		t.Fatal("the bond is saved: this tests nothing")
	}
	c, err := x.c.Connect(t.Context(), x.p.Controller().Info().Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := x.p.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if s := p.SMP().Security(); !s.Encrypted || !s.Bonded {
		t.Errorf("security %+v", s)
	}
	time.Sleep(10 * time.Second)
	if b, ok := x.p.SMP().Find(x.c.SMP().Identity().Addr); !ok || len(store.All()) != 1 || store.All()[0] != b {
		t.Errorf("saved %v, found %v", store.All(), ok)
	}
	x.unlink(c, p)
}

func TestCentralWantsToPairWhereNobodyMay(t *testing.T) {
	synctest.Test(t, testCentralWantsToPairWhereNobodyMay)
}

// testCentralWantsToPairWhereNobodyMay lets a bonded central pair instead of encrypting:
// it has lost the bond, even if the peripheral refuses all pairings.
func testCentralWantsToPairWhereNobodyMay(t *testing.T) {
	s := newScripted(t, &smp.Config{DisableIncoming: true}, sim.RawPeerConfig{Silent: true})
	key := &smp.LongTermKey{Key: smp.Key{1}}
	if err := s.c.SMP().Store().Save(&smp.Bond{Peer: s.raw.Address(), KeySize: 16, Central: key, Peripheral: key}); err != nil {
		t.Fatal(err)
	}
	c, l := s.peripheral()
	got := make(chan error, 1)
	go func() { got <- c.SMP().Encrypt(t.Context()) }()
	if _, ok := s.next(l).(smp.SecurityRequest); !ok {
		t.Fatal("no Security Request")
	}
	begin := time.Now()
	say(l, smp.PairingRequest(plain))
	s.want(l, smp.PairingFailed{Reason: smp.ReasonPairingNotSupported}, "refused")
	if err := <-got; !errors.Is(err, smp.ErrBondLost) || time.Since(begin) > 5*time.Second {
		t.Errorf("Encrypt got %v after %v", err, time.Since(begin))
	}
	l.Disconnect(hci.StatusRemoteUserTerminated)
	<-c.Done()
}

func TestPairingRequestWhileSaving(t *testing.T) { synctest.Test(t, testPairingRequestWhileSaving) }

// testPairingRequestWhileSaving has two callers, each with its own Delegate, on a central
// that saves its bond faster than the peripheral.
func testPairingRequestWhileSaving(t *testing.T) {
	screen := make(chan smp.Passkey, 1)
	x := newPair(t, nil, &smp.Config{Delegate: newUser(smp.DisplayYesNo, screen), Store: keep(func(l smp.Local) (smp.Store, error) {
		s, err := smp.Memory()(l)
		return slow{s}, err
	})})
	c, p := x.link()
	got := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := c.SMP().Pair(t.Context(), &smp.PairOptions{MITM: true, Delegate: newUser(smp.DisplayYesNo, screen)})
			got <- err
		}()
	}
	for range 2 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
	time.Sleep(10 * time.Second)
	cb, _ := x.c.SMP().Store().Find(x.p.Controller().Info().Address)
	pb, ok := x.p.SMP().Store().Find(x.c.Controller().Info().Address)
	if !ok || [16]byte(cb.Central.Key) != [16]byte(pb.Peripheral.Key) {
		t.Errorf("the bonds differ: %+v, %+v", cb, pb)
	}
	x.unlink(c, p)
}
