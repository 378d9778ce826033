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

// full is a Store with a full disk.
type full struct{ smp.Store }

var errFull = errors.New("no space left")

func (full) Save(*smp.Bond) error { return errFull }

func TestBondThatCannotBeSaved(t *testing.T) { synctest.Test(t, testBondThatCannotBeSaved) }

func testBondThatCannotBeSaved(t *testing.T) {
	x := newPair(t, &smp.Config{Store: func(l smp.Local) (smp.Store, error) {
		s, err := smp.Memory()(l)
		return full{s}, err
	}}, nil)
	c, p := x.link()
	if _, err := c.SMP().Pair(t.Context(), nil); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
	if s := c.SMP().Security(); !s.Encrypted || s.Bonded {
		t.Errorf("security %+v, want an encrypted link without a bond", s)
	}
	x.unlink(c, p)
}

func TestCreditsThatNeverCome(t *testing.T) { synctest.Test(t, testCreditsThatNeverCome) }

// testCreditsThatNeverCome has a controller that does not report that the last keys were
// sent: the pairing still succeeds, after 30 s.
func testCreditsThatNeverCome(t *testing.T) {
	x := newPair(t, nil, nil)
	c, p := x.link()
	x.ctl.Fault(sim.CreditFault{Withhold: true})
	begin := time.Now()
	r, err := c.SMP().Pair(t.Context(), nil)
	if err != nil || r.Bond == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if d := time.Since(begin); d < 30*time.Second || d > 31*time.Second {
		t.Errorf("took %v", d)
	}
	x.unlink(c, p)
}

func TestPrivacyKeyIsGivenOnlyWhereItIsOfUse(t *testing.T) {
	synctest.Test(t, testPrivacyKeyIsGivenOnlyWhereItIsOfUse)
}

func testPrivacyKeyIsGivenOnlyWhereItIsOfUse(t *testing.T) {
	for _, private := range []bool{false, true} {
		x := newPair(t, &smp.Config{Privacy: private}, nil)
		x.bond()
		synctest.Wait()
		b, ok := x.p.SMP().Find(x.c.Controller().Info().Address)
		if !ok || b.IRK.IsZero() == private || private && b.IRK != x.c.SMP().Identity().IRK {
			t.Errorf("private %v: has a key %v", private, ok && !b.IRK.IsZero())
		}
		if b, ok := x.c.SMP().Find(x.p.Controller().Info().Address); !ok || b.GaveIRK != private {
			t.Errorf("private %v: the bond says that the key was given: %v", private, ok && b.GaveIRK)
		}
		x.air.Close()
	}
}

func TestUpgradeOfABond(t *testing.T) { synctest.Test(t, testUpgradeOfABond) }

// testUpgradeOfABond pairs again on a link that is encrypted with the bond: the peer may
// replace the bond by a stronger one, but not by a weaker one.
func testUpgradeOfABond(t *testing.T) {
	x := newPair(t, nil, nil)
	x.bond()
	screen := make(chan smp.Passkey, 2)
	compare := func() smp.Delegate { return newUser(smp.DisplayYesNo, screen) }
	find := func() *smp.Bond {
		synctest.Wait()
		b, _ := x.p.SMP().Find(x.c.Controller().Info().Address)
		return b
	}
	again := func(o *smp.PairOptions, peripheral smp.Delegate) error {
		x.pcfg.Delegate = peripheral
		x.peer.Unplug()
		<-x.p.Done()
		x.p = x.open(x.peer.Plug(), &x.pcfg)
		x.advertise()
		c, err := x.c.Connect(t.Context(), x.p.Controller().Info().Address, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.SMP().Pair(t.Context(), o)
		synctest.Wait()
		return err
	}
	plain := find()
	if err := again(&smp.PairOptions{Replace: true, Delegate: compare()}, compare()); err != nil {
		t.Fatal(err)
	}
	better := find()
	if better == plain || !better.Authenticated {
		t.Errorf("bond %+v", better)
	}
	wantReason(t, again(&smp.PairOptions{Replace: true}, compare()), smp.ReasonAuthenticationRequirements, false)
	if b, _ := x.c.SMP().Find(x.p.Controller().Info().Address); !b.Authenticated {
		t.Error("the central has the worse bond now")
	}
	if got := find(); got != better {
		t.Errorf("replaced by %+v", got)
	}
}

func TestSecondRequestWhilePairing(t *testing.T) { synctest.Test(t, testSecondRequestWhilePairing) }

func testSecondRequestWhilePairing(t *testing.T) {
	s := newScripted(t, nil, sim.RawPeerConfig{})
	c, l := s.central()
	got := make(chan error, 2)
	pair := func() { _, err := c.SMP().Pair(t.Context(), nil); got <- err }
	go pair()
	s.next(l)
	go pair()
	s.want(l, nil, "the second Pair joins the first")
	say(l, smp.SecurityRequest{}) // changes nothing: it is what goes on
	say(l, smp.PairingRequest(plain))
	wantReason(t, <-got, smp.ReasonUnspecified, true)
	wantReason(t, <-got, smp.ReasonUnspecified, true)
	s.want(l, smp.PairingFailed{Reason: smp.ReasonUnspecified}, "a request in the middle")
	s.want(l, nil, "the same is not tried again")
	l.Disconnect(hci.StatusRemoteUserTerminated)
	<-c.Done()
}
