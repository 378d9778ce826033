package doctor

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// Env holds the probes of Run. All functions must be set; System sets them.
type Env struct {
	// Adapter is the address of the adapter to check (see hcisock). Empty means
	// all adapters of this machine.
	Adapter string
	// AddressFamily checks that HCI sockets can be made.
	AddressFamily func() error
	// InitialNetNS reports whether this is the initial network namespace.
	InitialNetNS func() (bool, error)
	// Privileges returns the privileges of this process.
	Privileges func() (hcisock.Privileges, error)
	// Adapters lists the adapters, as hcisock.Adapters does.
	Adapters func() ([]hcisock.Adapter, error)
	// Dormant names USB devices with Bluetooth that no driver has made an adapter
	// of.
	Dormant func() []string
	// KernelLog returns the lines of the kernel's log.
	KernelLog func() ([]string, error)
	// Links returns the links that the kernel's own stack has on an adapter.
	Links func(index int) ([]hcisock.KernelLink, error)
	// Open opens an adapter.
	Open func(ctx context.Context, address string) (hci.Transport, error)
	// Examine, if set, gets the adapter that answered, opened again. It closes tr.
	Examine func(ctx context.Context, address string, tr hci.Transport)
	// CheckReset returns the reason why the port of a USB device cannot be reset.
	CheckReset func(d hcisock.USBDevice) error
	// Up brings an adapter up in the kernel's own stack.
	Up func(index int) error
	// ProbeTimeout bounds opening an adapter and its answer to Reset. 0 means 15 s:
	// some adapters load their firmware first.
	ProbeTimeout time.Duration
}

func (e *Env) probeTimeout() time.Duration {
	if e.ProbeTimeout == 0 {
		return 15 * time.Second
	}
	return e.ProbeTimeout
}
