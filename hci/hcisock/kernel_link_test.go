//go:build kernel && linux

package hcisock

import (
	"context"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// A link of the kernel's own stack to hci1, which is an advertiser.
func TestKernelLinks(t *testing.T) {
	list, err := Adapters()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(a Adapter) bool { return a.Index == 1 && !a.Up && a.Free() && len(a.Holders) == 0 })
	if i < 0 {
		t.Skip("there is no hci1 that nobody uses")
	}
	peer := list[i].MAC
	advertise(t, openKernel(t, "hci1"))
	if err := Up(0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Down(0); err != nil {
			t.Error(err)
		}
	})
	links := connectLE(t, peer)
	if len(links) != 1 {
		t.Fatalf("Links = %+v; want one", links)
	}
	want := KernelLink{Handle: links[0].Handle, MAC: peer, Kind: LinkLE, Outgoing: true, State: LinkConnected, Central: true}
	if links[0] != want {
		t.Errorf("link %+v, want %+v", links[0], want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), kernelTimeout)
	defer cancel()
	if err := KernelDisconnect(ctx, 0, links[0].Handle, hci.StatusRemoteUserTerminated); err != nil {
		t.Fatal(err)
	}
	// The kernel shows the event to us before it acts on it.
	for len(links) > 0 && ctx.Err() == nil {
		if links, err = Links(0); err != nil {
			t.Fatal(err)
		}
	}
	if len(links) > 0 {
		t.Errorf("still linked after KernelDisconnect: %+v", links)
	}
}

// advertise makes a controller connectable and then reads all its packets.
func advertise(t *testing.T, s *Socket) {
	t.Helper()
	if err := roundTrip(s); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]byte{
		// LE Set Advertising Parameters: 20 ms, connectable, public, all channels.
		{1, 0x06, 0x20, 15, 0x20, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0},
		{1, 0x0A, 0x20, 1, 1}, // LE Set Advertising Enable
	} {
		if err := s.WritePacket(command); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, hci.MaxPacketLen)
		for {
			if _, err := s.ReadPacket(b); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { s.Close(); <-done })
}

// connectLE connects the kernel's own stack by a raw command and returns its links
// once they are connected. It does not use an L2CAP socket, because Linux 6.1 crashes
// when one is closed after its link.
func connectLE(t *testing.T, peer hci.MAC) []KernelLink {
	t.Helper()
	conn, err := hciSocket(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind(&unix.SockaddrHCI{Dev: 0, Channel: unix.HCI_CHANNEL_RAW}); err != nil {
		t.Fatal(err)
	}
	// LE Create Connection: scan 60 ms of 60 ms, public addresses, interval 30
	// to 50 ms, no latency, supervision timeout 4 s.
	command := slices.Concat([]byte{1, 0x0D, 0x20, 25, 0x60, 0, 0x60, 0, 0, 0}, peer[:],
		[]byte{0, 0x18, 0, 0x28, 0, 0, 0, 0x90, 0x01, 0, 0, 0, 0})
	if _, err := conn.Write(command); err != nil {
		t.Fatal(err)
	}
	var links []KernelLink
	for deadline := time.Now().Add(kernelTimeout); time.Now().Before(deadline); {
		if links, err = Links(0); err != nil {
			t.Fatal(err)
		}
		if len(links) > 0 && links[0].State == LinkConnected {
			break
		}
	}
	return links
}
