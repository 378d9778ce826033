package hcisock

import "fmt"

// Cause is the reason why a controller could not be opened.
type Cause uint8

const (
	// CauseUnknown: none of the causes below; Err has the details.
	CauseUnknown Cause = iota
	// CauseAddress: the address is malformed, or Open does not open its scheme.
	CauseAddress
	// CauseUnsupported: this operating system has no such transport.
	CauseUnsupported
	// CauseNoBluetooth: the running kernel has no Bluetooth (EAFNOSUPPORT).
	CauseNoBluetooth
	// CauseNamespace: the kernel has Bluetooth, but not in this network namespace (EAFNOSUPPORT).
	CauseNamespace
	// CausePermission: CAP_NET_ADMIN or the access to a device file is missing.
	CausePermission
	// CauseNoAdapter: there is no such adapter, device file or descriptor.
	CauseNoAdapter
	// CauseBusy: another process uses it (EBUSY, EUSERS).
	CauseBusy
	// CauseRFKill: the radio is switched off (ERFKILL).
	CauseRFKill
	// CauseDriver: the adapter does not start, because of a timeout or missing firmware.
	CauseDriver
	// CauseUnreachable: nothing answers at the TCP or Unix address.
	CauseUnreachable
	// CauseCanceled: the context ended first.
	CauseCanceled
)

// String returns a short name, "cause 0xNN" for an unknown value.
func (c Cause) String() string {
	switch c {
	case CauseUnknown:
		return "unknown"
	case CauseAddress:
		return "wrong address"
	case CauseUnsupported:
		return "unsupported system"
	case CauseNoBluetooth:
		return "no Bluetooth in the kernel"
	case CauseNamespace:
		return "not the initial network namespace"
	case CausePermission:
		return "permission"
	case CauseNoAdapter:
		return "no such adapter"
	case CauseBusy:
		return "busy"
	case CauseRFKill:
		return "radio switched off"
	case CauseDriver:
		return "adapter does not start"
	case CauseUnreachable:
		return "unreachable"
	case CauseCanceled:
		return "canceled"
	default:
		return fmt.Sprintf("cause 0x%02X", uint8(c))
	}
}

// OpenError is the failure to open or to control an adapter.
type OpenError struct {
	Address string // the address passed to Open, such as "hci0"
	Op      string // the operation that failed, such as "bind user channel"
	Err     error  // usually wraps a syscall.Errno
	Cause   Cause
	Remedy  string // may be empty
}

// Error returns the address, the operation, the error and the remedy in one line.
func (e *OpenError) Error() string {
	s := fmt.Sprintf("hcisock: %s: %s: %v", e.Address, e.Op, e.Err)
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap returns Err.
func (e *OpenError) Unwrap() error { return e.Err }
