//go:build kernel

package kernel

import (
	"errors"
	"strings"
	"testing"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// TestTakesNothingUnasked is the situation of a desktop: bluetoothd uses hci1 and
// has a link to a device. The device is hci0, in use by this process.
func TestTakesNothingUnasked(t *testing.T) {
	startControllers(t, 2)
	device := startDevice(t, "hci0")
	address := device.Controller().Info().Public.String()
	startBus(t)
	blue, _ := startBlueZ(t)
	blue.hears(t, device, address)
	blue.say(t, "connect "+address, "Connection successful")
	blue.say(t, "scan off", "Discovery stopped")
	linked := func(t *testing.T) bool {
		t.Helper()
		links, err := hcisock.Links(1)
		if err != nil {
			t.Fatal(err)
		}
		return len(links) == 1 && links[0].MAC.String() == address
	}
	if !linked(t) {
		t.Fatal("bluetoothd has no link")
	}

	m := moortest.New(t)
	for _, args := range [][]string{{"scan", "--duration", "1s"}, {"read", "C0:00:00:00:0B:AD/random", "2a00"}} {
		m.Run(t, args...).Fails(t, "hci1: bluetoothd (pid ", "with links to "+address, "systemctl stop bluetooth", "or name hci1")
	}
	m.Run(t, "doctor").Says(t, "hci1 open: not tried: bluetoothd", "systemctl stop bluetooth", "or name hci1")
	m.Run(t, "slots").OK(t).Says(t, "hci1", "1 connection", "run by the kernel", address)
	m.With("--adapter", "hci1").Run(t, "slots").OK(t).Says(t, "run by the kernel", address)
	_, err := connmgr.Open(conntest.Within(t), nil)
	if !errors.Is(err, connmgr.ErrNoAdapter) || !strings.Contains(err.Error(), "bluetoothd (pid ") || !strings.Contains(err.Error(), "or name hci1") {
		t.Errorf("a manager of any adapter opens with %v, want the process that uses hci1, and a remedy", err)
	}
	if !linked(t) {
		t.Fatal("bluetoothd lost its link to a process that did not name the adapter")
	}

	m.With("--adapter", "hci1").Run(t, "scan", "--duration", "4s").OK(t)
	eventually(t, "the kernel has no link", func() bool { return !linked(t) })
}
