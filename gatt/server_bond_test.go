package gatt_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/internal/gatttest"
)

// stranger is a client with a private address, which may pair.
func (b *bond) stranger() gatt.PeerInfo {
	b.security = gatt.Security{}
	return gatt.PeerInfo{Security: func() gatt.Security { return b.security }}
}

// pair does what a pairing does to a link: it is encrypted, then the bond
// exists.
func (b *bond) pair(w *wire) {
	b.security = gatt.Security{Encrypted: true, KeySize: 16}
	w.s.SecurityChanged(w.now)
	b.security.Bonded = true
	w.s.BondMade(w.now, b.peerKey())
}

func (*bond) peerKey() string { return "C0:FF:EE:00:00:01" }

// back connects the bonded client again, with encryption.
func (b *bond) back(t *testing.T, srv *gatt.Server) *wire {
	w := newWire(t, srv, 23, b.peer())
	b.encrypt(w)
	return w
}

// The state of a client without a key before it bonds is remembered with its
// bond.
func TestServerRemembersStrangersThatBond(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	var b bond
	w := newWire(t, srv, 23, b.stranger())
	w.receive("12 0b00 01", "13")
	w.receive("12 1e00 0100", "13")
	b.pair(w)
	if p := w.s.Peer(); p.Key != b.peerKey() || p.Bonded {
		t.Errorf("peer %+v, want its name, and no bond from before the link", p)
	}
	srv.ForgetClient("C0:FF:EE:00:00:02")
	w.receive("12 0900 0200", "13") // and what it does afterwards
	w.down()

	w = b.back(t, srv)
	w.receive("0a 0b00", "0b 01")
	w.receive("0a 1e00", "0b 0100")
	w.receive("0a 0900", "0b 0200")
	w.down()
	setServices(t, srv, withoutVendor())
	w = b.back(t, srv)
	w.want("the change is told", "1d 0800 0100 ffff")
}

// A deleted bond leaves nothing to the next one.
func TestServerForgetsWithTheBond(t *testing.T) { synctest.Test(t, testServerForgetsWithTheBond) }

func testServerForgetsWithTheBond(t *testing.T) {
	st := &store{}
	cfg := gatttest.Reference()
	cfg.Store = st
	srv := newServer(t, cfg)
	var b bond
	w := newWire(t, srv, 23, b.stranger())
	b.pair(w)
	w.receive("12 1e00 0100", "13")
	srv.ForgetClient(b.peerKey())
	w.receive("0a 1e00", "0b 0100") // on this link
	w.receive("12 0b00 01", "13")   // is not remembered any more
	w.s.SecurityChanged(w.now)
	w.down()
	w = b.back(t, srv)
	w.receive("0a 1e00", "0b 0000")
	w.receive("0a 0b00", "0b 00")
	w.receive("12 1e00 0100", "13") // it is a bonded client again
	w.down()
	w = b.back(t, srv)
	w.receive("0a 1e00", "0b 0100")

	// Deleted while it is connected, and bonded anew on the same link.
	srv.ForgetClient(b.peerKey())
	if w.s.Peer().Bonded {
		t.Error("bonded without a bond")
	}
	b.pair(w)
	w.receive("12 0900 0200", "13")
	w.down()
	w = b.back(t, srv)
	w.receive("0a 1e00", "0b 0100")
	w.receive("0a 0900", "0b 0200")
	w.down()
	srv.ForgetClient(b.peerKey())
	srv.Close()
	st.mu.Lock()
	defer st.mu.Unlock()
	if d := cmp.Diff("delete "+b.peerKey(), st.saved[len(st.saved)-1]); d != "" {
		t.Errorf("store was told last (-want +got):\n%s", d)
	}
}

// A client with a new bond has no state of the old one, nor has a client that
// only claims its address.
func TestServerStartsOverWithANewBond(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	var b bond
	w := newWire(t, srv, 23, b.stranger())
	b.pair(w)
	w.receive("12 0b00 05", "13")
	w.receive("12 1e00 0100", "13")
	w.down()

	for _, wrote := range []bool{false, true} {
		w = newWire(t, srv, 23, b.peer())
		if wrote {
			w.receive("12 0b00 05", "13")
		}
		w.receive("12 0900 0200", "13")
		w.s.BondMade(w.now, b.peerKey())
		w.receive("0a 0b00", map[bool]string{false: "0b 00", true: "0b 05"}[wrote])
		b.encrypt(w)
		w.receive("0a 1e00", "0b 0000")
		w.receive("0a 0900", "0b 0200")
		w.down()
		w = b.back(t, srv)
		w.receive("0a 1e00", "0b 0000")
		w.receive("0a 0900", "0b 0200")
		w.receive("12 0b00 05", "13")
		w.receive("12 1e00 0100", "13")
		w.down()
	}

	// A client that bonds anew on a link that its old bond encrypts keeps its
	// state.
	w = b.back(t, srv)
	w.s.BondMade(w.now, b.peerKey())
	w.receive("0a 1e00", "0b 0100")
	w.down()
	w = b.back(t, srv)
	w.receive("0a 1e00", "0b 0100")
	w.down()
	w.s.BondMade(w.now, "somebody else") // too late, without effect
	if k := w.s.Peer().Key; k != b.peerKey() {
		t.Errorf("renamed to %s", k)
	}
}
