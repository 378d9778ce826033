package hcisock

import (
	"net"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestTCPServerThatWritesInPieces answers commands as RootCanal does: the packet type
// and the rest of the packet in two writes, and Nagle's algorithm between them. The
// kernel would delay the acknowledgment of the first by 40 ms, once it has seen a few
// answers.
func TestTCPServerThatWritesInPieces(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	tr, peer := openAt(t, "tcp:"+l.Addr().String(), l)
	if err := peer.(*net.TCPConn).SetNoDelay(false); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, hci.MaxPacketLen)
	exchange := func() time.Duration {
		begin := time.Now()
		if err := tr.WritePacket(resetCommand); err != nil {
			t.Fatal(err)
		}
		if _, err := peer.Read(make([]byte, len(resetCommand))); err != nil {
			t.Fatal(err)
		}
		for _, piece := range [][]byte{resetComplete[:1], resetComplete[1:]} {
			if _, err := peer.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := tr.ReadPacket(b); err != nil || n != len(resetComplete) {
			t.Fatalf("ReadPacket: %d, %v", n, err)
		}
		return time.Since(begin)
	}
	for range 30 {
		exchange()
	}
	fastest := exchange()
	for range 9 {
		fastest = min(fastest, exchange())
	}
	if fastest > 20*time.Millisecond {
		t.Errorf("the fastest of ten answers took %v", fastest)
	}
}
