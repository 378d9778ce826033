//go:build kernel

package kernel

import (
	"testing"

	"github.com/moor-ble/moor/test/conntest"
)

// TestWriteCommandBlueZ writes without response. Its bluetoothd is needed for
// nothing after a link that ends right after such a write: version 5.66 was seen to
// abort ("_dbus_check_is_valid_path") when the link ends while it passes the value
// on, for it asks D-Bus to carry the path of a device that it no longer finds.
func TestWriteCommandBlueZ(t *testing.T) {
	startAir(t)
	startBus(t)
	// bluetoothd ends the links of a host whose bond with it is from a test before.
	table := startBonder(t).table
	full := peerAddress + "/public"

	t.Run("bluetoothd saw both writes", func(t *testing.T) {
		m := conntest.Open(t, "hci0")
		table.ready(t)
		c, err := m.Establish(conntest.Within(t), full, nil)
		if err != nil {
			t.Fatal(err)
		}
		service := conntest.UUID(t, serviceUUID)
		if err := c.WriteNoResponse(conntest.Within(t), service, conntest.UUID(t, pipeUUID), []byte{0x0C, 0x0D}); err != nil {
			t.Fatal(err)
		}
		// bluetoothd has passed the first value on when it answers to the second.
		if err := c.Write(conntest.Within(t), service, conntest.UUID(t, scratchUUID), []byte{0x0E, 0x0F}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"0c0d", "0e0f"} {
			if got := table.await(t, "written").Value; got != want {
				t.Errorf("bluetoothd's application got %s, want %s", got, want)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("then the link ends", func(t *testing.T) {
		// The value may or may not arrive.
		onHCI0(t, table.ready).Run(t, "write", full, pipeUUID, "1011").OK(t).Says(t, "without response")
	})
}
