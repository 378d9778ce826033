package hci

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestACLBothWays(t *testing.T) {
	data := []byte{0xD1, 0xD2, 0xD3}
	for _, c := range []struct {
		why  string
		hdr  ACLHeader
		want string
	}{
		{"first from the host", ACLHeader{Handle: 0x0EFF, Start: true, Len: 3}, "ff0e 0300 d1d2d3"},
		{"first from the controller", ACLHeader{Handle: 0x40, Start: true, Flushable: true, Len: 3}, "4020 0300 d1d2d3"},
		{"continued", ACLHeader{Handle: 0x40, Len: 3}, "4010 0300 d1d2d3"},
		{"broadcast bits", ACLHeader{Handle: 0x40, Broadcast: 2, Len: 3}, "4090 0300 d1d2d3"},
	} {
		want := unhex(t, c.want)
		if got := c.hdr.Append([]byte{0xAA}, data); !bytes.Equal(got, append([]byte{0xAA, 2}, want...)) {
			t.Errorf("%s: encoded % x, want aa 02 % x", c.why, got, want)
		}
		hdr, got, err := ParseACL(append(want, 0x55))
		if err != nil || hdr != c.hdr || !bytes.Equal(got, data) {
			t.Errorf("%s: decoded %+v % x, %v", c.why, hdr, got, err)
		}
		for n := range want {
			wantPacketError(t, c.why, func() (any, error) { hdr, _, err := ParseACL(want[:n]); return hdr, err })
		}
	}
	if got, want := AppendACL(nil, 0x40, true, data), unhex(t, "02 4000 0300 d1d2d3"); !bytes.Equal(got, want) {
		t.Errorf("AppendACL of a first packet: % x, want % x", got, want)
	}
	if got, want := AppendACL(nil, 0x40, false, nil), unhex(t, "02 4010 0000"); !bytes.Equal(got, want) {
		t.Errorf("AppendACL of an empty continuation: % x, want % x", got, want)
	}
	if _, _, err := ParseACL(unhex(t, "4030 0000")); err == nil {
		t.Error("packet boundary flag 3 is not for LE, want an error")
	}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { buf = AppendACL(buf[:0], 1, true, data); _, _, _ = ParseACL(buf[1:]) }); n != 0 {
		t.Errorf("%v allocations for a data packet", n)
	}
}

func TestSplitPacket(t *testing.T) {
	packets := [][]byte{
		unhex(t, "01 030c 00"),
		unhex(t, "01 010c 02 0102"),
		unhex(t, "02 4000 0300 d1d2d3"),
		append(unhex(t, "02 4000 0001"), make([]byte, 256)...),
		unhex(t, "03 4000 02 0102"),
		unhex(t, "04 0e 04 01030c00"),
		unhex(t, "04 ff 00"),
		unhex(t, "05 4000 02c0 0102"), // the upper two bits are no part of the length
	}
	for _, p := range packets {
		for n := range p {
			if got, err := SplitPacket(p[:n]); got != 0 || err != nil {
				t.Errorf("%d of %d octets of % x: %d, %v, want 0", n, len(p), p[0], got, err)
			}
		}
	}
	for stream := slices.Concat(packets...); len(stream) > 0; packets = packets[1:] {
		n, err := SplitPacket(stream)
		if err != nil || n != len(packets[0]) {
			t.Fatalf("SplitPacket = %d, %v, want %d", n, err, len(packets[0]))
		}
		stream = stream[n:]
	}
	for _, first := range []byte{0x00, 0x06, 0x0E, 0xFF} {
		n, err := SplitPacket([]byte{first, 1, 2, 3})
		if _, ok := errors.AsType[*PacketError](err); !ok || n != 0 {
			t.Errorf("a stream that begins with %#02x: %d, %v, want a *PacketError", first, n, err)
		}
	}
}
