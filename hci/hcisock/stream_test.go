package hcisock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/hci"
)

var (
	resetCommand  = []byte{1, 0x03, 0x0C, 0}
	resetComplete = []byte{4, 0x0E, 4, 1, 0x03, 0x0C, 0}
	aclPacket     = []byte{2, 0x40, 0x20, 3, 0, 0xAA, 0xBB, 0xCC}
)

// chunks is a stream that returns one chunk for each read, then err.
type chunks struct {
	data [][]byte
	err  error
	sent bytes.Buffer
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, c.err
	}
	n := copy(b, c.data[0])
	if c.data[0] = c.data[0][n:]; len(c.data[0]) == 0 {
		c.data = c.data[1:]
	}
	return n, nil
}

func (c *chunks) Write(b []byte) (int, error) { return c.sent.Write(b) }
func (c *chunks) Close() error                { return nil }

func readAll(tr hci.Transport) (packets [][]byte, err error) {
	b := make([]byte, hci.MaxPacketLen)
	for {
		n, err := tr.ReadPacket(b)
		if err != nil {
			return packets, err
		}
		packets = append(packets, slices.Clone(b[:n]))
	}
}

func TestStreamFindsPacketsHoweverTheyArrive(t *testing.T) {
	longest := append([]byte{2, 0x40, 0x20, 0x00, 0x04}, bytes.Repeat([]byte{0x5A}, 1024)...)
	if len(longest) != hci.MaxPacketLen {
		t.Fatalf("the longest packet here has %d bytes, want MaxPacketLen", len(longest))
	}
	want := [][]byte{resetComplete, aclPacket, longest, resetComplete, longest, longest, longest, longest, aclPacket}
	all := slices.Concat(want...)
	for _, size := range []int{1, 2, 3, 7, 100, 1029, 4096, len(all)} {
		c := &chunks{data: slices.Collect(slices.Chunk(slices.Clone(all), size)), err: io.EOF}
		got, err := readAll(NewStream(c))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("chunks of %d bytes: packets differ (-want +got):\n%s", size, diff)
		}
		if !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "closed the connection") {
			t.Errorf("chunks of %d bytes: ended with %v, want EOF", size, err)
		}
	}
}

// TestStreamSkipsOctetsBeforeTheFirstAnswer puts octets that begin no packet before the
// first packets. They are skipped until a command has been answered.
func TestStreamSkipsOctetsBeforeTheFirstAnswer(t *testing.T) {
	report := []byte{4, 0x3E, 2, 0x02, 0}
	for _, size := range []int{1, 3, 100} {
		in := slices.Concat([]byte{0xFF, 0, 6, 0x77}, report, []byte{0xC0}, resetComplete, aclPacket, []byte{0xFF}, report)
		s := NewStream(&chunks{data: slices.Collect(slices.Chunk(in, size)), err: io.EOF})
		got, err := readAll(s)
		if diff := cmp.Diff([][]byte{report, resetComplete, aclPacket}, got); diff != "" {
			t.Errorf("chunks of %d bytes: packets differ (-want +got):\n%s", size, diff)
		}
		if err == nil || !strings.Contains(err.Error(), "0xff") || s.Skipped() != 5 {
			t.Errorf("chunks of %d bytes: %v, skipped %d; want the octet after the answer, and 5", size, err, s.Skipped())
		}
	}
}

func TestStreamErrorsAreFinal(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		data []byte
		err  error
		is   error
		says string
	}{
		{"unknown packet type", slices.Concat(resetComplete, []byte{0x77}, resetComplete), io.EOF, nil, "0x77"},
		{"end within a packet", slices.Concat(resetComplete, aclPacket[:6]), io.EOF, io.ErrUnexpectedEOF, "within a packet"},
		{"packet too long for HCI", slices.Concat(resetComplete, []byte{2, 0, 0, 0xFF, 0xFF}, make([]byte, 1200)), io.EOF, nil, "longer than 1029 bytes"},
		{"read error", resetComplete, broken, broken, "broken"},
		{"no data and no error", resetComplete, nil, io.ErrNoProgress, ""},
	} {
		s := NewStream(&chunks{data: [][]byte{c.data}, err: c.err})
		got, err := readAll(s)
		if diff := cmp.Diff([][]byte{resetComplete}, got); diff != "" {
			t.Errorf("%s: packets before it differ (-want +got):\n%s", c.name, diff)
		}
		if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v that says %q", c.name, err, c.is, c.says)
		}
		_, again := s.ReadPacket(make([]byte, hci.MaxPacketLen))
		if again == nil || again.Error() != err.Error() {
			t.Errorf("%s: next read gave %v, want the same error again", c.name, again)
		}
	}
}

func TestStreamShortBuffer(t *testing.T) {
	s := NewStream(&chunks{data: [][]byte{resetComplete}})
	if _, err := s.ReadPacket(make([]byte, 3)); err == nil || !strings.Contains(err.Error(), "7 bytes into a buffer of 3") {
		t.Errorf("error %v, want one that names both lengths", err)
	}
}

func TestStreamWrites(t *testing.T) {
	c := &chunks{}
	s := NewStream(c)
	for _, p := range [][]byte{resetCommand, aclPacket} {
		if err := s.WritePacket(p); err != nil {
			t.Fatal(err)
		}
	}
	if want := slices.Concat(resetCommand, aclPacket); !bytes.Equal(c.sent.Bytes(), want) {
		t.Errorf("wrote % X, want % X", c.sent.Bytes(), want)
	}
}

// testTransport checks the contract of every transport: packets in both directions, no
// allocations, and a Close that unblocks.
func testTransport(t *testing.T, tr hci.Transport, peer io.ReadWriter) {
	t.Helper()
	b := make([]byte, hci.MaxPacketLen)
	if _, err := peer.Write(resetComplete); err != nil {
		t.Fatal(err)
	}
	if n, err := tr.ReadPacket(b); err != nil || !bytes.Equal(b[:n], resetComplete) {
		t.Fatalf("read [% X], %v; want [% X]", b[:n], err, resetComplete)
	}
	if err := tr.WritePacket(resetCommand); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(resetCommand))
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, resetCommand) {
		t.Fatalf("peer got [% X], %v; want [% X]", got, err, resetCommand)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := peer.Write(resetComplete); err != nil {
			t.Error(err)
		}
		if _, err := tr.ReadPacket(b); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a packet, want 0", n)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := tr.ReadPacket(b)
		ended <- err
	}()
	for range 2 {
		if err := tr.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("read ended by Close gave %v, want net.ErrClosed", err)
	}
	if _, err := tr.ReadPacket(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after Close gave %v, want net.ErrClosed", err)
	}
	if err := tr.WritePacket(resetCommand); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Close gave %v, want net.ErrClosed", err)
	}
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// openAt opens an address at which l listens.
func openAt(t *testing.T, address string, l net.Listener) (hci.Transport, net.Conn) {
	t.Helper()
	tr, err := Open(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return tr, peer
}

func TestOpenTCP(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	tr, peer := openAt(t, "tcp:"+l.Addr().String(), l)
	testTransport(t, tr, peer)
}

func TestOpenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hci")
	l := listen(t, "unix", path)
	tr, peer := openAt(t, "unix:"+path, l)
	testTransport(t, tr, peer)
}

func TestPeerThatHangsUp(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	tr, peer := openAt(t, "tcp:"+l.Addr().String(), l)
	peer.Close()
	if _, err := tr.ReadPacket(make([]byte, hci.MaxPacketLen)); !errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		t.Errorf("read gave %v, want EOF: it was the peer who closed", err)
	}
}

func TestOpenWhereNobodyListens(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	ul, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	ul.SetUnlinkOnClose(false)
	ul.Close()
	for _, c := range []struct {
		address string
		cause   Cause
	}{
		{"tcp:127.0.0.1:1", CauseUnreachable}, // no port that another process is given by chance
		{"unix:" + filepath.Join(dir, "none"), CauseNoAdapter},
		{"unix:" + stale, CauseUnreachable},
	} {
		_, err := Open(t.Context(), c.address, nil)
		var e *OpenError
		if !errors.As(err, &e) || e.Cause != c.cause || e.Address != c.address || e.Remedy == "" {
			t.Errorf("Open(%q): %v, want cause %v and a remedy", c.address, err, c.cause)
		}
	}
}
