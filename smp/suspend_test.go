package smp_test

import (
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/smp"
)

// TestSuspendedBond makes a link that the bond does not encrypt, and pairs on it.
func TestSuspendedBond(t *testing.T) { synctest.Test(t, testSuspendedBond) }

func testSuspendedBond(t *testing.T) {
	x := newPair(t, nil, &smp.Config{AllowRepair: true})
	x.bond()
	old := x.c.SMP().Store().All()[0]
	resume := x.c.SMP().SuspendBond(old.Peer)
	again := x.c.SMP().SuspendBond(old.Peer)
	again()
	again() // once
	c, p := x.link()
	resume()
	synctest.Wait()
	if s := c.SMP().Security(); s.Encrypted || !s.Bonded {
		t.Errorf("security %+v, want a bond that does not encrypt", s)
	}
	r, err := c.SMP().Pair(t.Context(), &smp.PairOptions{Replace: true})
	if err != nil || r.Bond == nil || r.Bond.Central.Key == old.Central.Key {
		t.Fatalf("%+v, %v, want a new bond", r, err)
	}
	x.unlink(c, p)

	c, p = x.link()
	if err := c.SMP().Encrypt(t.Context()); err != nil || !c.SMP().Security().Bonded {
		t.Errorf("with the new bond: %v, %+v", err, c.SMP().Security())
	}
	x.unlink(c, p)
}
