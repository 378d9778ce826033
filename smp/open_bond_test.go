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

func TestBondOfBeforePrivacy(t *testing.T) { synctest.Test(t, testBondOfBeforePrivacy) }

// testBondOfBeforePrivacy bonds under the identity address, and comes back under a private
// address that the peer cannot resolve.
func testBondOfBeforePrivacy(t *testing.T) {
	x := newPair(t, nil, nil)
	x.bond()
	synctest.Wait()
	before, _ := x.c.SMP().Find(x.p.Controller().Info().Address)
	if err := x.c.Close(); err != nil {
		t.Fatal(err)
	}
	x.ccfg.Privacy = true
	x.c = x.open(x.ctl.Plug(), &x.ccfg)
	c, p := x.link()
	time.Sleep(time.Second)
	if err := c.SMP().Encrypt(t.Context()); !errors.Is(err, smp.ErrOpenBond) || errors.Is(err, smp.ErrBondLost) {
		t.Errorf("Encrypt: %v", err)
	}
	if _, err := c.SMP().Pair(t.Context(), nil); !errors.Is(err, smp.ErrBonded) {
		t.Errorf("Pair: %v", err)
	}
	// To the peripheral this host is unknown, and no pairing begins by itself.
	_, err := p.SMP().Pair(t.Context(), nil)
	wantReason(t, err, smp.ReasonPairingNotSupported, false)
	if s := c.SMP().Security(); s.Encrypted || !s.Bonded {
		t.Errorf("security %+v", s)
	}
	if b, _ := x.c.SMP().Find(before.Peer); b != before {
		t.Errorf("the bond became %+v", b)
	}
	x.unlink(c, p)

	// The peripheral must have removed its bond. Otherwise it would refuse an unknown
	// device that claims the identity of a bonded one.
	if err := x.p.SMP().Store().Remove(x.c.SMP().Identity().Addr); err != nil {
		t.Fatal(err)
	}
	c, p = x.link()
	if err := c.SMP().Encrypt(t.Context()); !errors.Is(err, smp.ErrOpenBond) {
		t.Errorf("Encrypt: %v", err)
	}
	if _, err := c.SMP().Pair(t.Context(), &smp.PairOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	x.unlink(c, p)
	c, p = x.link()
	if err := c.SMP().Encrypt(t.Context()); err != nil {
		t.Error(err)
	}
	x.unlink(c, p)
}

func TestOpenBondOfAPeripheral(t *testing.T) { synctest.Test(t, testOpenBondOfAPeripheral) }

// testOpenBondOfAPeripheral is a bonded central that connects to a private address of
// this host, and wants to pair.
func testOpenBondOfAPeripheral(t *testing.T) {
	s := newScripted(t, &smp.Config{Privacy: true}, sim.RawPeerConfig{Silent: true})
	key := &smp.LongTermKey{Key: smp.Key{1}}
	if err := s.c.SMP().Store().Save(&smp.Bond{Peer: s.raw.Address(), KeySize: 16, Central: key, Peripheral: key}); err != nil {
		t.Fatal(err)
	}
	if err := s.c.Advertise(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	own, err := s.c.Controller().OwnAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.raw.Connect(t.Context(), own, slowParams)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.c.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SMP().Encrypt(t.Context()); !errors.Is(err, smp.ErrOpenBond) {
		t.Errorf("Encrypt: %v", err)
	}
	s.want(l, nil, "it could not know which key is meant")
	say(l, smp.PairingRequest(plain))
	s.want(l, smp.PairingFailed{Reason: smp.ReasonPairingNotSupported}, "the bond is kept")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenBondIsTried(t *testing.T) { synctest.Test(t, testOpenBondIsTried) }

// testOpenBondIsTried has peers without the key to this host's private addresses. They
// may find the right key all the same: by EDIV and Rand of legacy pairing, or because
// they have only one bond.
func testOpenBondIsTried(t *testing.T) {
	for name, key := range map[string]smp.LongTermKey{
		"by its name":  {Key: smp.Key{1}, EDIV: 0x1234, Rand: [8]byte{9}},
		"the only one": {Key: smp.Key{1}},
	} {
		for _, end := range []string{"has it", "has none", "has none, and ends the link"} {
			s := newScripted(t, &smp.Config{Privacy: true}, sim.RawPeerConfig{Key: func(rand [8]byte, ediv uint16) ([16]byte, bool) {
				return key.Key, end == "has it" && rand == key.Rand && ediv == key.EDIV
			}})
			if err := s.c.SMP().Store().Save(&smp.Bond{Peer: s.raw.Address(), KeySize: 16, Central: &key}); err != nil {
				t.Fatal(err)
			}
			c, l := s.central()
			if end == "has none, and ends the link" {
				l.Disconnect(hci.StatusKeyMissing)
				<-c.Done()
			}
			err := c.SMP().Encrypt(t.Context())
			if end == "has it" && (err != nil || !c.SMP().Security().Bonded) {
				t.Errorf("%s: %v, %+v", name, err, c.SMP().Security())
			}
			if end != "has it" && (!errors.Is(err, smp.ErrOpenBond) || errors.Is(err, smp.ErrBondLost)) {
				t.Errorf("%s, %s: %v", name, end, err)
			}
			s.air.Close()
		}
	}
}
