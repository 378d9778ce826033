package hcisock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// tree makes files in a new folder. A value that begins with "->" is a symbolic link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if len(content) > 2 && content[:2] == "->" {
			err = os.Symlink(content[2:], path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// sysfs with an adapter on USB, one on a UART and a virtual one.
func sysfs(t *testing.T) string {
	usb := "devices/pci0/usb1/1-3/"
	uart := "devices/platform/serial0-0/"
	return filepath.Join(tree(t, map[string]string{
		usb + "idVendor":     "0a12\n",
		usb + "idProduct":    "0001\n",
		usb + "manufacturer": "Cambridge Silicon Radio\n",
		usb + "product":      "CSR8510 A10\n",
		usb + "busnum":       "1\n",
		usb + "devnum":       "4\n",
		usb + "1-3:1.0/bluetooth/hci0/rfkill2/soft": "1\n",
		usb + "1-3:1.0/bluetooth/hci0/rfkill2/hard": "0\n",
		usb + "1-3:1.0/bluetooth/hci0/device":       "->../../../1-3:1.0",
		usb + "1-3:1.0/subsystem":                   "->../../../../../bus/usb",
		usb + "1-3:1.0/driver":                      "->../../../../../bus/usb/drivers/btusb",
		uart + "bluetooth/hci1/device":              "->../../../serial0-0",
		uart + "bluetooth/hci1/rfkill0/soft":        "0\n",
		uart + "bluetooth/hci1/rfkill0/hard":        "1\n",
		uart + "subsystem":                          "->../../../bus/serial",
		"devices/virtual/bluetooth/hci10/uevent":    "DEVTYPE=host\n",
		"class/bluetooth/hci0":                      "->../../" + usb + "1-3:1.0/bluetooth/hci0",
		"class/bluetooth/hci1":                      "->../../" + uart + "bluetooth/hci1",
		"class/bluetooth/hci10":                     "->../../devices/virtual/bluetooth/hci10",
		"class/bluetooth/hci0:64":                   "->../../" + usb + "1-3:1.0/bluetooth/hci0",
	}), "class/bluetooth")
}

func TestAdaptersInSysfs(t *testing.T) {
	class := sysfs(t)
	if diff := cmp.Diff([]int{0, 1, 10}, adaptersInSysfs(class)); diff != "" {
		t.Errorf("indexes differ (-want +got):\n%s", diff)
	}
	if got := adaptersInSysfs(filepath.Join(class, "none")); got != nil {
		t.Errorf("without the class: %v, want none", got)
	}
	for _, want := range []Adapter{
		{Index: 0, Name: "hci0", Bus: "usb", Driver: "btusb", RFKill: RFKill{Soft: true},
			USB: USBDevice{VendorID: 0x0A12, ProductID: 0x0001, Manufacturer: "Cambridge Silicon Radio", Product: "CSR8510 A10", Port: "1-3", Bus: 1, Number: 4}},
		{Index: 1, Name: "hci1", Bus: "serial", RFKill: RFKill{Hard: true}},
		{Index: 10, Name: "hci10", Bus: "virtual"},
		{Index: 11, Name: "hci11", Bus: "virtual"}, // gone
	} {
		if diff := cmp.Diff(want, fromSysfs(class, want.Index)); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", want.Name, diff)
		}
	}
}

func TestWriteRFKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rfkill")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeRFKill(path, rfkillEvent{kind: rfkillBluetooth, op: rfkillChange}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if want := "\x00\x00\x00\x00\x02\x02\x00\x00"; err != nil || string(got) != want {
		t.Errorf("wrote % X, %v; want % X", got, err, want)
	}
	if err := writeRFKill(filepath.Join(path, "none"), rfkillEvent{}); err == nil {
		t.Error("a switch that cannot be opened gave no error")
	}
}

const hciTable = "sk               RefCnt Rmem   Wmem   User   Inode  Parent\n" +
	"0000000000000000 2      0      0      0      4711   0     \n" +
	"0000000000000000 2      0      0      1000   4712   0     \n"

func TestHCISockets(t *testing.T) {
	// Numbers that no process here has, so that nothing can be asked of them.
	proc := tree(t, map[string]string{
		"net/hci":           hciTable,
		"99999991/comm":     "bluetoothd\n",
		"99999991/fd/0":     "->/dev/null",
		"99999991/fd/7":     "->socket:[4711]",
		"99999992/comm":     "moor\n",
		"99999992/fd/3":     "->socket:[4712]",
		"99999993/comm":     "sshd\n",
		"99999993/fd/3":     "->socket:[99]",
		"99999994/comm":     "bluetoothd\n", // of which nothing but the name can be seen
		"self/comm":         "x\n",
		"99999995/fd/wrong": "->socket:[4712]",
	})
	want := []hciSock{
		{pid: 99999991, name: "bluetoothd"},
		{pid: 99999992, name: "moor"},
		{pid: 99999994, name: "bluetoothd"},
	}
	if diff := cmp.Diff(want, hciSockets(proc), cmp.AllowUnexported(hciSock{})); diff != "" {
		t.Errorf("sockets differ (-want +got):\n%s", diff)
	}
	if got := hciSockets(t.TempDir()); got != nil {
		t.Errorf("an empty /proc gives %v", got)
	}
}

func TestHoldersAmong(t *testing.T) {
	btd := hciSock{pid: 1, name: "bluetoothd", known: true, index: noIndex}
	btdUnknown := hciSock{pid: 1, name: "bluetoothd"}
	owner := hciSock{pid: 2, name: "moor", known: true, channel: unix.HCI_CHANNEL_USER, index: 0}
	other := hciSock{pid: 3, name: "moor", known: true, channel: unix.HCI_CHANNEL_USER, index: 1}
	monitor := hciSock{pid: 4, name: "btmon", known: true, index: noIndex}
	unknown := hciSock{pid: 5, name: "thing"}

	managed := Holder{PID: 1, Name: "bluetoothd", Sure: true}
	own := owner
	own.own = 3
	twice := own
	twice.own = 7
	ours := Holder{PID: 2, Name: "moor", UserChannel: true, Sure: true, FD: 3}
	holds := Holder{PID: 2, Name: "moor", UserChannel: true, Sure: true}
	maybe := Holder{PID: 5, Name: "thing", UserChannel: true}
	for _, c := range []struct {
		name    string
		sockets []hciSock
		taken   bool
		want    []Holder
	}{
		{"nobody", []hciSock{monitor, other}, false, nil},
		{"bluetoothd, once", []hciSock{btd, btd, btdUnknown, monitor, unknown}, false, []Holder{managed}},
		{"owner seen", []hciSock{btd, unknown, owner, other}, true, []Holder{holds}},
		{"owner seen, kernel not asked", []hciSock{btd, owner}, false, []Holder{holds}},
		{"this process, by two descriptors", []hciSock{own, twice}, true, []Holder{ours}},
		{"owner not seen", []hciSock{btd, unknown, monitor, other}, true, []Holder{maybe}},
	} {
		if diff := cmp.Diff(c.want, holdersAmong(c.sockets, 0, c.taken)); diff != "" {
			t.Errorf("%s: holders differ (-want +got):\n%s", c.name, diff)
		}
	}
	for _, c := range []struct {
		h    Holder
		want string
	}{{managed, "bluetoothd (pid 1)"}, {maybe, "possibly thing (pid 5)"}} {
		if c.h.String() != c.want {
			t.Errorf("%+v prints as %q, want %q", c.h, c.h, c.want)
		}
	}
}

func TestIndexList(t *testing.T) {
	if got, want := string(appendMgmtHeader(nil, mgmtReadExtIndexList, mgmtNoIndex, 0)), "\x3C\x00\xFF\xFF\x00\x00"; got != want {
		t.Errorf("command % X, want % X", got, want)
	}
	answer := []byte{
		0x01, 0x00, 0xFF, 0xFF, 13, 0, // Command Complete, no index
		0x3C, 0x00, 0, // Read Extended Controller Index List, success
		2, 0, // two controllers: index, type, bus
		0x00, 0x00, 0x00, 0x01,
		0x05, 0x01, 0x01, 0x03,
	}
	list, done, err := parseIndexList(answer)
	if diff := cmp.Diff([]int{0, 0x105}, list); diff != "" || !done || err != nil {
		t.Errorf("list differs (-want +got), done %v, %v:\n%s", done, err, diff)
	}
	for n := range answer {
		if _, done, err := parseIndexList(answer[:n]); done && err == nil {
			t.Errorf("prefix of %d bytes passed for an answer", n)
		}
	}
	if _, done, err := parseIndexList([]byte{0x02, 0, 0xFF, 0xFF, 3, 0, 0x3C, 0, 0x01}); !done || err == nil {
		t.Errorf("Command Status with an unknown command: done %v, %v; want an error", done, err)
	}
	if _, done, err := parseIndexList([]byte{0x04, 0, 0, 0, 3, 0, 0x3C, 0, 0}); done || err != nil {
		t.Errorf("another event: done %v, %v; want it passed over", done, err)
	}
}

func TestBusNames(t *testing.T) {
	for bus, want := range []string{"virtual", "usb", "pccard", "uart", "rs232", "pci", "sdio", "spi", "i2c", "smd", "virtio", "ipc", "bus 0x0C"} {
		if got := busName(uint8(bus)); got != want {
			t.Errorf("bus %d is %q, want %q", bus, got, want)
		}
	}
}

func TestKernelLink(t *testing.T) {
	got := kernelLink(connInfo{handle: 0x40, address: [6]byte{6, 5, 4, 3, 2, 1}, kind: 0x80, out: 1, state: 1, linkMode: 0x0005})
	want := KernelLink{Handle: 0x40, MAC: hci.MAC{6, 5, 4, 3, 2, 1}, Kind: LinkLE, Outgoing: true,
		State: LinkConnected, Central: true, Encrypted: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("link differs (-want +got):\n%s", diff)
	}
}

func TestDisconnected(t *testing.T) {
	for _, c := range []struct {
		name   string
		packet []byte
		done   bool
		err    error
	}{
		{"ours", []byte{4, 0x05, 4, 0, 0x40, 0, 0x16}, true, nil},
		{"another link", []byte{4, 0x05, 4, 0, 0x41, 0, 0x16}, false, nil},
		{"accepted", []byte{4, 0x0F, 4, 0, 1, 0x06, 0x04}, false, nil},
		{"refused", []byte{4, 0x0F, 4, 0x02, 1, 0x06, 0x04}, true, hci.StatusUnknownConnection},
		{"another command refused", []byte{4, 0x0F, 4, 0x02, 1, 0x0D, 0x20}, false, nil},
		{"failed", []byte{4, 0x05, 4, 0x02, 0x40, 0, 0}, true, hci.StatusUnknownConnection},
		{"failed, as btvirt says it", []byte{4, 0x05, 4, 0x02, 0, 0, 0}, true, hci.StatusUnknownConnection},
		{"another link failed", []byte{4, 0x05, 4, 0x02, 0x41, 0, 0}, false, nil},
		{"no event", []byte{2, 0x40, 0x20, 0, 0}, false, nil},
	} {
		done, err := disconnected(c.packet, 0x40)
		if done != c.done || !errors.Is(err, c.err) {
			t.Errorf("%s: done %v, %v; want %v, %v", c.name, done, err, c.done, c.err)
		}
	}
}
