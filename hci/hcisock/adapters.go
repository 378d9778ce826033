package hcisock

import (
	"fmt"

	"github.com/moor-ble/moor/hci"
)

// Adapter describes a Bluetooth adapter of this machine.
type Adapter struct {
	Index int
	Name  string  // "hci0"
	MAC   hci.MAC // zero if the adapter has none, or the kernel has not read it yet
	Bus   string  // "usb", "uart", "sdio", "virtual", ...; "bus 0xNN" if unknown
	// Driver and USB come from sysfs; they are zero if sysfs does not have them.
	Driver string
	USB    USBDevice
	// Up reports that the kernel has brought the adapter up, for BlueZ or for the
	// process with its user channel.
	Up     bool
	RFKill RFKill
	// UserChannel reports that a process has the user channel, which excludes all
	// other processes.
	UserChannel bool
	// Holders are the processes that use the adapter, or may use it if only root
	// can find out.
	Holders []Holder
}

// Free reports whether a can be opened, as far as is known: no process has its user
// channel, and its radio is not switched off.
func (a Adapter) Free() bool { return !a.UserChannel && !a.RFKill.Soft && !a.RFKill.Hard }

// RFKill is the state of the radio switches of an adapter.
type RFKill struct {
	Soft bool // the radio is switched off by software; see Unblock
	Hard bool // the radio is switched off by a switch or key of the machine
}

// Holder is a process that uses an adapter.
type Holder struct {
	PID  int
	Name string // command name in the kernel, at most 15 bytes
	// UserChannel reports that the process has the user channel of the adapter.
	// Otherwise it is bluetoothd, which manages the adapter and releases it when
	// another process opens it.
	UserChannel bool
	// Sure is false if the process has HCI sockets, but only root can see of which
	// adapter.
	Sure bool
	// FD is the number of the descriptor if the holder is this process, which was handed
	// the user channel or has opened it; otherwise 0.
	FD int
}

func (h Holder) String() string {
	s := fmt.Sprintf("%s (pid %d)", h.Name, h.PID)
	if !h.Sure {
		s = "possibly " + s
	}
	return s
}
