package hcisock

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// adaptersInSysfs returns the sorted indexes of the adapters in the class folder. The
// folder contains links (hci0:64) too.
func adaptersInSysfs(class string) []int {
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil
	}
	var ids []int
	for _, e := range entries {
		if digits, ok := strings.CutPrefix(e.Name(), "hci"); ok {
			if id, err := parseNumber(digits, maxIndex); err == nil {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// fromSysfs returns an adapter with the information of sysfs.
func fromSysfs(class string, index int) Adapter {
	a := Adapter{Index: index, Name: indexName(index), RFKill: rfkillOf(class, index)}
	dir := filepath.Join(class, a.Name)
	device, err := filepath.EvalSymlinks(filepath.Join(dir, "device"))
	if err != nil {
		a.Bus = "virtual" // a virtual adapter has no parent device
		return a
	}
	a.Bus = linkBase(filepath.Join(device, "subsystem"))
	a.Driver = linkBase(filepath.Join(device, "driver"))
	if a.Bus == "usb" {
		// The parent of the adapter is the USB interface, whose parent is the device.
		a.USB = usbDeviceIn(filepath.Dir(device))
	}
	return a
}

// attr returns the content of an attribute file, "" if it cannot be read.
func attr(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// hexAttr returns the hexadecimal number in an attribute file, 0 if there is none.
func hexAttr(dir, name string) uint16 {
	n, err := strconv.ParseUint(attr(dir, name), 16, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// numberAttr returns the decimal number in an attribute file, 0 if there is none.
func numberAttr(dir, name string) int {
	n, err := strconv.Atoi(attr(dir, name))
	if err != nil {
		return 0
	}
	return n
}

// linkBase returns the last element of the target of a symbolic link.
func linkBase(path string) string {
	target, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}

// busName returns the name of a bus number of the kernel (HCI_USB and so on).
func busName(bus uint8) string {
	switch bus {
	case 0:
		return "virtual"
	case 1:
		return "usb"
	case 2:
		return "pccard"
	case 3:
		return "uart"
	case 4:
		return "rs232"
	case 5:
		return "pci"
	case 6:
		return "sdio"
	case 7:
		return "spi"
	case 8:
		return "i2c"
	case 9:
		return "smd"
	case 10:
		return "virtio"
	case 11:
		return "ipc"
	default:
		return fmt.Sprintf("bus 0x%02X", bus)
	}
}
