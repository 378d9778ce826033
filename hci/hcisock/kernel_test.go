//go:build kernel && linux

package hcisock

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// These tests run as root on a kernel with Bluetooth and hci_vhci, where hci0
// is a controller that nobody uses (btvirt's, in the virtual machine of
// `make test-kernel`). They open, close, block and restart it.

const kernelTimeout = 30 * time.Second

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

// roundTrip resets the controller and waits for exactly the answer to that.
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

func adapter(t *testing.T, index int) Adapter {
	t.Helper()
	list, err := Adapters()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(a Adapter) bool { return a.Index == index })
	if i < 0 {
		t.Fatalf("hci%d is not among %+v", index, list)
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
	before := adapter(t, 0)
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
		held := adapter(t, 0)
		want := Holder{PID: os.Getpid(), Name: held.Holders[0].Name, UserChannel: true, Sure: true}
		if !held.UserChannel || !held.Up || held.Free() || !slices.Equal(held.Holders, []Holder{want}) {
			t.Errorf("%s: while open, hci0 is %+v; want it held by %v", address, held, want)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close: %v", address, err)
		}
		if free := adapter(t, 0); free.UserChannel || free.Up || !free.Free() {
			t.Errorf("%s: after Close, hci0 is %+v; want it down and free", address, free)
		}
	}
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
	_, err := Open(t.Context(), "hci0", nil)
	wantCause(t, err, CauseBusy, "hci0", "held by", who, "stop that process")
	if got := inChild(t, child{call: "open", address: "hci0"}); got.Cause != CauseBusy || !strings.Contains(got.Error, who) {
		t.Errorf("another process got %+v, want it busy and the holder named", got)
	}
	wantCause(t, Down(0), CauseBusy, who)
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
	if want := adapter(t, 0); got.Error != "" || !slices.ContainsFunc(got.Adapters, func(a Adapter) bool { return a.MAC == want.MAC && a.Index == 0 }) {
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

// A process without any capability works with an open user channel that it
// was handed.
func TestKernelInheritedUserChannel(t *testing.T) {
	s := openKernel(t, "hci0")
	got := inChild(t, child{call: "open", address: "fd:3", nobody: true, netns: true, pass: s})
	if got.Error != "" {
		t.Errorf("with an inherited user channel: %+v", got)
	}
	// The raw channel is not the user channel.
	conn, err := hciSocket(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind(&unix.SockaddrHCI{Dev: 0xFFFF, Channel: unix.HCI_CHANNEL_MONITOR}); err != nil {
		t.Fatal(err)
	}
	rc, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := rc.Control(func(fd uintptr) {
		_, err := Open(t.Context(), fmt.Sprintf("fd:%d", fd), nil)
		wantCause(t, err, CauseAddress, "bound to HCI channel 2, not to the user channel")
	}); err != nil {
		t.Fatal(err)
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
	if a := adapter(t, 0); !a.RFKill.Soft || a.RFKill.Hard || a.Free() {
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

// Up, Down and Reset drive the kernel's own stack; Open takes the adapter
// away from it.
func TestKernelUpDown(t *testing.T) {
	if err := Up(0); err != nil {
		t.Fatal(err)
	}
	if a := adapter(t, 0); !a.Up || a.UserChannel || !a.Free() {
		t.Errorf("after Up, hci0 is %+v", a)
	}
	if err := Up(0); err != nil {
		t.Errorf("Up of an adapter that is up: %v", err)
	}
	if err := Reset(0); err != nil {
		t.Errorf("Reset: %v", err)
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

// vhci is a controller of our own behind /dev/vhci, raw so that the kernel
// does not set it up and asks it nothing.
type vhci struct {
	*os.File
	index int
}

func newVHCI(t *testing.T) *vhci {
	t.Helper()
	f, err := os.OpenFile("/dev/vhci", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	const vendor, raw = 0xFF, 0x80
	if _, err := f.Write([]byte{vendor, raw}); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4)
	for {
		n, err := f.Read(answer)
		if err != nil {
			t.Fatal(err)
		}
		if n == 4 && answer[0] == vendor {
			return &vhci{f, int(answer[2]) | int(answer[3])<<8}
		}
	}
}

// openVHCI opens the virtual adapter, which the kernel may still be adding.
func openVHCI(t *testing.T, v *vhci, cfg *Config) *Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kernelTimeout)
	defer cancel()
	s, err := OpenUserChannel(ctx, v.index, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestKernelAdapterRemovedWhileReading(t *testing.T) {
	v := newVHCI(t)
	s := openVHCI(t, v, nil)
	if _, err := v.Write(resetComplete); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, hci.MaxPacketLen)
	if n, err := s.ReadPacket(b); err != nil || !bytes.Equal(b[:n], resetComplete) {
		t.Fatalf("read [% X], %v; want [% X]", b[:n], err, resetComplete)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := s.ReadPacket(make([]byte, hci.MaxPacketLen))
		ended <- err
	}()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	name := indexName(v.index)
	if err := <-ended; !errors.Is(err, unix.EPIPE) || !strings.Contains(err.Error(), name+": read: the adapter is gone") {
		t.Errorf("read gave %v, want EPIPE", err)
	}
	if _, err := s.ReadPacket(b); !errors.Is(err, unix.EPIPE) {
		t.Errorf("the next read gave %v, want EPIPE again", err)
	}
	if err := s.WritePacket(resetCommand); !errors.Is(err, unix.EPIPE) {
		t.Errorf("write gave %v, want EPIPE", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	_, err := Open(t.Context(), name, nil)
	wantCause(t, err, CauseNoAdapter, name)
}

func TestKernelCountsDrops(t *testing.T) {
	v := newVHCI(t)
	s := openVHCI(t, v, &Config{ReadBuffer: 1})
	event := append([]byte{4, 0xFF, 100}, make([]byte, 100)...)
	for range 100000 {
		if _, err := v.Write(event); err != nil {
			t.Fatal(err)
		}
		n, err := s.Drops()
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Error("100000 packets in the smallest buffer, and none was counted as dropped")
}

func TestKernelReadAllocatesNothing(t *testing.T) {
	v := newVHCI(t)
	s := openVHCI(t, v, nil)
	b := make([]byte, hci.MaxPacketLen)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := v.Write(resetComplete); err != nil {
			t.Error(err)
		}
		if _, err := s.ReadPacket(b); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a packet, want 0", n)
	}
}

// child is something to be done in another process, this test binary again.
type child struct {
	call    string // "open" or "list"
	address string
	nobody  bool    // as a user without capabilities
	netns   bool    // in a network namespace of its own
	pass    *Socket // as descriptor 3
}

// childResult is what it prints.
type childResult struct {
	Cause    Cause
	Error    string
	Adapters []Adapter
}

const (
	childEnv  = "MOOR_KERNEL_TEST_CHILD"
	childMark = "child result: "
)

func inChild(t *testing.T, c child) childResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), kernelTimeout)
	defer cancel()
	// Not the path: a user without rights may not come along it.
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^TestKernelChild$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+c.call+" "+c.address)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if c.nobody {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	if c.netns {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	}
	if c.pass != nil {
		rc, err := c.pass.conn.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var dup int
		if err := rc.Control(func(fd uintptr) { dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || dup == 0 {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(dup), "user channel")
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
	}
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if _, text, ok := strings.Cut(line, childMark); ok {
			var r childResult
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	t.Fatalf("child %+v: %v, printed %q", c, err, out)
	return childResult{}
}

// TestKernelChild is not a test but what inChild runs.
func TestKernelChild(t *testing.T) {
	call, address, ok := strings.Cut(os.Getenv(childEnv), " ")
	if !ok {
		t.Skip("only for the other tests")
	}
	var r childResult
	var err error
	switch call {
	case "open":
		var tr hci.Transport
		if tr, err = Open(t.Context(), address, nil); err == nil {
			err = roundTrip(tr)
			tr.Close()
		}
	case "list":
		r.Adapters, err = Adapters()
	default:
		err = fmt.Errorf("what is %s?", strconv.Quote(call))
	}
	var e *OpenError
	if errors.As(err, &e) {
		r.Cause = e.Cause
	}
	if err != nil {
		r.Error = err.Error()
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\n%s%s\n", childMark, text)
}
