package smp_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// The tests of this file change the bond with a peer after a pairing and before its bond
// is saved: the Store is still saving another one.

// stuck is a Store whose Remove fails.
type stuck struct{ smp.Store }

func (stuck) Remove(hci.Addr) error { return errFull }

// paired is the result of Pair.
type paired struct {
	*smp.Result
	error
}

// crowded is a central that is about to pair. A change of a bond has to wait for 5 s, and
// the new bond waits for that change.
type crowded struct {
	*pair
	c, p *host.Conn
	peer hci.Addr
	got  chan paired
}

func newCrowded(t *testing.T, store func(smp.Store) smp.Store) *crowded {
	t.Helper()
	x := &crowded{got: make(chan paired, 1)}
	x.pair = newPair(t, &smp.Config{Store: keep(func(l smp.Local) (smp.Store, error) {
		s, err := smp.Memory()(l)
		return store(slow{s}), err
	})}, &smp.Config{AllowRepair: true})
	x.peer = x.pair.p.Controller().Info().Address
	x.c, x.p = x.link()
	go func() { _ = x.pair.c.SMP().Store().Save(sampleBond(peerB)) }()
	synctest.Wait()
	go func() {
		time.Sleep(time.Millisecond)
		r, err := x.c.SMP().Pair(t.Context(), nil)
		x.got <- paired{r, err}
	}()
	return x
}

// find returns the bond after all changes.
func (x *crowded) find() *smp.Bond {
	synctest.Wait()
	b, _ := x.pair.c.SMP().Find(x.peer)
	return b
}

func TestFailedRemoveRemovesNothing(t *testing.T) { synctest.Test(t, testFailedRemoveRemovesNothing) }

func testFailedRemoveRemovesNothing(t *testing.T) {
	x := newCrowded(t, func(s smp.Store) smp.Store { return stuck{s} })
	if err := x.pair.c.SMP().Store().Remove(x.peer); !errors.Is(err, errFull) {
		t.Errorf("Remove: %v", err)
	}
	r := <-x.got
	if b := x.find(); r.error != nil || b == nil || r.Bond != b || !x.c.SMP().Security().Bonded {
		t.Errorf("Pair: %+v, %v, found %+v", r.Result, r.error, b)
	}
	x.unlink(x.c, x.p)
}

func TestRemovedBondIsNoResult(t *testing.T) { synctest.Test(t, testRemovedBondIsNoResult) }

// testRemovedBondIsNoResult removes the bond before it is saved: the Result of Pair must
// not have it.
func testRemovedBondIsNoResult(t *testing.T) {
	x := newCrowded(t, func(s smp.Store) smp.Store { return s })
	if err := x.pair.c.SMP().Store().Remove(x.peer); err != nil {
		t.Error(err)
	}
	x.wantNotKept(<-x.got)
	if b := x.find(); b != nil {
		t.Errorf("the bond is back: %+v", b)
	}
	// There is no bond left that Pair would refuse to replace.
	if r, err := x.c.SMP().Pair(t.Context(), nil); err != nil || r.Bond == nil || r.Bond != x.find() || !r.Security.Bonded {
		t.Errorf("again: %+v, %v", r, err)
	}
	x.unlink(x.c, x.p)
}

// wantNotKept fails the test unless a pairing has encrypted the link without a bond.
func (x *crowded) wantNotKept(r paired) {
	x.t.Helper()
	if r.error != nil || r.Bond != nil || r.Security.Bonded || !r.Security.Encrypted || r.Security != x.c.SMP().Security() {
		x.t.Errorf("Pair: %+v, %v; the link has %+v", r.Result, r.error, x.c.SMP().Security())
	}
}

func TestNewerBondStays(t *testing.T) { synctest.Test(t, testNewerBondStays) }

// testNewerBondStays saves a bond, for example from a backup, while an older one waits to
// be saved.
func testNewerBondStays(t *testing.T) {
	x := newCrowded(t, func(s smp.Store) smp.Store { return s })
	newer := sampleBond(x.peer)
	if err := x.pair.c.SMP().Store().Save(newer); err != nil {
		t.Fatal(err)
	}
	if b, _ := x.pair.c.SMP().Find(x.peer); b != newer {
		t.Errorf("right after it was saved: %+v", b)
	}
	x.wantNotKept(<-x.got)
	if b := x.find(); b != newer {
		t.Errorf("in the end: %+v", b)
	}
	if _, err := x.c.SMP().Pair(t.Context(), nil); !errors.Is(err, smp.ErrBonded) {
		t.Errorf("Pair: %v", err)
	}
	x.unlink(x.c, x.p)
}

func TestBondRemovedByWhoHearsOfIt(t *testing.T) { synctest.Test(t, testBondRemovedByWhoHearsOfIt) }

func testBondRemovedByWhoHearsOfIt(t *testing.T) {
	var m *smp.Manager
	x := newPair(t, &smp.Config{Changed: func(peer hci.Addr, b *smp.Bond) {
		if b != nil {
			if err := m.Store().Remove(peer); err != nil {
				t.Error(err)
			}
		}
	}}, nil)
	m = x.c.SMP()
	c, p := x.link()
	r, err := c.SMP().Pair(t.Context(), nil)
	if err != nil || r.Bond != nil || r.Security.Bonded || c.SMP().Security().Bonded {
		t.Errorf("Pair: %+v, %v; the link has %+v", r, err, c.SMP().Security())
	}
	x.unlink(c, p)
}

// reading is a Store that returns a new *Bond from each call, as one with a database
// does.
type reading struct{ smp.Store }

func (s reading) Find(peer hci.Addr) (*smp.Bond, bool) {
	b, ok := s.Store.Find(peer)
	if !ok {
		return nil, false
	}
	c := *b
	if b.Central != nil {
		k := *b.Central
		c.Central = &k
	}
	return &c, true
}

func TestStoreThatCopies(t *testing.T) { synctest.Test(t, testStoreThatCopies) }

func testStoreThatCopies(t *testing.T) {
	x := newPair(t, &smp.Config{Store: keep(func(l smp.Local) (smp.Store, error) {
		s, err := smp.Memory()(l)
		return reading{s}, err
	})}, nil)
	c, p := x.link()
	if r, err := c.SMP().Pair(t.Context(), nil); err != nil || r.Bond == nil || !r.Security.Bonded {
		t.Errorf("Pair: %+v, %v", r, err)
	}
	x.unlink(c, p)
}
