package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// System returns the Env of this machine, with adapter as Env.Adapter. cfg is for
// opening adapters and may be nil.
func System(adapter string, cfg *hcisock.Config) Env {
	return Env{
		Adapter:       adapter,
		AddressFamily: hcisock.HasAddressFamily,
		InitialNetNS:  func() (bool, error) { return initialNetNS("/proc") },
		Privileges:    hcisock.ReadPrivileges,
		Adapters:      hcisock.Adapters,
		Dormant:       func() []string { return dormant("/sys/bus/usb/devices") },
		KernelLog:     kernelLog,
		Links:         hcisock.Links,
		Open: func(ctx context.Context, address string) (hci.Transport, error) {
			return hcisock.Open(ctx, address, cfg)
		},
		CheckReset: hcisock.USBDevice.CheckReset,
		Up:         hcisock.Up,
	}
}

// initialNetNS reports whether /proc shows a setting that exists only in the initial
// network namespace. The number of that namespace differs between kernels.
func initialNetNS(proc string) (bool, error) {
	dir := filepath.Join(proc, "sys/net/core")
	if _, err := os.Stat(dir); err != nil {
		return false, err
	}
	_, err := os.Stat(filepath.Join(dir, "netdev_max_backlog"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// kernelLog reads the log of the kernel. Most machines require CAP_SYSLOG.
func kernelLog() ([]string, error) {
	size, err := unix.Klogctl(unix.SYSLOG_ACTION_SIZE_BUFFER, nil)
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, b)
	if err != nil {
		return nil, err
	}
	return strings.Split(string(b[:n]), "\n"), nil
}

// dormant names the Bluetooth interfaces on USB (class E0, subclass 01, protocol 01)
// without an adapter. The second interface of an adapter, for audio, belongs to the
// first and has none of its own.
func dormant(devices string) []string {
	interfaces, err := filepath.Glob(filepath.Join(devices, "*:*.0"))
	if err != nil {
		return nil
	}
	var list []string
	for _, dir := range interfaces {
		class := readAttr(dir, "bInterfaceClass") + readAttr(dir, "bInterfaceSubClass") + readAttr(dir, "bInterfaceProtocol")
		if class != "e00101" {
			continue
		}
		if entries, err := os.ReadDir(filepath.Join(dir, "bluetooth")); err == nil && len(entries) > 0 {
			continue
		}
		// The interface's directory is inside its device's; the link is not.
		name := filepath.Base(dir)
		device := filepath.Join(devices, strings.SplitN(name, ":", 2)[0])
		list = append(list, fmt.Sprintf("USB %s (%s:%s)", name, readAttr(device, "idVendor"), readAttr(device, "idProduct")))
	}
	return list
}
