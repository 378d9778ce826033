//go:build peers

package peers

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/test/conntest"
)

// person is the user at this side.
type person struct {
	io    smp.IOCapability
	shown chan string // what this side shows
	keys  chan smp.Passkey
	ended chan error
}

func (u *person) IO() smp.IOCapability { return u.io }

func (u *person) Display(_ context.Context, _ hci.Addr, p smp.Passkey) error {
	u.shown <- p.String()
	return nil
}

func (u *person) Confirm(_ context.Context, _ hci.Addr, p smp.Passkey) (bool, error) {
	u.shown <- p.String()
	return true, nil
}

func (u *person) Enter(ctx context.Context, _ hci.Addr) (smp.Passkey, error) {
	select {
	case p := <-u.keys:
		return p, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (u *person) Ended(_ hci.Addr, err error) { u.ended <- err }

// startLock advertises a characteristic that is read on encrypted links alone.
func startLock(t *testing.T, b *mate, cfg *smp.Config) *host.Host {
	t.Helper()
	srv, err := gatt.NewServer(&gatt.ServerConfig{Services: []gatt.ServiceDef{{
		UUID: conntest.UUID(t, custom(1)), Characteristics: []gatt.CharDef{{
			UUID: conntest.UUID(t, custom(2)), Properties: gatt.PropRead, Value: []byte{1, 2, 3, 4},
			Permissions: gatt.Permissions{Read: gatt.Require{Encryption: true}},
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := hcisock.Open(conntest.Within(t), fmt.Sprintf("tcp:127.0.0.1:%d", b.Port), nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(conntest.Within(t), tr, &host.Config{Server: srv, SMP: cfg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		srv.Close()
	})
	fields := hci.AdvFields{Flags: hci.FlagGeneralDiscoverable | hci.FlagNoBREDR}
	data, err := fields.Append(nil, 31)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Advertise(conntest.Within(t), &hci.AdvertiseOptions{Data: data}); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestPairedByBumble has Bumble begin.
func TestPairedByBumble(t *testing.T) {
	for _, c := range []struct {
		name   string
		own    smp.IOCapability
		peer   string // its IO capability
		legacy bool
		do     func(t *testing.T, b *mate, u *person)
		method bool // with protection against a man in the middle
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
			u := &person{c.own, make(chan string, 1), make(chan smp.Passkey, 1), make(chan error, 1)}
			h := startLock(t, b, &smp.Config{Delegate: u, AllowLegacy: c.legacy, Store: smp.Files(t.TempDir())})

			b.order(t, map[string]any{"do": "pair", "address": ourAddress})
			if c.do != nil {
				c.do(t, b, u)
				if err := wait(t, u.ended); err != nil {
					t.Errorf("the pairing ended with %v", err)
				}
			}
			if e := b.next(t, "read"); e.Value != "01020304" || e.SC == c.legacy {
				t.Errorf("paired: %+v", e)
			}
			bonds := h.SMP().Store().All()
			for ctx := conntest.Within(t); len(bonds) == 0 && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
				bonds = h.SMP().Store().All() // it is saved a moment later
			}
			if len(bonds) != 1 || bonds[0].Peer.MAC.String() != "F0:0D:CA:FE:00:03" || bonds[0].SecureConnections == c.legacy || bonds[0].Authenticated != c.method {
				t.Fatalf("the bonds are %+v", bonds)
			}
			b.order(t, map[string]any{"do": "return", "address": ourAddress})
			if e := b.next(t, "read"); e.Value != "01020304" {
				t.Errorf("with the bond: %+v", e)
			}
			// Without it here, Bumble's key is good for nothing.
			if err := h.SMP().Store().Remove(bonds[0].Peer); err != nil {
				t.Fatal(err)
			}
			b.order(t, map[string]any{"do": "return", "address": ourAddress})
			b.next(t, "failed")
		})
	}
}

func wait[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-conntest.Within(t).Done():
		t.Fatal("nothing happens")
	}
	return v
}

func typesThere(t *testing.T, b *mate, u *person) { b.enter(t, wait(t, u.shown)) }

func typesHere(t *testing.T, b *mate, u *person) {
	p, err := smp.ParsePasskey(b.shown(t))
	if err != nil {
		t.Fatal(err)
	}
	u.keys <- p
}

func compares(t *testing.T, b *mate, u *person) {
	if own, peer := wait(t, u.shown), b.shown(t); own != peer {
		t.Errorf("this side shows %s, the peer %s", own, peer)
	}
	b.agree(t)
}
