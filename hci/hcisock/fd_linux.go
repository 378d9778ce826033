package hcisock

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// openFD opens an inherited descriptor. It uses a duplicate and leaves the original
// open, so that the address can be opened again after Close: the process may lack the
// privilege to open the adapter itself. The adapter behind the descriptor is released
// when the process ends.
func openFD(a Address, cfg *Config) (hci.Transport, error) {
	fd := a.Index
	if a.Name != "" {
		var err error
		if fd, err = listenFD(a.Name, os.Getpid(), os.Getenv); err != nil {
			e := &OpenError{Address: a.String(), Op: "find descriptor", Err: err, Cause: CauseNoAdapter}
			if missing, ok := errors.AsType[*listenError](err); ok {
				e.Remedy = missing.remedy
			}
			return nil, e
		}
	}
	packets, err := carriesPackets(fd)
	if err != nil {
		return nil, explainFD(a, "inspect", err)
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, explainFD(a, "duplicate", err)
	}
	if packets {
		conn, err := socket.New(dup, "hci")
		if err != nil {
			unix.Close(dup)
			return nil, explainFD(a, "set up", err)
		}
		return asTransport(newSocket(conn, a.String(), cfg))
	}
	// The descriptor must be nonblocking before NewFile. Then the runtime polls it,
	// and Close unblocks a read.
	if err := unix.SetNonblock(dup, true); err != nil {
		unix.Close(dup)
		return nil, explainFD(a, "set up", err)
	}
	return newStream(a.String(), os.NewFile(uintptr(dup), a.String())), nil
}

// carriesPackets reports whether a descriptor preserves the bounds of packets. It
// returns an error if the descriptor cannot be a controller.
func carriesPackets(fd int) (bool, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if errors.Is(err, unix.ENOTSOCK) {
		return false, checkDevice(fd)
	}
	if err != nil {
		return false, err
	}
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return false, err
	}
	switch {
	case domain == unix.AF_BLUETOOTH:
		addr, err := hciName(fd)
		if errors.Is(err, unix.EBADFD) {
			err = fmt.Errorf("it is an HCI socket that is bound to no adapter: %w", err)
		}
		if err == nil && addr.Channel != unix.HCI_CHANNEL_USER {
			err = fmt.Errorf("it is bound to HCI channel %d, not to the user channel", addr.Channel)
		}
		return true, err
	case kind == unix.SOCK_STREAM:
		return false, nil
	case kind == unix.SOCK_SEQPACKET:
		return true, nil
	default:
		return false, fmt.Errorf("a socket of type %d does not keep packets in order", kind)
	}
}

// checkDevice accepts a character device, which may be a byte stream in both
// directions.
func checkDevice(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return errors.New("it is neither a socket nor a serial device")
	}
	return nil
}

// hciName returns the address to which an HCI socket is bound. Package unix does not
// decode this kind of socket address. The error is EBADFD if the socket is not bound
// to an adapter, such as the socket of a monitor.
func hciName(fd int) (unix.RawSockaddrHCI, error) {
	var addr unix.RawSockaddrHCI
	size := uint32(unsafe.Sizeof(addr))
	_, _, errno := unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(fd),
		uintptr(unsafe.Pointer(&addr)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return addr, errno
	}
	if addr.Family != unix.AF_BLUETOOTH {
		return addr, fmt.Errorf("it is a socket of family %d", addr.Family)
	}
	return addr, nil
}

func explainFD(a Address, op string, err error) error {
	e := &OpenError{Address: a.String(), Op: op, Err: err, Cause: CauseAddress,
		Remedy: "pass a bound HCI user channel, a connected stream or sequenced-packet socket, or an open serial device"}
	if errors.Is(err, unix.EBADF) {
		e.Cause = CauseNoAdapter
		e.Remedy = "make the parent process pass an open descriptor with this number"
	}
	return e
}
