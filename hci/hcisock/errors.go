package hcisock

import "fmt"

// Cause says why a controller could not be opened.
type Cause uint8

const (
	// CauseUnknown: none of the causes below; Err has the details.
	CauseUnknown Cause = iota
	// CauseAddress: the address is malformed or of a scheme that is not opened here.
	CauseAddress
	// CauseUnsupported: this operating system has no such transport.
	CauseUnsupported
	// CauseNoBluetooth: the running kernel has no Bluetooth (EAFNOSUPPORT).
	CauseNoBluetooth
	// CauseNamespace: the kernel has Bluetooth, but not in this network namespace (EAFNOSUPPORT).
	CauseNamespace
	// CausePermission: CAP_NET_ADMIN is missing, or access to a device file.
	CausePermission
	// CauseNoAdapter: there is no such adapter, device file or descriptor.
	CauseNoAdapter
	// CauseBusy: another process holds it (EBUSY, EUSERS).
	CauseBusy
	// CauseRFKill: the radio is switched off (ERFKILL).
	CauseRFKill
	// CauseDriver: the adapter is there but does not start: timeout, missing firmware.
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

// OpenError says which adapter could not be opened or controlled, why, and
// what to do about it, in one line.
type OpenError struct {
	Address string // as given to Open: "hci0"
	Op      string // what was being done: "bind user channel"
	Err     error  // usually wraps a syscall.Errno
	Cause   Cause
	Remedy  string // what to do about it; may be empty
}

func (e *OpenError) Error() string {
	s := fmt.Sprintf("hcisock: %s: %s: %v", e.Address, e.Op, e.Err)
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

func (e *OpenError) Unwrap() error { return e.Err }
