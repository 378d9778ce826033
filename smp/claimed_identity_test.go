package smp_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

// claimed is an identity address that no device of these tests uses on air.
var claimed = hci.Addr{MAC: hci.MAC{1, 2, 3, 4, 5, 0xC6}, Kind: hci.AddrRandom}

func TestClaimedIdentity(t *testing.T) { synctest.Test(t, testClaimedIdentity) }

// testClaimedIdentity pairs with a peripheral that uses its public address on air and
// states another identity address: a device with a defect, or one that claims the
// identity of a third device.
func testClaimedIdentity(t *testing.T) {
	x := newPair(t, nil, &smp.Config{Identity: claimed})
	onAir := x.p.Controller().Info().Address
	c, p := x.link()
	r, err := c.SMP().Pair(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Bond == nil || r.Bond.Peer != onAir || !r.Bond.IRK.IsZero() {
		t.Errorf("the bond is %+v, want one with %v and without an identity resolving key", r.Bond, onAir)
	}
	if got := c.SMP().Peer(); got != onAir {
		t.Errorf("the peer counts as %v, want %v", got, onAir)
	}
	if b, ok := x.c.SMP().Find(claimed); ok {
		t.Errorf("the claimed identity has the bond %+v", b)
	}
	if !strings.Contains(x.logs.text(), "identity address of the peer ignored") {
		t.Error("the log does not mention the claim")
	}
	x.unlink(c, p)
	again, err := x.c.Connect(t.Context(), onAir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := again.SMP().Security(); !s.Encrypted || !s.Bonded {
		t.Errorf("the next link has %+v, want the bond to encrypt it", s)
	}
	if _, err := again.SMP().Pair(t.Context(), &smp.PairOptions{Replace: true}); err != nil {
		t.Errorf("replacing the bond: %v", err)
	}
}

func TestClaimedIdentityOfBondedDevice(t *testing.T) {
	synctest.Test(t, testClaimedIdentityOfBondedDevice)
}

// testClaimedIdentityOfBondedDevice claims the identity of a device that has a bond. The
// pairing succeeds under the address on air, and the bond of the other device stays.
func testClaimedIdentityOfBondedDevice(t *testing.T) {
	x := newPair(t, nil, &smp.Config{Identity: claimed})
	old := sampleBond(claimed)
	if err := x.c.SMP().Store().Save(old); err != nil {
		t.Fatal(err)
	}
	x.bond()
	if b, _ := x.c.SMP().Find(claimed); b != old {
		t.Errorf("the bond of the other device is now %+v", b)
	}
	if _, ok := x.c.SMP().Find(x.p.Controller().Info().Address); !ok {
		t.Error("no bond with the address on air")
	}
}
