//go:build peers

package peers

import (
	"fmt"
	"testing"

	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// TestPrivateTowardsBumble connects to a bonded Bumble from a new private address
// each time. Bumble finds the key by the IRK from the pairing.
func TestPrivateTowardsBumble(t *testing.T) {
	b := startMate(t)
	m := moortest.New(t, "--adapter", fmt.Sprintf("tcp:127.0.0.1:%d", b.Port), "--privacy")
	m.Run(t, "pair", mateAddress).OK(t).Says(t, "paired by Just Works")
	moortest.Private(t, m, mateAddress, custom(2), "01 02 03 04", func() {})
}

// TestBumbleFindsPrivate makes Bumble connect to the identity address of a device
// that has changed its private address.
func TestBumbleFindsPrivate(t *testing.T) {
	b := startMate(t)
	h := (&conntest.Lock{
		Service: conntest.UUID(t, custom(1)), Guarded: conntest.UUID(t, custom(2)), Value: []byte{1, 2, 3, 4},
		SMP: &smp.Config{Privacy: true},
	}).Open(t, fmt.Sprintf("tcp:127.0.0.1:%d", b.Port))
	own, err := h.Controller().OwnAddress(conntest.Within(t))
	if err != nil {
		t.Fatal(err)
	}
	b.order(t, map[string]any{"do": "pair", "address": own.String()})
	b.next(t, "read")
	awaitBond(t, h)
	for range 3 {
		conntest.ChangeAddress(t, h)
		b.order(t, map[string]any{"do": "return", "address": ourAddress})
		if e := b.next(t, "read"); e.Value != "01020304" {
			t.Errorf("with the bond: %+v", e)
		}
	}
}
