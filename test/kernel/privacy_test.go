//go:build kernel

package kernel

import (
	"regexp"
	"strings"
	"testing"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// TestPrivateTowardsBlueZ connects to a bonded kernel from a new private address
// each time.
func TestPrivateTowardsBlueZ(t *testing.T) {
	startAir(t)
	startBus(t)
	b := startBonder(t)
	b.can(t, "NoInputNoOutput")
	m := onHCI0(t, b.table.ready, "--privacy")
	full := peerAddress + "/public"
	run := m.Start(t, "pair", full)
	b.accepts(t)
	run.Wait(t).OK(t).Says(t, "paired by Just Works")
	// bluetoothd refuses the attribute channel of a link that begins before it has
	// noticed the end of the last one.
	moortest.Private(t, m, full, guardedUUID, "01 02 03 04", func() {
		eventually(t, "bluetoothd has noticed the end of the link", func() bool {
			return strings.Contains(b.ask(t, "info "+ourAddress), "Connected: no")
		})
	})
	// bluetoothd may know devices of other tests, but none by a resolvable address.
	list := b.ask(t, "devices")
	if strangers := regexp.MustCompile(`(?m)^Device [4-7].*`).FindAllString(list, -1); strangers != nil || !strings.Contains(list, "Device "+ourAddress) {
		t.Errorf("bluetoothd knows %s, want this host by its identity address alone", list)
	}
}

// TestFoundByBlueZ makes bluetoothd connect to the identity address of a device
// that has changed its private address.
func TestFoundByBlueZ(t *testing.T) {
	startAir(t)
	startBus(t)
	s, _ := startBlueZ(t)
	b := &bonder{shell: s}
	b.say(t, "pairable on", "Changing pairable on succeeded")
	b.forgets(t) // bonds of other tests
	b.can(t, "NoInputNoOutput")
	h := (&conntest.Lock{
		Service: conntest.UUID(t, serviceUUID), Guarded: conntest.UUID(t, guardedUUID), Value: []byte{1, 2, 3, 4},
		SMP: &smp.Config{Privacy: true, Store: smp.Files(t.TempDir())},
	}).Open(t, "hci0")
	private, err := h.Controller().OwnAddress(conntest.Within(t))
	if err != nil {
		t.Fatal(err)
	}
	b.hears(t, h, private.MAC.String())
	b.answer(t, "pair "+private.MAC.String())
	b.wants(t, "(Pairing successful)")
	eventually(t, "the bond is kept", func() bool { return len(h.SMP().Store().All()) == 1 })
	b.say(t, "scan off", "Discovery stopped")
	b.answer(t, "disconnect "+ourAddress)
	b.wants(t, "(Successful disconnected|Disconnection successful)") // 5.66, 5.82
	eventually(t, "the link ends", func() bool { return len(h.Controller().Links()) == 0 })

	conntest.ChangeAddress(t, h)
	b.say(t, "connect "+ourAddress, "Connection successful")
	var links []*controller.Link
	eventually(t, "the link is there", func() bool {
		links = h.Controller().Links()
		return len(links) == 1
	})
	if own, _ := links[0].OnAir(); own == private || !own.IsResolvable() {
		t.Errorf("bluetoothd connected to %v, after %v", own, private)
	}
	eventually(t, "the link is encrypted", func() bool { return links[0].State().Encrypted })
}
