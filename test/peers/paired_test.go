//go:build peers

package peers

import (
	"fmt"
	"testing"
	"time"

	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/test/conntest"
)

// TestPairedByBumble makes Bumble initiate the pairing.
func TestPairedByBumble(t *testing.T) {
	for _, c := range []struct {
		name          string
		own           smp.IOCapability
		peer          string // its IO capability
		legacy        bool
		do            func(t *testing.T, b *mate, u *conntest.User)
		authenticated bool // whether the pairing is authenticated
	}{
		{"Just Works", smp.NoInputNoOutput, "NoInputNoOutput", false, nil, false},
		{"passkey shown here", smp.DisplayOnly, "KeyboardOnly", false, typesThere, true},
		{"passkey typed here", smp.KeyboardOnly, "DisplayOnly", false, typesHere, true},
		{"numeric comparison", smp.DisplayYesNo, "DisplayYesNo", false, compares, true},
		{"legacy Just Works", smp.NoInputNoOutput, "NoInputNoOutput", true, nil, false},
		{"legacy passkey shown here", smp.DisplayOnly, "KeyboardOnly", true, typesThere, true},
		{"legacy passkey typed here", smp.KeyboardOnly, "DisplayOnly", true, typesHere, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := startMate(t)
			b.be(t, c.peer, !c.legacy)
			u := conntest.NewUser(c.own)
			h := (&conntest.Lock{
				Service: conntest.UUID(t, custom(1)), Guarded: conntest.UUID(t, custom(2)), Value: []byte{1, 2, 3, 4},
				SMP: &smp.Config{Delegate: u, AllowLegacy: c.legacy, Store: smp.Files(t.TempDir())},
			}).Open(t, fmt.Sprintf("tcp:127.0.0.1:%d", b.Port))

			b.order(t, map[string]any{"do": "pair", "address": ourAddress})
			if c.do != nil {
				c.do(t, b, u)
				u.Paired(t)
			}
			if e := b.next(t, "read"); e.Value != "01020304" || e.SC == c.legacy {
				t.Errorf("paired: %+v", e)
			}
			bond := awaitBond(t, h)
			if bond.Peer.MAC.String() != "F0:0D:CA:FE:00:03" || bond.SecureConnections == c.legacy || bond.Authenticated != c.authenticated {
				t.Fatalf("the bond is %+v", bond)
			}
			b.order(t, map[string]any{"do": "return", "address": ourAddress})
			if e := b.next(t, "read"); e.Value != "01020304" {
				t.Errorf("with the bond: %+v", e)
			}
			// Without the bond on this side, Bumble's key is of no use.
			if err := h.SMP().Store().Remove(bond.Peer); err != nil {
				t.Fatal(err)
			}
			b.order(t, map[string]any{"do": "return", "address": ourAddress})
			b.next(t, "failed")
		})
	}
}

// awaitBond waits for the one bond of h, which is stored a moment after the
// pairing.
func awaitBond(t *testing.T, h *host.Host) *smp.Bond {
	t.Helper()
	for ctx := conntest.Within(t); ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if bonds := h.SMP().Store().All(); len(bonds) == 1 {
			return bonds[0]
		}
	}
	t.Fatalf("the bonds are %+v, want one", h.SMP().Store().All())
	return nil
}

func typesThere(t *testing.T, b *mate, u *conntest.User) { b.enter(t, u.Shown(t)) }

func typesHere(t *testing.T, b *mate, u *conntest.User) {
	u.Type(t, b.shown(t))
}

func compares(t *testing.T, b *mate, u *conntest.User) {
	if own, peer := u.Shown(t), b.shown(t); own != peer {
		t.Errorf("this side shows %s, the peer %s", own, peer)
	}
	b.agree(t)
}
