package hcisock

import (
	"fmt"

	"github.com/moor-ble/moor/hci"
)

// Adapter describes a Bluetooth adapter of this machine.
type Adapter struct {
	Index int
	Name  string  // "hci0"
	MAC   hci.MAC // zero when the adapter has none, or the kernel has not read it yet
	Bus   string  // "usb", "uart", "sdio", "virtual", ...; "bus 0xNN" when unknown
	// Driver and USB are what sysfs says; empty and zero where it does not.
	Driver string
	USB    USBDevice
	// Up says that the kernel runs the adapter, for BlueZ or for the holder of
	// its user channel.
	Up     bool
	RFKill RFKill
	// UserChannel says that a process has the adapter for itself.
	UserChannel bool
	// Holders are the processes that use it or, where that cannot be found out
	// without root, may use it.
	Holders []Holder
}

// Free reports whether nothing is known to stand in the way of opening a.
func (a Adapter) Free() bool { return !a.UserChannel && !a.RFKill.Soft && !a.RFKill.Hard }

// USBDevice names a device on USB.
type USBDevice struct {
	VendorID, ProductID   uint16
	Manufacturer, Product string // as the device calls them
}

// RFKill says whether the radio is switched off.
type RFKill struct {
	Soft bool // by software: Unblock turns it on
	Hard bool // by a switch or key of the machine
}

// Holder is a process that holds an adapter.
type Holder struct {
	PID  int
	Name string // as the kernel shows it, at most 15 bytes
	// UserChannel says that it has the adapter's user channel; otherwise it is
	// bluetoothd, which manages the adapter and lets go of it when asked.
	UserChannel bool
	// Sure is false for a process that has HCI sockets, when it cannot be seen
	// which; root sees it.
	Sure bool
}

func (h Holder) String() string {
	s := fmt.Sprintf("%s (pid %d)", h.Name, h.PID)
	if !h.Sure {
		s = "possibly " + s
	}
	return s
}
