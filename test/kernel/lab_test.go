//go:build kernel

package kernel

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// labFile is a scenario with two controllers for the kernel, under the addresses that the
// other tests know, and two devices.
const labFile = `
controllers:
  - {name: first, address: 00:AA:01:00:00:00, attach: vhci}
  - {name: second, address: 00:AA:01:01:00:01, attach: vhci}
peripherals:
  - name: Kettle
    address: C0:FF:EE:00:00:0A
    services:
      - uuid: 6d6f6f72-0001-4b65-7474-6c6500000000
        characteristics:
          - {uuid: 6d6f6f72-0002-4b65-7474-6c6500000000, format: uint8, value: 0x39}
          - {uuid: 6d6f6f72-0003-4b65-7474-6c6500000000, format: uint8, value: 1, behavior: {kind: counter, every: 500ms}}
          - {uuid: 6d6f6f72-0006-4b65-7474-6c6500000000, format: hex, value: "00", properties: [read, write], max-length: 100}
  - name: Door
    address: C0:FF:EE:00:00:0B
    pairing: {method: passkey, passkey: 123456}
    services:
      - uuid: 6d6f6f72-0004-4b65-7474-6c6500000000
        characteristics:
          - {uuid: 6d6f6f72-0005-4b65-7474-6c6500000000, format: uint8, value: 0x5a, security: authenticated}
`

const (
	kettleAddress = "C0:FF:EE:00:00:0A"
	kettleLevel   = "6d6f6f72-0002-4b65-7474-6c6500000000"
	kettleCount   = "6d6f6f72-0003-4b65-7474-6c6500000000"
	doorAddress   = "C0:FF:EE:00:00:0B"
	doorSecret    = "6d6f6f72-0005-4b65-7474-6c6500000000"
)

// runningLab is a moor lab whose controllers are the kernel's.
type runningLab struct {
	*daemon
	control string // the address of its control interface
}

// startLab starts a lab with as many controllers, and waits until the kernel has them.
func startLab(t *testing.T, scenario string, controllers int) *runningLab {
	t.Helper()
	eventually(t, "no adapter is left", func() bool { return len(adapters()) == 0 })
	file := filepath.Join(t.TempDir(), "lab.yaml")
	if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &runningLab{control: "unix:" + filepath.Join(t.TempDir(), "control")}
	l.daemon = startDaemon(t, os.Getenv("MOOR_BIN"), "--state", "none", "lab", file, "--control", l.control)
	eventually(t, "the kernel has the controllers", func() bool { return setUp() == controllers })
	return l
}

// order changes the lab, as moor lab set does.
func (l *runningLab) order(t *testing.T, words ...string) {
	t.Helper()
	args := append([]string{"lab", "--control", l.control, "set"}, words...)
	if out, err := exec.Command(os.Getenv("MOOR_BIN"), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", words, err, out)
	}
}

// TestLab gives the kernel the controllers of moor lab, and has bluetoothd use the devices
// of its scenario: find, connect, read, be notified, pair with a passkey; then a controller
// vanishes and returns.
func TestLab(t *testing.T) {
	lab := startLab(t, labFile, 2)
	startBus(t)
	s, _ := startBlueZ(t)
	b := &bonder{shell: s}
	b.can(t, "KeyboardOnly")

	s.say(t, "scan on", "Discovery started")
	eventually(t, "bluetoothd hears both devices", func() bool { return s.knows(t, kettleAddress) && s.knows(t, doorAddress) })
	s.say(t, "connect "+kettleAddress, "Connection successful")
	s.expect(t, 0, "ServicesResolved: yes")
	s.say(t, "gatt.select-attribute "+kettleLevel, "/char")
	s.say(t, "gatt.read", " 39 ")
	s.say(t, "gatt.select-attribute "+kettleCount, "/char")
	s.say(t, "gatt.notify on", "Notify started")
	from := len(s.said())
	s.expect(t, from, "Value:")
	s.say(t, "gatt.notify off", "Notify stopped")
	b.answer(t, "disconnect "+kettleAddress)
	b.wants(t, "(Successful disconnected|Disconnection successful)") // 5.66, 5.82

	b.answer(t, "pair "+doorAddress)
	b.types(t, "123456")
	b.wants(t, "(Pairing successful)")
	s.say(t, "gatt.select-attribute "+doorSecret, "/char")
	s.say(t, "gatt.read", " 5a ")

	lab.order(t, "second", "unplug")
	eventually(t, "the kernel has lost one controller", func() bool { return len(adapters()) == 1 })
	lab.order(t, "second", "replug")
	eventually(t, "the kernel has both controllers again", func() bool { return setUp() == 2 })
	lab.stop()
	eventually(t, "the controllers go with the lab", func() bool { return len(adapters()) == 0 })
}

// peripheralFile is a device for moor peripheral, and what new firmware adds to it.
const (
	peripheralFile = `
peripherals:
  - name: Kettle
    address: public
    pairing: {method: passkey, passkey: 123456}
    services:
      - uuid: 6d6f6f72-0001-4b65-7474-6c6500000000
        characteristics:
          - {uuid: 6d6f6f72-0002-4b65-7474-6c6500000000, format: uint8, value: 0x39}
          - {uuid: 6d6f6f72-0003-4b65-7474-6c6500000000, format: uint8, value: 1, behavior: {kind: counter, every: 500ms}}
          - {uuid: 6d6f6f72-0006-4b65-7474-6c6500000000, format: hex, value: "00", properties: [read, write], max-length: 100}
          - {uuid: 6d6f6f72-0005-4b65-7474-6c6500000000, format: uint8, value: 0x5a, security: authenticated}
`
	newFirmware = `
      - uuid: 6d6f6f72-0007-4b65-7474-6c6500000000
        characteristics:
          - {uuid: 6d6f6f72-0008-4b65-7474-6c6500000000, format: uint8, value: 1}
`
	kettleNote  = "6d6f6f72-0006-4b65-7474-6c6500000000"
	kettleAdded = "6d6f6f72-0008-4b65-7474-6c6500000000"
)

// TestPeripheralForBlueZ has bluetoothd be the central of moor peripheral: it finds the
// device, reads, writes a value longer than a packet, is notified, pairs with a passkey, and
// learns of new firmware after SIGHUP.
func TestPeripheralForBlueZ(t *testing.T) {
	startAir(t)
	startBus(t)
	s, _ := startBlueZ(t)
	b := &bonder{shell: s}
	b.forgets(t) // bonds of other tests
	b.can(t, "KeyboardOnly")
	file := filepath.Join(t.TempDir(), "kettle.yaml")
	if err := os.WriteFile(file, []byte(peripheralFile), 0o600); err != nil {
		t.Fatal(err)
	}
	s.say(t, "scan on", "Discovery started")
	// btvirt reports a device when it begins to advertise.
	peripheral := startDaemon(t, os.Getenv("MOOR_BIN"), "--adapter", "hci0", "--state", t.TempDir(), "peripheral", file)
	eventually(t, "bluetoothd hears the device", func() bool { return s.knows(t, ourAddress) })
	s.say(t, "connect "+ourAddress, "Connection successful")
	s.expect(t, 0, "ServicesResolved: yes")
	s.say(t, "gatt.select-attribute "+kettleLevel, "/char")
	s.say(t, "gatt.read", " 39 ")
	s.say(t, "gatt.select-attribute "+kettleNote, "/char")
	long := strings.Repeat("0xab ", 80) // the last octets show that all have arrived
	s.say(t, `gatt.write "`+long+`0xcd"`, "Attempting to write")
	s.say(t, "gatt.read", " cd ")
	s.say(t, "gatt.select-attribute "+kettleCount, "/char")
	s.say(t, "gatt.notify on", "Notify started")
	s.expect(t, len(s.said()), "Value:")
	s.say(t, "gatt.notify off", "Notify stopped")

	b.answer(t, "pair "+ourAddress)
	b.types(t, "123456")
	b.wants(t, "(Pairing successful)")
	s.say(t, "gatt.select-attribute "+doorSecret, "/char")
	s.say(t, "gatt.read", " 5a ")

	if err := os.WriteFile(file, []byte(peripheralFile+newFirmware), 0o600); err != nil {
		t.Fatal(err)
	}
	from := len(s.said())
	if err := peripheral.signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.expect(t, from, kettleAdded) // as a new characteristic
}
