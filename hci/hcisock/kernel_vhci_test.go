//go:build kernel && linux

package hcisock

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// vhci is a controller that the test provides through /dev/vhci.
type vhci struct {
	*os.File
	index int
}

// Kinds of virtual controllers: one that the kernel sets up when it is added, and a
// raw one to which the kernel sends nothing.
const (
	vhciPlain = 0x00
	vhciRaw   = 0x80
)

func newVHCI(t *testing.T, kind byte) *vhci {
	t.Helper()
	f, err := os.OpenFile("/dev/vhci", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	const vendor = 0xFF
	if _, err := f.Write([]byte{vendor, kind}); err != nil {
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
	s, err := openUserChannel(ctx, v.index, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestKernelAdapterRemovedWhileReading(t *testing.T) {
	v := newVHCI(t, vhciRaw)
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
	v := newVHCI(t, vhciRaw)
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
	v := newVHCI(t, vhciRaw)
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

// A controller that does not answer stays busy for good once the kernel's setup of it
// has failed.
func TestKernelAdapterThatDoesNotAnswer(t *testing.T) {
	v := newVHCI(t, vhciPlain)
	_, err := openUserChannel(t.Context(), v.index, nil)
	wantCause(t, err, CauseDriver, indexName(v.index), "the kernel could not set it up", "dmesg")
}
