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

func TestPrivateAddresses(t *testing.T) {
	for name, cc := range map[string]*sim.ControllerConfig{
		"resolved by the controller": nil,
		"resolved by the host":       {ResolvingListSize: -1},
		"list too short":             {ResolvingListSize: 1},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testPrivateAddresses(t, cc) }) })
	}
}

// testPrivateAddresses has a bonded sensor that changes its address. The host must
// recognize it under each address, and encrypt.
func testPrivateAddresses(t *testing.T, cc *sim.ControllerConfig) {
	irk, key := smp.Key{1, 2, 3, 4}, &smp.LongTermKey{Key: smp.Key{5, 6, 7}}
	s := &scripted{pair: &pair{t: t, air: sim.New(&sim.Config{Seed: 1}), logs: &logs{}}}
	defer s.air.Close()
	s.ctl = s.air.NewController(cc)
	s.ccfg = smp.Config{Store: keep(smp.Memory())}
	first := s.open(s.ctl, &s.ccfg)
	identity := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}
	for _, b := range []*smp.Bond{
		{Peer: peerB, KeySize: 16, IRK: smp.Key{9}}, // comes first on the list
		{Peer: identity, KeySize: 16, IRK: irk, Central: key, Peripheral: key, SecureConnections: true},
		{Peer: peerA, KeySize: 16, Central: key}, // no private addresses
	} {
		if err := first.SMP().Store().Save(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s.ctl.Unplug()
	s.c = s.open(s.ctl.Plug(), &s.ccfg) // takes the bonds to the controller

	s.raw = s.air.NewRawPeer(&sim.RawPeerConfig{
		Address: smp.NewPrivateAddress(irk),
		Key:     func([8]byte, uint16) ([16]byte, bool) { return key.Key, true },
	})
	for range 3 {
		private := smp.NewPrivateAddress(irk)
		s.raw.SetAdvertising(false)
		s.raw.SetAddress(private)
		s.raw.SetAdvertising(true)
		dial := private
		if cc == nil {
			dial = identity
		} else if got, ok := s.c.SMP().Resolve(private); !ok || got != identity {
			t.Errorf("%v is %v, %v, want %v", private, got, ok, identity)
		}
		c, err := s.c.Connect(t.Context(), dial, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.SMP().Peer() != identity || c.SMP().Security().Level() != smp.LevelEncrypted {
			t.Errorf("%v is %v, %+v", private, c.SMP().Peer(), c.SMP().Security())
		}
		if own, air := c.Link().OnAir(); air != private || own != s.ctl.Address() {
			t.Errorf("on the air %v and %v, want %v and %v", own, air, s.ctl.Address(), private)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
	}
	if _, ok := s.c.SMP().Resolve(smp.NewPrivateAddress(smp.Key{77})); ok {
		t.Error("a stranger is known")
	}
}

func TestOwnPrivateAddress(t *testing.T) { synctest.Test(t, testOwnPrivateAddress) }

// testOwnPrivateAddress bonds two hosts, one of which uses a private address. The other
// must recognize it under a later address.
func testOwnPrivateAddress(t *testing.T) {
	x := newPair(t, nil, nil)
	m, err := smp.NewManager(smp.Local{Addr: hci.Addr{MAC: hci.MAC{1, 0, 0, 0, 0, 0xFF}, Kind: hci.AddrRandom}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := m.NewAddress()
	if id := m.Identity(); !smp.Resolves(id.IRK, own) || smp.Resolves(smp.Key{1}, own) {
		t.Errorf("%v is not an address of %v", own, id.Addr)
	}
	if _, err := smp.NewManager(smp.Local{Addr: own}, nil); err == nil {
		t.Error("a private address was taken as identity")
	}
	for _, cfg := range []smp.Config{{MinKeySize: 6}, {MinKeySize: 17}, {MinKeySize: -1}, {DisableSecureConnections: true}, {FixedPasskey: new(smp.Passkey(1_000_000))}} {
		if _, err := smp.NewManager(smp.Local{}, &cfg); err == nil {
			t.Errorf("taken: %+v", cfg)
		}
	}
	x.air.Close()
}

func TestIdentityTheft(t *testing.T) { synctest.Test(t, testIdentityTheft) }

// testIdentityTheft is a peripheral that pairs under a private address, and then claims
// the identity of another bonded device.
func testIdentityTheft(t *testing.T) {
	thief := hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}
	x := newPair(t, nil, &smp.Config{Identity: thief, Privacy: true})
	b := sampleBond(thief)
	if err := x.c.SMP().Store().Save(b); err != nil {
		t.Fatal(err)
	}
	c, p := x.link()
	_, err := c.SMP().Pair(t.Context(), nil)
	wantReason(t, err, smp.ReasonAuthenticationRequirements, true)
	if got, _ := x.c.SMP().Find(thief); got != b {
		t.Error("the bond was replaced")
	}
	x.unlink(c, p)
}

func TestSignatures(t *testing.T) { synctest.Test(t, testSignatures) }

func testSignatures(t *testing.T) {
	x := newPair(t, &smp.Config{Signing: true}, &smp.Config{Signing: true})
	c, p := x.link()
	if _, err := c.SMP().Sign(t.Context(), []byte("x")); err == nil {
		t.Error("signed without a bond")
	}
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	pdu := []byte{0xD2, 3, 0, 1}
	for n := range byte(3) {
		s, err := c.SMP().Sign(t.Context(), pdu)
		if err != nil || s[0] != n {
			t.Fatalf("signature %d: % x, %v", n, s, err)
		}
		if err := p.SMP().Verify(t.Context(), []byte{0xD2, 3, 0, 2}, s); err == nil {
			t.Error("another PDU passes")
		}
		if err := c.SMP().Verify(t.Context(), pdu, s); err == nil {
			t.Error("our own signature passes as the peer's")
		}
		if err := p.SMP().Verify(t.Context(), pdu, s); err != nil {
			t.Error(err)
		}
		if err := p.SMP().Verify(t.Context(), pdu, s); err == nil {
			t.Error("a signature passes twice")
		}
	}
	b, _ := x.c.SMP().Find(c.SMP().Peer())
	last := *b
	last.LocalCounter = 1<<32 - 2
	if err := x.c.SMP().Store().Save(&last); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SMP().Sign(t.Context(), pdu); err != nil {
		t.Error(err)
	}
	if _, err := c.SMP().Sign(t.Context(), pdu); !errors.Is(err, smp.ErrNoSigningKey) {
		t.Errorf("with no counter left: %v", err)
	}
	x.unlink(c, p)
}
