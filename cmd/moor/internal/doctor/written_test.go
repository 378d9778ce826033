package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/sim"
)

// secrets must not be in a report.
var secrets = []string{
	"C0:FF:EE:00:00:01", "c0:ff:ee:00:00:01", "01:02:03:04:05:06", "Alice", "alice", "0f0e0d0c0b0a09080706050403020100", "secret-host",
}

// TestWrittenReport: a report of a machine full of secrets has none of them, and tells the
// rest.
func TestWrittenReport(t *testing.T) { synctest.Test(t, testWrittenReport) }

func testWrittenReport(t *testing.T) {
	m := healthy()
	m.adapters = append(m.adapters, hcisock.Adapter{Index: 1, Name: "hci1", Bus: "uart", Up: true, Holders: []hcisock.Holder{{PID: 77, Name: "alice-player"}}})
	m.adapters[0].USB = hcisock.USBDevice{VendorID: 0x0A12, ProductID: 1, Product: "Alice's dongle"}
	m.KernelLog = func() ([]string, error) {
		return []string{"<6>[1.0] Bluetooth: hci0: killing stalled connection c0:ff:ee:00:00:01", "<6>[2.0] Bluetooth: hci0: firmware file bt.bin not found"}, nil
	}
	answers := m.Open
	m.Open = func(ctx context.Context, address string) (hci.Transport, error) {
		if len(m.opened) == 0 {
			return answers(ctx, address)
		}
		s, err := sim.ParseScenario("sensors")
		if err != nil {
			return nil, err
		}
		return s.Open(nil)
	}
	var x *Examination
	m.Examine = func(ctx context.Context, adapter string, tr hci.Transport) { x = Examine(ctx, adapter, tr) }
	r := Run(t.Context(), m.Env)
	r.addError("tcp", errors.New("dial secret-host from C0:FF:EE:00:00:01 with 0f0e0d0c0b0a09080706050403020100 in /home/"+"alice/keys"))
	var machine Machine
	machine.addLog([]string{"<6>[1.0] Bluetooth: hci0: killing stalled connection c0:ff:ee:00:00:01", "<6>[3.0] input: Alice's Keyboard (AVRCP) as /devices/virtual/input",
		"<6>[4.0] hid-generic: input: BLUETOOTH HID Keyboard [Alice's Keyboard] on c0:ff:ee:00:00:01"})
	machine.Kernel, machine.Distribution = "Linux 6.12.0 aarch64", "Debian GNU/Linux 13 (trixie)"
	w := Written{Program: "moor v1.2.3", Machine: machine, Adapters: m.adapters, Report: r, Examined: x, Stored: []string{"devices: 3"}, Named: []string{"tcp:secret-host:1"}}
	got := w.Text()
	for _, secret := range secrets {
		if strings.Contains(got, secret) {
			t.Errorf("%q is in the report:\n%s", secret, got)
		}
	}
	for _, want := range []string{
		WrittenTitle + "\n\n", "It holds no addresses, no names", "moor v1.2.3\n", "kernel: Linux 6.12.0 aarch64\n", "distribution: Debian GNU/Linux 13 (trixie)\n",
		"hci0: bus usb, driver \"\", USB 0a12:0001, up false, rfkill soft false hard false, user channel false, address true, processes 0\n",
		"ok   adapters: hci0 ([address 1], usb), hci1 (uart)\n", "PROGRAM (pid 77) uses it", "BAD  firmware: ", "     -> install the firmware", "killing stalled connection [address 2]\n",
		"BAD  tcp: dial HOST from [address 2] with [key] in /home/" + "USER/keys\n",
		"adapter: hci0\n", "LE encryption", "quirks: none\n", "\nForeignAnswers: 0\n", "heard in 4s: 3 devices, ", "devices: 3\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in the report:\n%s", want, got)
		}
	}
	if strings.Contains(got, "the examination ended") {
		t.Errorf("the examination failed:\n%s", got)
	}
	if want := []string{"hci0"}; !slices.Equal(m.opened, want) {
		t.Errorf("opened %q, want %q and the examination", m.opened, want)
	}
}

func TestModules(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]string{"bluetooth/parameters/disable_esco": "N\n", "btusb/parameters/reset": "Y\n", "snd/parameters/x": "1"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := modules(dir), []string{"bluetooth disable_esco=N", "btusb reset=Y"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDistribution(t *testing.T) {
	name := filepath.Join(t.TempDir(), "os-release")
	if err := os.WriteFile(name, []byte("ID=x\nPRETTY_NAME=\"OpenWrt 24.10\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := distribution(name); got != "OpenWrt 24.10" {
		t.Errorf("got %q", got)
	}
	if got := distribution(name + "x"); got != "" {
		t.Errorf("a missing file gives %q", got)
	}
}
