package doctor

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// Env is what Run asks. All functions must be set; System sets them all.
type Env struct {
	// Adapter is the address of the controller that is wanted (see hcisock).
	// Empty: any adapter of this machine.
	Adapter string
	// AddressFamily checks that HCI sockets can be made.
	AddressFamily func() error
	// InitialNetNS reports whether this is the initial network namespace.
	InitialNetNS func() (bool, error)
	// Privileges returns what this process may do.
	Privileges func() (Privileges, error)
	// Adapters lists the adapters, as hcisock.Adapters does.
	Adapters func() ([]hcisock.Adapter, error)
	// Dormant names Bluetooth devices on USB that no driver has made an
	// adapter of.
	Dormant func() []string
	// KernelLog returns the lines of the kernel's log.
	KernelLog func() ([]string, error)
	// Links returns the links that the kernel's own stack has on an adapter.
	Links func(index int) ([]hcisock.KernelLink, error)
	// Open opens a controller.
	Open func(ctx context.Context, address string) (hci.Transport, error)
	// Up gives an adapter that was up back to the kernel's own stack.
	Up func(index int) error
	// ProbeTimeout bounds opening a controller and its answer to Reset. 0: 15 s,
	// since some adapters load their firmware first.
	ProbeTimeout time.Duration
}

func (e *Env) probeTimeout() time.Duration {
	if e.ProbeTimeout == 0 {
		return 15 * time.Second
	}
	return e.ProbeTimeout
}

// Privileges of a process, as far as Bluetooth asks for them.
type Privileges struct {
	NetAdmin      bool // CAP_NET_ADMIN is in the effective set
	InitialUserNS bool // and holds outside a container as well
}
