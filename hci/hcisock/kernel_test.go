//go:build kernel && linux

package hcisock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// These tests run as root on a kernel with Bluetooth and hci_vhci, where hci0
// is a controller without another user (btvirt's, in the virtual machine of
// `make test-kernel`). They open, close, block and restart it.

const kernelTimeout = 2 * time.Minute

func openKernel(t *testing.T, address string) *Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kernelTimeout)
	defer cancel()
	tr, err := Open(ctx, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr.(*Socket)
}

// roundTrip resets the controller and wants exactly the answer to that.
func roundTrip(tr hci.Transport) error {
	timer := time.AfterFunc(kernelTimeout, func() { tr.Close() }) // no test hangs
	defer timer.Stop()
	if err := tr.WritePacket(resetCommand); err != nil {
		return err
	}
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := tr.ReadPacket(b)
		if err != nil {
			return err
		}
		// Code, length, credits, opcode, status; the credits are the controller's.
		if n == 7 && bytes.Equal(b[:3], resetComplete[:3]) && bytes.Equal(b[4:n], resetComplete[4:]) {
			return nil
		}
	}
}

// hci0 returns the adapter hci0 from Adapters.
func hci0(t *testing.T) Adapter {
	t.Helper()
	list, err := Adapters()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(a Adapter) bool { return a.Index == 0 })
	if i < 0 {
		t.Fatalf("hci0 is not among %+v", list)
	}
	return list[i]
}

func wantCause(t *testing.T, err error, cause Cause, says ...string) {
	t.Helper()
	var e *OpenError
	if !errors.As(err, &e) || e.Cause != cause || e.Remedy == "" {
		t.Errorf("error %v; want cause %q and a remedy", err, cause)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}

func TestKernelOpen(t *testing.T) {
	before := hci0(t)
	if before.Name != "hci0" || before.MAC == (hci.MAC{}) || before.Bus != "virtual" || before.UserChannel || !before.Free() {
		t.Fatalf("hci0 is %+v; these tests need a virtual one with an address that nobody holds", before)
	}
	for _, address := range []string{"hci0", before.MAC.String()} {
		s := openKernel(t, address)
		if err := roundTrip(s); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if size, err := s.conn.ReadBuffer(); err != nil || size != 2<<20 {
			t.Errorf("%s: receive buffer %d bytes, %v; want the 1 MiB asked for, doubled by the kernel", address, size, err)
		}
		if n, err := s.Drops(); n != 0 || err != nil {
			t.Errorf("%s: Drops = %d, %v; want 0", address, n, err)
		}
		held := hci0(t)
		want := Holder{PID: os.Getpid(), Name: held.Holders[0].Name, UserChannel: true, Sure: true, FD: descriptor(t, s)}
		if !held.UserChannel || !held.Up || held.Free() || !slices.Equal(held.Holders, []Holder{want}) {
			t.Errorf("%s: while open, hci0 is %+v; want it held by %v", address, held, want)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close: %v", address, err)
		}
		if free := hci0(t); free.UserChannel || free.Up || !free.Free() {
			t.Errorf("%s: after Close, hci0 is %+v; want it down and free", address, free)
		}
	}
}

// descriptor returns the number of the descriptor of a socket.
func descriptor(t *testing.T, s *Socket) (number int) {
	t.Helper()
	raw, err := s.conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { number = int(fd) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func TestKernelCloseUnblocksRead(t *testing.T) {
	s := openKernel(t, "hci0")
	if err := roundTrip(s); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := s.ReadPacket(make([]byte, hci.MaxPacketLen))
		ended <- err
	}()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("read ended by Close gave %v, want net.ErrClosed", err)
	}
	if err := s.WritePacket(resetCommand); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Close gave %v, want net.ErrClosed", err)
	}
}

func TestKernelBusy(t *testing.T) {
	s := openKernel(t, "hci0")
	who := fmt.Sprintf("(pid %d)", os.Getpid())
	own := fmt.Sprintf("this process has it as descriptor %d", descriptor(t, s))
	_, err := Open(t.Context(), "hci0", nil)
	wantCause(t, err, CauseBusy, "hci0", own, "close it there")
	got := inChild(t, child{call: "open", address: "hci0"})
	if got.Cause != CauseBusy || !strings.Contains(got.Error, "held by") || !strings.Contains(got.Error, who) {
		t.Errorf("another process got %+v, want it busy and the holder named", got)
	}
	wantCause(t, Down(0), CauseBusy, own)
	if err := roundTrip(s); err != nil {
		t.Errorf("the holder lost the adapter: %v", err)
	}
	s.Close()
	if got := inChild(t, child{call: "open", address: "hci0"}); got.Error != "" {
		t.Errorf("another process got %+v after Close, want the adapter", got)
	}
}

func TestKernelNoSuchAdapter(t *testing.T) {
	_, err := Open(t.Context(), "hci99", nil)
	wantCause(t, err, CauseNoAdapter, "hci99", "no such adapter", "hci0")
	_, err = Open(t.Context(), "00:00:00:00:00:EE", nil)
	wantCause(t, err, CauseNoAdapter, "00:00:00:00:00:EE", "no such adapter", "hci0")
}

func TestKernelWithoutCapability(t *testing.T) {
	got := inChild(t, child{call: "open", address: "hci0", nobody: true})
	if got.Cause != CausePermission || !strings.Contains(got.Error, "setcap cap_net_admin+ep") {
		t.Errorf("an ordinary user got %+v, want a missing permission and its remedy", got)
	}
	got = inChild(t, child{call: "list", nobody: true})
	if want := hci0(t); got.Error != "" || !slices.ContainsFunc(got.Adapters, func(a Adapter) bool { return a.MAC == want.MAC && a.Index == 0 }) {
		t.Errorf("an ordinary user lists %+v, want hci0 in it", got)
	}
	// The user channel shows even to those who do not see who holds it.
	openKernel(t, "hci0")
	got = inChild(t, child{call: "list", nobody: true})
	if got.Error != "" || !slices.ContainsFunc(got.Adapters, func(a Adapter) bool { return a.Index == 0 && a.UserChannel }) {
		t.Errorf("an ordinary user lists %+v, want hci0 as taken", got)
	}
}

func TestKernelOtherNetworkNamespace(t *testing.T) {
	got := inChild(t, child{call: "open", address: "hci0", netns: true})
	if got.Cause != CauseNamespace || !strings.Contains(got.Error, "initial network namespace") {
		t.Errorf("got %+v, want the namespace as the cause", got)
	}
}

// A process without any capability can use an open user channel that it has
// inherited.
func TestKernelInheritedUserChannel(t *testing.T) {
	s := openKernel(t, "hci0")
	got := inChild(t, child{call: "open", address: "fd:3", nobody: true, netns: true, pass: s})
	if got.Error != "" {
		t.Errorf("with an inherited user channel: %+v", got)
	}
	s.Close()
	for _, c := range []struct {
		to   *unix.SockaddrHCI
		says string
	}{
		{&unix.SockaddrHCI{Dev: 0, Channel: unix.HCI_CHANNEL_RAW}, "bound to HCI channel 0, not to the user channel"},
		{&unix.SockaddrHCI{Dev: 0xFFFF, Channel: unix.HCI_CHANNEL_MONITOR}, "bound to no adapter"},
	} {
		fd, err := unix.Socket(unix.AF_BLUETOOTH, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.BTPROTO_HCI)
		if err != nil {
			t.Fatal(err)
		}
		address := inherited(t, fd)
		if err := unix.Bind(fd, c.to); err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), address, nil)
		wantCause(t, err, CauseAddress, c.says)
	}
}

func TestKernelRFKill(t *testing.T) {
	_, id, ok := rfkillDir(classDir, 0)
	if !ok {
		t.Skip("this kernel has no rfkill")
	}
	t.Cleanup(func() {
		if err := Unblock(0); err != nil {
			t.Error(err)
		}
	})
	if err := writeRFKill("/dev/rfkill", rfkillEvent{id: id, kind: rfkillBluetooth, op: rfkillChange, soft: 1}); err != nil {
		t.Fatal(err)
	}
	if a := hci0(t); !a.RFKill.Soft || a.RFKill.Hard || a.Free() {
		t.Errorf("with the radio off, hci0 is %+v", a)
	}
	_, err := Open(t.Context(), "hci0", nil)
	wantCause(t, err, CauseRFKill, "hci0", "rfkill unblock bluetooth")
	if err := Unblock(0); err != nil {
		t.Fatal(err)
	}
	if err := roundTrip(openKernel(t, "hci0")); err != nil {
		t.Errorf("after Unblock: %v", err)
	}
}

// Up and Down use the kernel's own stack; Open takes the adapter away from it.
func TestKernelUpDown(t *testing.T) {
	if err := Up(0); err != nil {
		t.Fatal(err)
	}
	if a := hci0(t); !a.Up || a.UserChannel || !a.Free() {
		t.Errorf("after Up, hci0 is %+v", a)
	}
	if err := Up(0); err != nil {
		t.Errorf("Up of an adapter that is up: %v", err)
	}
	if links, err := Links(0); err != nil || len(links) != 0 {
		t.Errorf("Links = %+v, %v; want none", links, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), kernelTimeout)
	defer cancel()
	if err := KernelDisconnect(ctx, 0, 0x0EFE, hci.StatusRemoteUserTerminated); !errors.Is(err, hci.StatusUnknownConnection) {
		t.Errorf("disconnecting a link that there is not: %v, want status 0x02", err)
	}
	s := openKernel(t, "hci0")
	if err := roundTrip(s); err != nil {
		t.Errorf("taken from the kernel's own stack: %v", err)
	}
	s.Close()
	for range 2 {
		if err := Down(0); err != nil {
			t.Errorf("Down: %v", err)
		}
	}
}
