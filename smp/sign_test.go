package smp

import (
	"context"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestSignatureOfBlueZ uses the sample data of BlueZ, unit/test-crypto.c, sign_att_1 to
// sign_att_5: keys, PDUs and signatures as sent. The last is a Signed Write Command.
func TestSignatureOfBlueZ(t *testing.T) {
	const (
		key = "3c4fcf098815f7aba6d2ae2816157e2b"
		pdu = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
			"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	)
	for _, tt := range []struct {
		key, pdu  string
		counter   uint32
		signature string
	}{
		{key, "", 0, "00000000b3a8594127ebc2c0"},
		{key, pdu[:2*16], 0, "00000000273974f4392a232a"},
		{key, pdu[:2*40], 0, "00000000b7ca94ab87c78218"},
		{key, pdu[:2*64], 0, "0000000044e1e6ce1df51368"},
		{"505e42df9691ec72d31fcdfbeb641b61", "d212001337", 1, "01000000f1871e933c900ff2"},
	} {
		if got := signature(Key(octets(t, tt.key)), tt.counter, octets(t, tt.pdu)); hex.EncodeToString(got[:]) != tt.signature {
			t.Errorf("signature of %q: %x, want %s", tt.pdu, got, tt.signature)
		}
	}
}

// TestSignaturesForADeadContext checks that Sign and Verify use up no counter after the
// end of their context.
func TestSignaturesForADeadContext(t *testing.T) {
	mgr, err := NewManager(Local{Addr: addrA}, nil)
	if err != nil {
		t.Fatal(err)
	}
	bond := &Bond{Peer: addrB, KeySize: 16, Peripheral: &LongTermKey{Key: Key{1}}, LocalCSRK: Key{2}, PeerCSRK: Key{3}}
	if err := mgr.Store().Save(bond); err != nil {
		t.Fatal(err)
	}
	m := mgr.NewMachine(time.Now(), &fakeChannel{}, fakeLink{hci.RolePeripheral}, nil)
	gone := errors.New("gone")
	dead, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	pdu := []byte("x")
	for range 50 {
		if s, err := m.Sign(dead, pdu); !errors.Is(err, gone) || s != (Signature{}) {
			t.Fatalf("signed with %x, %v", s, err)
		}
		if err := m.Verify(dead, pdu, signature(bond.PeerCSRK, 0, pdu)); !errors.Is(err, gone) {
			t.Fatalf("verified: %v", err)
		}
	}
	if b, ok := mgr.Find(addrB); !ok || b.LocalCounter != 0 || b.PeerCounter != 0 {
		t.Errorf("counters %d and %d, want none spent", b.LocalCounter, b.PeerCounter)
	}
}

func octets(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
