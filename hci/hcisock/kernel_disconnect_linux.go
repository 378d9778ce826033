package hcisock

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// disconnectTimeout bounds KernelDisconnect if ctx does not: the longest supervision
// timeout (Vol 4, Part E, 7.8.12) and a margin.
const disconnectTimeout = 33 * time.Second

// KernelDisconnect ends a link of the kernel's own stack (see [Links]) and waits for
// its end. It requires CAP_NET_RAW, and an adapter that is up and not in use by a
// user channel. If the controller refuses, the error wraps its hci.Status, such as
// StatusUnknownConnection if there is no such link.
func KernelDisconnect(ctx context.Context, index int, handle hci.Handle, reason hci.Status) error {
	const op = "disconnect"
	name := indexName(index)
	ctx, cancel := context.WithTimeout(ctx, disconnectTimeout)
	defer cancel()
	conn, err := hciSocket(nil)
	if err != nil {
		return explain(name, "open raw socket", index, err)
	}
	defer conn.Close()
	if err := bindRaw(conn, index); err != nil {
		return explain(name, "bind raw channel", index, err)
	}
	command, err := hci.AppendCommand(nil, hci.Disconnect{Handle: handle, Reason: reason})
	if err != nil {
		return fmt.Errorf("hcisock: %s: %s: %w", name, op, err)
	}
	if _, err := conn.Write(command); err != nil {
		if errors.Is(err, unix.EPERM) {
			return &OpenError{Address: name, Op: op, Err: err, Cause: CausePermission,
				Remedy: "run it as root, or once `sudo setcap cap_net_admin,cap_net_raw+ep PROGRAM`"}
		}
		return explain(name, op, index, err)
	}
	if err := awaitDisconnect(ctx, conn, handle); err != nil {
		return fmt.Errorf("hcisock: %s: disconnect handle 0x%04X: %w", name, uint16(handle), err)
	}
	return nil
}

// hciFilter is the kernel's struct hci_ufilter. It selects the packets and events that
// a raw socket receives.
type hciFilter struct {
	types  uint32
	events [2]uint32
	opcode uint16
	_      [2]byte
}

const optHCIFilter = 2 // HCI_FILTER

// bindRaw binds conn to the raw channel of an adapter, filtered for the events that
// KernelDisconnect needs.
func bindRaw(conn *socket.Conn, index int) error {
	if err := conn.Bind(&unix.SockaddrHCI{Dev: uint16(index), Channel: unix.HCI_CHANNEL_RAW}); err != nil {
		return err
	}
	f := hciFilter{
		types:  1 << hci.PacketEvent,
		events: [2]uint32{1<<hci.EvDisconnectionComplete | 1<<hci.EvCommandStatus},
	}
	return conn.SetsockoptBytes(unix.SOL_HCI, optHCIFilter, unsafe.Slice((*byte)(unsafe.Pointer(&f)), unsafe.Sizeof(f)))
}

// awaitDisconnect waits until an event reports the end of the link, or the refusal of
// the command.
func awaitDisconnect(ctx context.Context, conn *socket.Conn, handle hci.Handle) error {
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := conn.ReadContext(ctx, b)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		if done, err := disconnected(b[:n], handle); done {
			return err
		}
	}
}

// disconnected reports whether an H4 packet ends the wait for the disconnection of a
// link, and with which result.
func disconnected(packet []byte, handle hci.Handle) (bool, error) {
	r := wire.NewReader(packet)
	if hci.PacketType(r.U8()) != hci.PacketEvent {
		return false, nil
	}
	ev, err := hci.ParseEvent(r.Rest())
	if err != nil {
		return true, err
	}
	switch ev := ev.(type) {
	case *hci.CommandStatus:
		if ev.Opcode == hci.OpDisconnect && ev.Status != hci.StatusSuccess {
			return true, ev.Status
		}
	case *hci.DisconnectionComplete:
		switch {
		case ev.Handle == handle && ev.Status == hci.StatusSuccess:
			return true, nil
		case ev.Status != hci.StatusSuccess && (ev.Handle == handle || ev.Handle == 0):
			// For an unknown handle, BlueZ's btvirt reports the failure with handle 0.
			return true, ev.Status
		}
	}
	return false, nil
}
