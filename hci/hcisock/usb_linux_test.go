package hcisock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// recorded makes the tree of testdata/sysfs/NAME.txt, whose lines are PATH = CONTENT and
// PATH -> TARGET, and returns its root.
func recorded(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/sysfs", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			continue
		}
		if path, target, ok := strings.Cut(line, " -> "); ok {
			files[path] = "->" + target
		} else if path, content, ok := strings.Cut(line, " = "); ok {
			files[path] = content + "\n"
		} else {
			t.Fatalf("%s: line %q", name, line)
		}
	}
	return tree(t, files)
}

// portReset is a system with the device files of a recorded one, and the files whose
// ports were reset.
type portReset struct {
	usbTree
	files []string
	fails error
}

func newPortReset(t *testing.T, root, file string) *portReset {
	t.Helper()
	p := &portReset{}
	p.usbTree = usbTree{filepath.Join(root, "bus/usb/devices"), tree(t, map[string]string{file: ""}), func(f *os.File) error {
		name, err := filepath.Rel(p.dev, f.Name())
		p.files = append(p.files, name)
		return errors.Join(err, p.fails)
	}}
	return p
}

func TestUSBDeviceOfAdapter(t *testing.T) {
	for _, c := range []struct {
		tree, adapter, file string
		want                USBDevice
		drivers             []string
	}{
		{"usb-root-port", "hci0", "/dev/bus/usb/001/007", USBDevice{
			VendorID: 0x0A12, ProductID: 0x0001, Manufacturer: "Cambridge Silicon Radio, Ltd.", Product: "CSR8510 A10",
			Port: "1-10", Bus: 1, Number: 7,
		}, []string{"btusb"}},
		{"usb-behind-hub", "hci1", "/dev/bus/usb/001/012", USBDevice{
			VendorID: 0x0BDA, ProductID: 0xA728, Manufacturer: "Realtek", Product: "Bluetooth 5.3 Radio",
			Port: "1-1.1.3", Bus: 1, Number: 12,
		}, []string{"btusb"}},
		{"usb-with-wifi", "hci0", "/dev/bus/usb/001/009", USBDevice{
			VendorID: 0x0E8D, ProductID: 0x7961, Manufacturer: "MediaTek Inc.", Product: "Wireless_Device",
			Port: "1-2", Bus: 1, Number: 9,
		}, []string{"btusb", "mt7921u"}},
	} {
		root := recorded(t, c.tree)
		index, err := parseNumber(c.adapter[3:], maxIndex)
		if err != nil {
			t.Fatal(err)
		}
		a := fromSysfs(filepath.Join(root, "class/bluetooth"), index)
		if diff := cmp.Diff(c.want, a.USB); diff != "" || a.Driver != "btusb" || a.Bus != "usb" {
			t.Errorf("%s: driver %q on bus %q, device differs (-want +got):\n%s", c.tree, a.Driver, a.Bus, diff)
		}
		if got := a.USB.File(); got != c.file {
			t.Errorf("%s: device file %s, want %s", c.tree, got, c.file)
		}
		u := newPortReset(t, root, "none")
		if d, err := u.findDevice(c.want.Port); err != nil || d != c.want {
			t.Errorf("%s: at port %s is %+v, %v", c.tree, c.want.Port, d, err)
		}
		if diff := cmp.Diff(c.drivers, u.driversOf(c.want)); diff != "" {
			t.Errorf("%s: drivers differ (-want +got):\n%s", c.tree, diff)
		}
	}
}

// An adapter on another bus has no USB device, even if a USB device is above it.
func TestAdapterWithoutUSBDevice(t *testing.T) {
	for name, bus := range map[string]string{"uart": "serial", "uart-on-usb": "tty", "sdio": "sdio"} {
		a := fromSysfs(filepath.Join(recorded(t, name), "class/bluetooth"), 0)
		if a.USB != (USBDevice{}) || a.Bus != bus {
			t.Errorf("%s: bus %q, USB device %+v; want bus %q and no device", name, a.Bus, a.USB, bus)
		}
	}
}

func TestResetUSBPort(t *testing.T) {
	root := recorded(t, "usb-behind-hub")
	dongle := fromSysfs(filepath.Join(root, "class/bluetooth"), 1).USB
	other := dongle
	other.ProductID = 0x8771
	empty := dongle
	empty.Port = "1-1.1.2"
	missing := dongle
	u := newPortReset(t, root, "001/012")
	none := newPortReset(t, root, "001/004")
	for _, c := range []struct {
		name   string
		system *portReset
		device USBDevice
		fails  error
		want   string // "" if the port is reset
		cause  Cause
	}{
		{"works", u, dongle, nil, "", 0},
		{"the kernel finds another device after the reset", u, dongle, unix.ENODEV, "", 0},
		{"the reset fails", u, dongle, unix.EIO, "hcisock: usb 1-1.1.3: reset USB port: input/output error; unplug it and plug it in again", CauseDriver},
		{"the device refuses this process", u, dongle, unix.EPERM, "hcisock: usb 1-1.1.3: reset USB port: it requires write access to " +
			u.dev + "/001/012: operation not permitted; run it as root, or add a rule to /etc/udev/rules.d: " +
			`SUBSYSTEM=="usb", ATTR{idVendor}=="0bda", ATTR{idProduct}=="a728", MODE="0660", GROUP="bluetooth"`, CausePermission},
		{"another device is there", u, other, nil,
			"hcisock: usb 1-1.1.3: reset USB port: the device at this port is 0bda:a728, not 0bda:8771; plug the adapter in", CauseNoAdapter},
		{"no device is there", u, empty, nil, "there is no device at this port", CauseNoAdapter},
		{"no device file", none, missing, nil, "it requires the device file " + none.dev + "/001/012", CausePermission},
	} {
		c.system.files, c.system.fails = nil, c.fails
		err := c.system.resetDevice(t.Context(), c.device)
		if c.want == "" {
			if diff := cmp.Diff([]string{"001/012"}, c.system.files); diff != "" || err != nil {
				t.Errorf("%s: %v; resets differ (-want +got):\n%s", c.name, err, diff)
			}
			continue
		}
		e, ok := errors.AsType[*OpenError](err)
		if !ok || e.Cause != c.cause || !strings.Contains(err.Error(), c.want) || e.Remedy == "" {
			t.Errorf("%s: %v, want %q of cause %q", c.name, err, c.want, c.cause)
		}
		if touched := c.fails != nil; (len(c.system.files) > 0) != touched {
			t.Errorf("%s: ports reset: %v", c.name, c.system.files)
		}
	}
}

// The end of the context ends the wait for the kernel, not the reset.
func TestResetUSBPortCanceled(t *testing.T) {
	root := recorded(t, "usb-root-port")
	u := newPortReset(t, root, "001/007")
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	u.reset = func(f *os.File) error {
		close(begun)
		<-end
		defer close(ended)
		_, err := f.Stat()
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	err := u.resetDevice(ctx, fromSysfs(filepath.Join(root, "class/bluetooth"), 0).USB)
	if e, ok := errors.AsType[*OpenError](err); !ok || e.Cause != CauseCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want it canceled", err)
	}
	close(end)
	<-ended
}

// The files of a device that is being removed go one by one: its device file may still be
// there, and cannot be opened.
func TestUSBDeviceThatIsBeingRemoved(t *testing.T) {
	err := explainUSB(USBDevice{Port: "1-1.3"}, "/dev/bus/usb/001/005", unix.ENODEV)
	e, ok := errors.AsType[*OpenError](err)
	if want := "hcisock: usb 1-1.3: reset USB port: there is no device at this port: no such device; plug it in"; !ok || e.Cause != CauseNoAdapter || err.Error() != want {
		t.Errorf("%v, want %q with CauseNoAdapter", err, want)
	}
}

// The device file of a device that is being removed goes before its folder in sysfs.
func TestUSBDeviceWithoutItsFile(t *testing.T) {
	root := recorded(t, "usb-behind-hub")
	dongle := fromSysfs(filepath.Join(root, "class/bluetooth"), 1).USB
	none := newPortReset(t, root, "001/004")
	removed := make(chan error, 1)
	go func() { removed <- os.Remove(filepath.Join(none.sys, dongle.Port)) }()
	err := none.resetDevice(t.Context(), dongle)
	if e, ok := errors.AsType[*OpenError](err); !ok || e.Cause != CauseNoAdapter || e.Remedy != "plug it in" {
		t.Errorf("%v, want CauseNoAdapter", err)
	}
	if err := <-removed; err != nil {
		t.Fatal(err)
	}
}
