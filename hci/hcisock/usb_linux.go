package hcisock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A device that hangs may be brought back in three ways without touching it. The reset of
// its port (USBDEVFS_RESET) is the one that Home Assistant has used since 2022. The
// hub signals a reset to the device, as after plugging in. The kernel gives the device
// the number that it had, and removes and adds the adapter, whose driver sets it up anew.
// The attribute authorized merely takes its configuration away and returns it, which
// firmware that hangs does not notice. The attribute disable of a port (since Linux 6.0)
// is closer to unplugging; but a process that ends between its two writes leaves the
// device away for good. Both belong to root, while a rule of udev can give the device
// file to others, and /sys cannot be written in most containers.

// removalTime bounds the time that the kernel takes to remove the files of a device.
const removalTime = 200 * time.Millisecond

// usbTree is the USB part of a system.
type usbTree struct {
	sys   string // the folder of the devices, by their ports
	dev   string // the folder of the device files
	reset func(*os.File) error
}

var systemUSB = usbTree{"/sys/bus/usb/devices", "/dev/bus/usb", resetPort}

// usbDeviceIn returns the USB device of a folder of sysfs.
func usbDeviceIn(dir string) USBDevice {
	return USBDevice{
		VendorID: hexAttr(dir, "idVendor"), ProductID: hexAttr(dir, "idProduct"),
		Manufacturer: attr(dir, "manufacturer"), Product: attr(dir, "product"),
		Port: filepath.Base(dir), Bus: numberAttr(dir, "busnum"), Number: numberAttr(dir, "devnum"),
	}
}

// FindUSBDevice returns the USB device at a port. Its error is an *OpenError, with
// CauseNoAdapter if there is none.
func FindUSBDevice(port string) (USBDevice, error) { return systemUSB.findDevice(port) }

func (t usbTree) findDevice(port string) (USBDevice, error) {
	// The folder is a symbolic link into the tree of all devices.
	dir, err := filepath.EvalSymlinks(filepath.Join(t.sys, port))
	if d := usbDeviceIn(dir); err == nil && d.Number != 0 {
		return d, nil
	}
	return USBDevice{}, &OpenError{
		Address: "usb " + port, Op: opFindUSB, Cause: CauseNoAdapter,
		Err: errors.Join(errors.New("there is no device at this port"), err), Remedy: "plug it in",
	}
}

// Drivers returns the sorted drivers of the interfaces of the device. A device with more
// than one is not for Bluetooth alone.
func (d USBDevice) Drivers() []string { return systemUSB.driversOf(d) }

func (t usbTree) driversOf(d USBDevice) []string {
	dir := filepath.Join(t.sys, d.Port)
	entries, err := os.ReadDir(dir + "/") // through the symbolic link
	if err != nil {
		return nil
	}
	var drivers []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), d.Port+":") { // 1-1.4:1.0, with configuration and interface
			if driver := linkBase(filepath.Join(dir, e.Name(), "driver")); driver != "" {
				drivers = append(drivers, driver)
			}
		}
	}
	slices.Sort(drivers)
	return slices.Compact(drivers)
}

// Reset resets the port of the device. The kernel then removes the adapter of the device
// and adds it again, often under another index. Other devices of the hub are not affected.
//
// Reset requires write access to the device file. It refuses to reset another device than
// d that is now at the port. The kernel cannot be interrupted: if ctx ends, Reset
// returns, and the reset goes on. Its error is an *OpenError.
func (d USBDevice) Reset(ctx context.Context) error { return systemUSB.resetDevice(ctx, d) }

func (t usbTree) resetDevice(ctx context.Context, d USBDevice) error {
	f, err := t.openDevice(d)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		done <- t.reset(f)
		f.Close()
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		return canceled(ctx, "usb "+d.Port, opResetUSB)
	}
	if err == nil || errors.Is(err, unix.ENODEV) {
		// ENODEV: the device is another one after the reset, as one that has lost its
		// firmware is. The kernel removes it, and adds it with another number.
		return nil
	}
	return explainUSB(d, f.Name(), err)
}

// CheckReset returns the reason why Reset would fail; nil if it can be tried.
func (d USBDevice) CheckReset() error {
	f, err := systemUSB.openDevice(d)
	if err != nil {
		return err
	}
	return f.Close()
}

// openDevice opens the device file of d, if d is still at its port.
func (t usbTree) openDevice(d USBDevice) (*os.File, error) {
	now, err := t.findDevice(d.Port)
	if err != nil {
		return nil, err
	}
	if now.VendorID != d.VendorID || now.ProductID != d.ProductID {
		return nil, &OpenError{
			Address: "usb " + d.Port, Op: opResetUSB, Cause: CauseNoAdapter,
			Err:    fmt.Errorf("the device at this port is %04x:%04x, not %04x:%04x", now.VendorID, now.ProductID, d.VendorID, d.ProductID),
			Remedy: "plug the adapter in",
		}
	}
	path := filepath.Join(t.dev, now.fileName())
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, unix.ENOENT) && t.awaitRemoval(now) {
		err = unix.ENODEV
	}
	if err != nil {
		return nil, explainUSB(now, path, err)
	}
	return f, nil
}

// awaitRemoval reports whether a device without a device file is being removed: its folder
// in sysfs goes after that file, within removalTime.
func (t usbTree) awaitRemoval(d USBDevice) bool {
	for until := time.Now().Add(removalTime); time.Now().Before(until); time.Sleep(removalTime / 10) {
		if now, err := t.findDevice(d.Port); err != nil || now.Number != d.Number {
			return true
		}
	}
	return false
}

// resetPort performs the ioctl.
func resetPort(f *os.File) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var ioctlErr error
	err = rc.Control(func(fd uintptr) { ioctlErr = unix.IoctlSetInt(int(fd), ioctlUSBReset, 0) })
	return cmp.Or(err, ioctlErr)
}

// explainUSB returns the *OpenError of an error of the device file at path.
func explainUSB(d USBDevice, path string, err error) error {
	e := &OpenError{Address: "usb " + d.Port, Op: opResetUSB, Err: err, Cause: CauseDriver, Remedy: "unplug it and plug it in again"}
	switch {
	case errors.Is(err, unix.ENODEV): // it is being removed: its files go one by one
		e.Err, e.Cause, e.Remedy = fmt.Errorf("there is no device at this port: %w", err), CauseNoAdapter, "plug it in"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		e.Cause = CausePermission
		e.Err = fmt.Errorf("it requires write access to %s: %w", path, err)
		e.Remedy = fmt.Sprintf("run it as root, or add a rule to /etc/udev/rules.d: "+
			`SUBSYSTEM=="usb", ATTR{idVendor}=="%04x", ATTR{idProduct}=="%04x", MODE="0660", GROUP="bluetooth"`, d.VendorID, d.ProductID)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EROFS):
		e.Cause = CausePermission
		e.Err = fmt.Errorf("it requires the device file %s: %w", path, err)
		e.Remedy = "hand the device files to the container (`docker run --device /dev/bus/usb`), or mount devtmpfs at /dev"
	}
	return e
}
