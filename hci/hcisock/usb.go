package hcisock

import "fmt"

// USBDevice is a USB device, and its place.
type USBDevice struct {
	VendorID, ProductID   uint16
	Manufacturer, Product string // strings of the device
	// Port is the place of the device: the number of the bus, and the ports of the hubs
	// on the way, such as "1-1.4". It stays when the device is plugged in again.
	Port string
	// Bus and Number are the numbers of the bus and of the device on it. The device gets
	// another number when it is plugged in again.
	Bus, Number int
}

// File returns the path of the device file, such as /dev/bus/usb/001/004.
func (d USBDevice) File() string { return fmt.Sprintf("/dev/bus/usb/%s", d.fileName()) }

// fileName returns the path of the device file below the folder of all of them.
func (d USBDevice) fileName() string { return fmt.Sprintf("%03d/%03d", d.Bus, d.Number) }

// The operations on USB devices.
const (
	opFindUSB  = "find USB device"
	opResetUSB = "reset USB port"
)
