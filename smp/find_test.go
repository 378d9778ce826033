package smp_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

// manyBonds opens a Manager with n bonds with private addresses.
func manyBonds(t testing.TB, n int, open smp.OpenStore) (m *smp.Manager, keys []smp.Key) {
	t.Helper()
	m, err := smp.NewManager(local, &smp.Config{Store: open})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	for i := range n {
		keys = append(keys, smp.Key{byte(i), byte(i >> 8), 1})
		b := &smp.Bond{Peer: peerOf(i), KeySize: 16, IRK: keys[i], Central: &smp.LongTermKey{Key: smp.Key{1}}}
		if err := m.Store().Save(b); err != nil {
			t.Fatal(err)
		}
	}
	return m, keys
}

func peerOf(i int) hci.Addr {
	return hci.Addr{MAC: hci.MAC{byte(i), byte(i >> 8), 0, 0, 0, 0xC0}, Kind: hci.AddrRandom}
}

// TestFindAllocatesNothing: Find is called for every advertising report.
func TestFindAllocatesNothing(t *testing.T) {
	for name, open := range map[string]smp.OpenStore{
		"memory": smp.Memory(), "files": smp.Files(t.TempDir()), "shared": smp.Shared(smp.Memory()),
	} {
		t.Run(name, func(t *testing.T) {
			m, keys := manyBonds(t, 20, open)
			stranger := smp.NewPrivateAddress(smp.Key{0xFF})
			last := smp.NewPrivateAddress(keys[19])
			if b, ok := m.Find(last); !ok || b.Peer != peerOf(19) {
				t.Errorf("found %+v", b)
			}
			if n := testing.AllocsPerRun(100, func() {
				m.Find(stranger)
				m.Find(last)
				m.Find(peerOf(3))
				m.Find(hci.Addr{MAC: hci.MAC{1}})
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// TestFindFollowsChanges resolves by the bonds of the moment, and by the first one in the
// order of addresses where two have one key.
func TestFindFollowsChanges(t *testing.T) {
	m, keys := manyBonds(t, 3, smp.Memory())
	a := smp.NewPrivateAddress(keys[1])
	want := func(peer hci.Addr, found bool) {
		t.Helper()
		b, ok := m.Find(a)
		if ok != found || ok && b.Peer != peer {
			t.Errorf("found %v %+v, want %v %v", ok, b, found, peer)
		}
	}
	want(peerOf(1), true)
	if err := m.Store().Save(&smp.Bond{Peer: peerOf(0), KeySize: 16, IRK: keys[1]}); err != nil {
		t.Fatal(err)
	}
	want(peerOf(0), true)
	for i := range 2 {
		if err := m.Store().Remove(peerOf(i)); err != nil {
			t.Fatal(err)
		}
	}
	want(hci.Addr{}, false)
	all := m.Store().All()
	if err := m.Store().Save(&smp.Bond{Peer: peerOf(7), KeySize: 16, IRK: keys[1]}); err != nil {
		t.Fatal(err)
	}
	want(peerOf(7), true)
	if len(all) != 1 || all[0].Peer != peerOf(2) {
		t.Errorf("a list of before has changed to %v", all)
	}
}

func BenchmarkFindStranger(b *testing.B) {
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, _ := manyBonds(b, n, smp.Memory())
			stranger := smp.NewPrivateAddress(smp.Key{0xFF})
			b.ReportAllocs()
			for b.Loop() {
				m.Find(stranger)
			}
		})
	}
}

// hidingStore is a Store of a program that is made of a FileStore, and hides a bond in it.
type hidingStore struct {
	*smp.FileStore
	hidden hci.Addr
}

func (s *hidingStore) Find(peer hci.Addr) (*smp.Bond, bool) {
	if peer.Identity() == s.hidden {
		return nil, false
	}
	return s.FileStore.Find(peer)
}

func (s *hidingStore) All() []*smp.Bond {
	return slices.DeleteFunc(s.FileStore.All(), func(b *smp.Bond) bool { return b.Peer == s.hidden })
}

// TestFindAsksTheOuterStore: a Store that embeds one of this package decides alone which
// bonds there are, by identity and by private address.
func TestFindAsksTheOuterStore(t *testing.T) {
	for name, share := range map[string]func(smp.OpenStore) smp.OpenStore{
		"alone": func(open smp.OpenStore) smp.OpenStore { return open }, "shared": smp.Shared,
	} {
		t.Run(name, func(t *testing.T) {
			m, keys := manyBonds(t, 3, share(func(l smp.Local) (smp.Store, error) {
				s, err := smp.OpenFileStore(t.TempDir(), l)
				return &hidingStore{s, peerOf(1)}, err
			}))
			for i, key := range keys {
				for _, a := range []hci.Addr{peerOf(i), smp.NewPrivateAddress(key)} {
					if b, ok := m.Find(a); ok != (i != 1) || ok && b.Peer != peerOf(i) {
						t.Errorf("bond %d by %v: found %v %+v", i, a, ok, b)
					}
				}
			}
		})
	}
}
