//go:build kernel || peers

package conntest

import (
	"os"
	"testing"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// EncryptedFirst checks that the link in a capture is encrypted before this host sends
// its first ATT request.
func EncryptedFirst(t *testing.T, capture string) {
	t.Helper()
	f, err := os.Open(capture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	encrypted, requests := false, 0
	for rec, err := range hci.ReadSnoop(f) {
		if err != nil {
			t.Fatal(err)
		}
		if op, ok := opcode(rec.Packet); rec.Sent && ok && op.Kind() == att.KindRequest {
			requests++
			if !encrypted {
				t.Errorf("%v before the link was encrypted, in %s", op, capture)
			}
		}
		r := wire.NewReader(rec.Packet)
		if hci.PacketType(r.U8()) != hci.PacketEvent {
			continue
		}
		if ev, err := hci.ParseEvent(r.Rest()); err == nil {
			if change, ok := ev.(*hci.EncryptionChange); ok {
				encrypted = change.Status == hci.StatusSuccess && change.Enabled != 0
			}
		}
	}
	if requests == 0 || !encrypted {
		t.Errorf("%d requests, encrypted: %v, in %s", requests, encrypted, capture)
	}
}
