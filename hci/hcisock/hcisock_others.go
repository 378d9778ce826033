//go:build !linux

package hcisock

import (
	"context"
	"errors"
	"net"
	"runtime"

	"github.com/moor-ble/moor/hci"
)

// unsupported is the error of everything that only Linux has.
func unsupported(address, op string) error {
	return &OpenError{Address: address, Op: op, Err: errors.ErrUnsupported, Cause: CauseUnsupported,
		Remedy: "on " + runtime.GOOS + " only tcp: and unix: controllers can be opened"}
}

// Socket is the HCI user channel of a Linux adapter. Open never returns one on this
// system.
type Socket struct{ hci.Transport }

// openUserChannel fails with CauseUnsupported on this system.
func openUserChannel(_ context.Context, index int, _ *Config) (*Socket, error) {
	return nil, unsupported(indexName(index), "open")
}

// Drops returns how many incoming packets the kernel has dropped.
func (s *Socket) Drops() (uint32, error) { return 0, unsupported("socket", "drops") }

func openMAC(_ context.Context, a Address, _ *Config) (*Socket, error) {
	return nil, unsupported(a.String(), "open")
}

// newPromptConn returns c: only Linux lets a program ask for prompt acknowledgments.
func newPromptConn(c net.Conn) net.Conn { return c }

func openSerial(a Address) (*Stream, error) { return nil, unsupported(a.String(), "open") }

func openFD(a Address, _ *Config) (hci.Transport, error) { return nil, unsupported(a.String(), "open") }

// ReadPrivileges fails on this system.
func ReadPrivileges() (Privileges, error) { return Privileges{}, errors.ErrUnsupported }

// Adapters fails with CauseUnsupported on this system, as do the functions
// below.
func Adapters() ([]Adapter, error) { return nil, unsupported("adapters", "list") }

// HasAddressFamily returns nil if this process can create HCI sockets.
func HasAddressFamily() error { return unsupported("bluetooth", "open control socket") }

// Up makes the kernel's own stack start the adapter.
func Up(index int) error { return unsupported(indexName(index), "bring up") }

// Down makes the kernel's own stack stop the adapter.
func Down(index int) error { return unsupported(indexName(index), "bring down") }

// Unblock switches on the radio of an adapter that software has switched off.
func Unblock(index int) error { return unsupported(indexName(index), "turn radio on") }

// FindUSBDevice returns the USB device at a port.
func FindUSBDevice(port string) (USBDevice, error) {
	return USBDevice{}, unsupported("usb "+port, opFindUSB)
}

// Drivers returns the drivers of the interfaces of the device.
func (d USBDevice) Drivers() []string { return nil }

// Reset resets the port of the device.
func (d USBDevice) Reset(context.Context) error { return unsupported("usb "+d.Port, opResetUSB) }

// CheckReset returns the reason why Reset would fail.
func (d USBDevice) CheckReset() error { return unsupported("usb "+d.Port, opResetUSB) }

// Links returns the links of the kernel's own stack on an adapter.
func Links(index int) ([]KernelLink, error) { return nil, unsupported(indexName(index), "list links") }

// KernelDisconnect ends a link of the kernel's own stack.
func KernelDisconnect(_ context.Context, index int, _ hci.Handle, _ hci.Status) error {
	return unsupported(indexName(index), "disconnect")
}
