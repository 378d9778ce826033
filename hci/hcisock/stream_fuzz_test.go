package hcisock

import (
	"bytes"
	"io"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// FuzzStream cuts octets into reads of any length. Whatever the cuts, the packets must
// be the octets before the first fault, without those that begin no packet before the
// first command or answer, followed by a permanent error.
func FuzzStream(f *testing.F) {
	f.Add(append(append(bytes.Clone(resetComplete), aclPacket...), resetComplete...), uint8(3))
	f.Add(append(bytes.Clone(aclPacket), 0xFF, 0, 0), uint8(1))
	f.Add([]byte{4, 0x0E}, uint8(0))
	f.Add([]byte{2, 0x40, 0x20, 0xFF, 0xFF, 1}, uint8(200))
	f.Fuzz(func(t *testing.T, in []byte, cut uint8) {
		src := &chunks{err: io.EOF}
		for rest := in; len(rest) > 0; {
			n := min(len(rest), 1+int(cut))
			src.data = append(src.data, bytes.Clone(rest[:n]))
			rest, cut = rest[n:], cut*7+3
		}
		tr := NewStream(src)
		packets, err := readAll(tr)
		rest, inStep := in, false
		skipStray := func() {
			for !inStep && len(rest) > 0 && !beginsPacket(rest[0]) {
				rest = rest[1:]
			}
		}
		for _, p := range packets {
			skipStray()
			if !bytes.HasPrefix(rest, p) {
				t.Fatalf("% x came out of % x", packets, in)
			}
			rest, inStep = rest[len(p):], inStep || isInStep(p)
			if n, err := hci.SplitPacket(p); n != len(p) || err != nil {
				t.Fatalf("% x is not one packet: %d, %v", p, n, err)
			}
		}
		skipStray()
		if n, serr := hci.SplitPacket(rest); n > 0 && n <= hci.MaxPacketLen {
			t.Fatalf("stopped with %v before % x (%v)", err, rest[:n], serr)
		}
		if _, again := tr.ReadPacket(make([]byte, hci.MaxPacketLen)); again == nil || again.Error() != err.Error() {
			t.Fatalf("after %v came %v", err, again)
		}
	})
}
