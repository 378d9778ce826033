package smp_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

// strangersBonds fills a Store with bonds of n strangers.
func strangersBonds(t *testing.T, s smp.Store, n int) {
	t.Helper()
	for i := range n {
		if err := s.Save(sampleBond(hci.Addr{MAC: hci.MAC{byte(i), byte(i >> 8), 1, 1, 1, 0xC0}, Kind: hci.AddrRandom})); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMaxBonds(t *testing.T) {
	for _, tt := range []struct{ max, have int }{{0, 256}, {3, 3}} {
		t.Run(fmt.Sprint(tt.max), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testMaxBonds(t, tt.max, tt.have) })
		})
	}
}

// testMaxBonds has a central pair with a host whose Store is full, and with one that has
// room for one bond.
func testMaxBonds(t *testing.T, limit, have int) {
	x := newPair(t, nil, &smp.Config{MaxBonds: limit})
	strangersBonds(t, x.p.SMP().Store(), have)
	c, p := x.link()
	_, err := c.SMP().Pair(t.Context(), nil)
	wantReason(t, err, smp.ReasonPairingNotSupported, false)
	if got := len(x.p.SMP().Store().All()); got != have {
		t.Errorf("%d bonds, want %d", got, have)
	}
	time.Sleep(time.Second)
	if r, err := c.SMP().Pair(t.Context(), &smp.PairOptions{DisableBonding: true}); err != nil || r.Bond != nil {
		t.Errorf("a pairing without a bond: %+v, %v", r, err)
	}
	x.unlink(c, p)
	if err := x.p.SMP().Store().Remove(x.p.SMP().Store().All()[0].Peer); err != nil {
		t.Fatal(err)
	}
	x.bond()
	if got := len(x.p.SMP().Store().All()); got != have {
		t.Errorf("%d bonds after another one has made room, want %d", got, have)
	}
	// The peer of a bond may replace it, however many there are.
	c, p = x.link()
	if err := c.SMP().Encrypt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SMP().Pair(t.Context(), &smp.PairOptions{Replace: true}); err != nil {
		t.Errorf("a bonded central pairs again: %v", err)
	}
	x.unlink(c, p)
}

func TestMaxBondsOnRequest(t *testing.T) { synctest.Test(t, testMaxBondsOnRequest) }

// testMaxBondsOnRequest lets both roles of a host with a full Store pair: the bound does
// not apply to what the program asks for, and does to a Security Request of the peer.
func testMaxBondsOnRequest(t *testing.T) {
	x := newPair(t, &smp.Config{MaxBonds: 1}, nil)
	strangersBonds(t, x.c.SMP().Store(), 1)
	c, p := x.link()
	_, err := p.SMP().Pair(t.Context(), nil)
	wantReason(t, err, smp.ReasonPairingNotSupported, false)
	if !c.SMP().SecurityRefused() {
		t.Error("the refusal of the Security Request is not reported")
	}
	if _, err := c.SMP().Pair(t.Context(), nil); err != nil {
		t.Errorf("a pairing of the program: %v", err)
	}
	x.unlink(c, p)
	if got := len(x.c.SMP().Store().All()); got != 2 {
		t.Errorf("%d bonds, want 2", got)
	}
}

func TestMaxBondsWithManyLinks(t *testing.T) { synctest.Test(t, testMaxBondsWithManyLinks) }

// testMaxBondsWithManyLinks has two centrals pair at the same time with a host that has
// room for one bond.
func testMaxBondsWithManyLinks(t *testing.T) {
	x := newPair(t, nil, &smp.Config{MaxBonds: 1})
	other := &pair{t: t, air: x.air, ctl: x.air.NewController(nil), p: x.p, logs: x.logs}
	other.c = other.open(other.ctl, &smp.Config{})
	if err := x.p.Advertise(t.Context(), &controller.AdvertiseOptions{MaxLinks: 2}); err != nil {
		t.Fatal(err)
	}
	c1, _ := x.link()
	c2, _ := other.link()
	errs := make(chan error, 2)
	for _, c := range []*smp.Machine{c1.SMP(), c2.SMP()} {
		go func() { _, err := c.Pair(t.Context(), nil); errs <- err }()
	}
	failed := 0
	for range 2 {
		if err := <-errs; err != nil {
			failed++
		}
	}
	synctest.Wait()
	if got := len(x.p.SMP().Store().All()); got != 1 {
		t.Errorf("%d bonds and %d failures, want 1 and 1", got, failed)
	}
}
