package hcisock

import (
	"errors"
	"unsafe"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// control is an unbound HCI socket, the only kind on which the HCI ioctls work. The
// ioctls that only read require no privilege.
type control struct{ conn *socket.Conn }

func openControl(cfg *Config) (*control, error) {
	conn, err := hciSocket(cfg)
	if err != nil {
		return nil, err
	}
	return &control{conn}, nil
}

// hciSocket creates an unbound HCI socket.
func hciSocket(cfg *Config) (*socket.Conn, error) {
	var sc *socket.Config // nil leaves the network namespace alone
	if ns := cfg.netNS(); ns != 0 {
		sc = &socket.Config{NetNS: ns}
	}
	return socket.Socket(unix.AF_BLUETOOTH, unix.SOCK_RAW, unix.BTPROTO_HCI, "hci", sc)
}

func (c *control) Close() error { return c.conn.Close() }

// maxInterrupts bounds the retries of an ioctl that a signal has interrupted. The Go
// runtime sends signals to itself.
const maxInterrupts = 100

// byIndex performs an ioctl that takes the index of the adapter by value.
func (c *control) byIndex(request uint, index int) error {
	rc, err := c.conn.SyscallConn()
	if err != nil {
		return err
	}
	var ioctlErr error
	err = rc.Control(func(fd uintptr) {
		for range maxInterrupts {
			if ioctlErr = unix.IoctlSetInt(int(fd), request, index); !errors.Is(ioctlErr, unix.EINTR) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return ioctlErr
}

// bringUp starts an adapter, if it is not up.
func (c *control) bringUp(index int) error {
	if err := c.byIndex(ioctlDevUp, index); !errors.Is(err, unix.EALREADY) {
		return err
	}
	return nil
}

// bringDown stops an adapter that is up and does nothing otherwise. A DOWN during the
// kernel's setup of a new adapter would cancel the setup for good: the adapter would
// stay busy until it is plugged in again (seen on Linux 6.1).
func (c *control) bringDown(index int) error {
	info, err := c.adapterInfo(index)
	if err != nil || info.flags&flagUp == 0 {
		return err
	}
	if err := c.byIndex(ioctlDevDown, index); !errors.Is(err, unix.EALREADY) {
		return err
	}
	return nil
}

// maxAdapters bounds the list of adapters. The kernel accepts up to two pages.
const maxAdapters = 128

// devList is the kernel's struct hci_dev_list_req with room for the list.
type devList struct {
	n       uint16
	_       [2]byte
	entries [maxAdapters]struct {
		id    uint16
		_     [2]byte
		flags uint32
	}
}

// indexes returns the indexes of all adapters, in any order.
func (c *control) indexes() ([]int, error) {
	list := devList{n: maxAdapters}
	if err := c.conn.Ioctl(ioctlGetDevList, unsafe.Pointer(&list)); err != nil {
		return nil, err
	}
	var ids []int
	for i, e := range list.entries {
		if i >= int(list.n) {
			break
		}
		ids = append(ids, int(e.id))
	}
	return ids, nil
}

// devInfo is the kernel's struct hci_dev_info.
type devInfo struct {
	id         uint16
	name       [8]byte
	address    [6]byte
	flags      uint32
	kind       uint8 // bus in the lower half, BR/EDR or AMP in the upper one
	features   [8]uint8
	_          [3]byte
	packetType uint32
	linkPolicy uint32
	linkMode   uint32
	aclMTU     uint16
	aclPackets uint16
	scoMTU     uint16
	scoPackets uint16
	stat       [10]uint32
}

const (
	flagUp  = 1 << 0 // HCI_UP
	flagRaw = 1 << 8 // HCI_RAW
)

// adapterInfo returns the kernel's information about an adapter.
func (c *control) adapterInfo(index int) (devInfo, error) {
	info := devInfo{id: uint16(index)}
	err := c.conn.Ioctl(ioctlGetDevInfo, unsafe.Pointer(&info))
	return info, err
}

// findMAC returns the index of the adapter with an address. The error is ENODEV if
// there is none.
func (c *control) findMAC(mac hci.MAC) (int, error) {
	ids, err := c.indexes()
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if info, err := c.adapterInfo(id); err == nil && hci.MAC(info.address) == mac {
			return id, nil
		}
	}
	return 0, unix.ENODEV
}
