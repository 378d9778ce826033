package hcisock

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// socketPair returns two ends of a packet socket, which behaves like the user
// channel: it preserves the bounds of packets, and the runtime polls it.
func socketPair(t *testing.T, kind int) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

func testSocket(t *testing.T) (*Socket, *os.File) {
	t.Helper()
	fd, peer := socketPair(t, unix.SOCK_SEQPACKET)
	conn, err := socket.New(fd, "hci")
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSocket(conn, "hci0", nil)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(peer), "peer")
	t.Cleanup(func() { s.Close(); f.Close() })
	return s, f
}

func TestSocket(t *testing.T) {
	s, peer := testSocket(t)
	if n, err := s.Drops(); n != 0 || err != nil {
		t.Errorf("Drops = %d, %v; want 0", n, err)
	}
	if size, err := s.conn.ReadBuffer(); err != nil || size < 212992 {
		t.Errorf("receive buffer %d bytes, %v; want more than the usual default", size, err)
	}
	testTransport(t, s, peer)
}

func TestSocketEndIsFinal(t *testing.T) {
	s, peer := testSocket(t)
	if _, err := peer.Write(resetComplete); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	b := make([]byte, hci.MaxPacketLen)
	if n, err := s.ReadPacket(b); n != len(resetComplete) || err != nil {
		t.Fatalf("read %d bytes, %v; want the packet that was sent before the end", n, err)
	}
	for range 2 {
		if _, err := s.ReadPacket(b); !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "hci0: read: the adapter is gone") {
			t.Errorf("read gave %v, want a final error", err)
		}
	}
	if err := s.WritePacket(resetCommand); !errors.Is(err, unix.EPIPE) || !strings.Contains(err.Error(), "the adapter is gone") {
		t.Errorf("write gave %v, want EPIPE", err)
	}
}

// The kernel reports the removal of an adapter once and blocks afterwards.
func TestSocketKeepsRemovalError(t *testing.T) {
	s, _ := testSocket(t)
	s.readErr = unix.EPIPE
	if _, err := s.ReadPacket(make([]byte, hci.MaxPacketLen)); !errors.Is(err, unix.EPIPE) {
		t.Errorf("read gave %v, want EPIPE again, without asking the kernel", err)
	}
}

// The layouts are the kernel's (include/net/bluetooth/hci_sock.h), on all
// architectures.
func TestKernelStructs(t *testing.T) {
	var list devList
	var info devInfo
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"hci_dev_req", unsafe.Sizeof(list.entries[0]), 8},
		{"hci_dev_list_req.dev_req", unsafe.Offsetof(list.entries), 4},
		{"hci_dev_info", unsafe.Sizeof(info), 92},
		{"hci_dev_info.bdaddr", unsafe.Offsetof(info.address), 10},
		{"hci_dev_info.flags", unsafe.Offsetof(info.flags), 16},
		{"hci_dev_info.type", unsafe.Offsetof(info.kind), 20},
		{"hci_dev_info.pkt_type", unsafe.Offsetof(info.packetType), 32},
		{"hci_dev_info.stat", unsafe.Offsetof(info.stat), 52},
		{"hci_conn_info", unsafe.Sizeof(connInfo{}), 16},
		{"hci_conn_list_req.conn_info", unsafe.Offsetof(connList{}.entries), 4},
		{"hci_ufilter", unsafe.Sizeof(hciFilter{}), 16},
		{"rfkill_event", unsafe.Sizeof(rfkillEvent{}), 8},
		{"SK_MEMINFO_VARS", unsafe.Sizeof(memInfo{}), 9 * 4},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
}

// withoutBluetooth skips a test on machines whose kernel has Bluetooth.
func withoutBluetooth(t *testing.T) {
	t.Helper()
	if HasAddressFamily() == nil {
		t.Skip("this kernel has Bluetooth; the kernel tests cover it")
	}
}

func TestOpenWithoutBluetoothInTheKernel(t *testing.T) {
	withoutBluetooth(t)
	check := func(what string, err error) {
		t.Helper()
		var e *OpenError
		if !errors.As(err, &e) || e.Cause != CauseNoBluetooth && e.Cause != CauseNamespace || e.Remedy == "" {
			t.Errorf("%s: %v, want an *OpenError that says there is no Bluetooth", what, err)
		}
	}
	_, err := Open(t.Context(), "hci0", nil)
	check("Open(hci0)", err)
	_, err = Open(t.Context(), "00:11:22:33:44:55", nil)
	check("Open by address", err)
	_, err = Adapters()
	check("Adapters", err)
	_, err = Links(0)
	check("Links", err)
	check("Up", Up(0))
	check("Down", Down(0))
	check("KernelDisconnect", KernelDisconnect(t.Context(), 0, 0x40, hci.StatusRemoteUserTerminated))
}

func TestExplain(t *testing.T) {
	// A machine without Bluetooth, where nobody holds anything.
	none := clues{class: filepath.Join(t.TempDir(), "none"), proc: t.TempDir()}
	elsewhere := clues{class: t.TempDir(), proc: none.proc}
	for _, c := range []struct {
		at    clues
		err   error
		op    string
		cause Cause
		says  []string
	}{
		{none, unix.EPERM, "bind user channel", CausePermission, []string{"bind user channel: bind: operation not permitted", "setcap cap_net_admin+ep", "root", "initial user namespace"}},
		{none, unix.ENODEV, opDown, CauseNoAdapter, []string{"no such adapter", "choose one of"}},
		{none, unix.EBUSY, opDown, CauseBusy, []string{"held by another process", "stop that process"}},
		{none, unix.EUSERS, "bind user channel", CauseBusy, []string{"held by another process"}},
		{none, unix.ERFKILL, "bind user channel", CauseRFKill, []string{"rfkill unblock bluetooth"}},
		{none, unix.EAFNOSUPPORT, "open control socket", CauseNoBluetooth, []string{"the running kernel has no Bluetooth", "modprobe bluetooth"}},
		{elsewhere, unix.EAFNOSUPPORT, "open control socket", CauseNamespace, []string{"only in the initial network namespace", "host networking"}},
		{none, unix.ETIMEDOUT, "bind user channel", CauseDriver, []string{"dmesg", "firmware"}},
		{none, unix.ENOMEM, "bind user channel", CauseUnknown, []string{"cannot allocate memory"}},
	} {
		err := c.at.explain("hci7", c.op, 7, os.NewSyscallError("bind", c.err))
		var e *OpenError
		if !errors.As(err, &e) || e.Cause != c.cause || !errors.Is(err, c.err) {
			t.Errorf("%v: %v, want cause %v", c.err, err, c.cause)
		}
		for _, part := range append(c.says, "hcisock: hci7: ") {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v: %q does not say %q", c.err, err, part)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %q has more than one line", c.err, err)
		}
	}
}
