package l2cap

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/replay"
	"github.com/moor-ble/moor/internal/wire"
)

// testReassembly accepts 40 octets on the ATT channel, 100 on channel 0x0040.
func testReassembly() *reassembly {
	return &reassembly{counters: &Counters{}, limit: func(cid CID) (int, bool) {
		switch cid {
		case cidATT:
			return 40, true
		case cidFirst:
			return 100, true
		default:
			return 0, false
		}
	}}
}

func TestReassembly(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string // fragments, "s" start or "c" continuation
		want string // outcomes; C complete, i incomplete, L too long, R refused, d dropped
		data string // payload of the last complete frame
		n    Counters
	}{
		{name: "whole frame", in: "s 0300 0400 aabbcc", want: "C", data: "aabbcc"},
		{name: "empty frame", in: "s 0000 0400", want: "C"},
		{name: "two fragments", in: "s 0300 0400 aa, c bbcc", want: "iC", data: "aabbcc"},
		{name: "header in pieces", in: "s 03, c 00, c 04, c 00, c aa, c bbcc", want: "iiiiiC", data: "aabbcc"},
		{name: "header and data in one continuation", in: "s 03, c 0004 00aa bbcc", want: "iC", data: "aabbcc"},
		{name: "empty frame, header in pieces", in: "s 0000, c 0400", want: "iC"},
		{name: "empty fragments change nothing", in: "s, s 0300 0400 aa, s, c, c bbcc", want: "didd" + "C", data: "aabbcc", n: Counters{Empty: 3}},
		{name: "orphan", in: "c aabbcc", want: "d", n: Counters{Orphans: 1}},
		{name: "orphan after a frame", in: "s 0100 0400 aa, c bb", want: "Cd", data: "aa", n: Counters{Orphans: 1}},
		{name: "start within a frame", in: "s 0300 0400 aa, s 0100 0400 dd", want: "iC", data: "dd", n: Counters{Unfinished: 1}},
		{name: "start within a header", in: "s 0300, s 0100 0400 dd", want: "iC", data: "dd", n: Counters{Unfinished: 1}},
		{name: "too much in one", in: "s 0100 0400 aabb, s 0100 0400 dd", want: "dC", data: "dd", n: Counters{Mismatched: 1}},
		{name: "too much in two, and an orphan", in: "s 0200 0400 aa, c bbcc, c dd", want: "idd", n: Counters{Mismatched: 1, Orphans: 1}},
		{name: "too long for the channel", in: "s 2900 0400 aa, c bb, c cc, s 0100 0400 dd", want: "LiiC", data: "dd", n: Counters{TooLong: 1}},
		{name: "65535 bytes", in: "s ffff 4000 aa, c bb", want: "Li", n: Counters{TooLong: 1}},
		{name: "unknown channel", in: "s 0300 4100 aa, c bbcc, s 0100 0400 dd", want: "RiC", data: "dd", n: Counters{UnknownCID: 1}},
		{name: "unknown channel, header in pieces", in: "s 0300, c 4100 aa, c bbcc", want: "iRi", n: Counters{UnknownCID: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := testReassembly()
			var got string
			var data []byte
			for f := range bytes.SplitSeq([]byte(tt.in), []byte(",")) {
				kind, hex, _ := bytes.Cut(bytes.TrimSpace(f), []byte(" "))
				fr, o := r.addFragment(string(kind) == "s", unhex(t, string(hex)))
				got += map[outcome]string{complete: "C", incomplete: "i", tooLong: "L", refused: "R", dropped: "d"}[o]
				if o == complete {
					data = bytes.Clone(fr.payload)
				}
			}
			if got != tt.want {
				t.Errorf("outcomes %s, want %s", got, tt.want)
			}
			if want := unhex(t, tt.data); !bytes.Equal(data, want) {
				t.Errorf("frame % x, want % x", data, want)
			}
			if *r.counters != tt.n {
				t.Errorf("counters %+v, want %+v", *r.counters, tt.n)
			}
		})
	}
}

func TestReassemblyEverySplit(t *testing.T) {
	f := frameBytes(cidATT, []byte{1, 2, 3, 4, 5})
	r := testReassembly()
	for i := 1; i < len(f); i++ {
		for j := i; j < len(f); j++ {
			parts := [][]byte{f[:i], f[i:j], f[j:]}
			var got frame
			for n, p := range parts {
				if len(p) == 0 {
					continue
				}
				fr, o := r.addFragment(n == 0, p)
				if last := n == 2; last != (o == complete) {
					t.Fatalf("cut at %d and %d: outcome %v of part %d", i, j, o, n)
				}
				got = fr
			}
			if got.cid != cidATT || !bytes.Equal(got.payload, []byte{1, 2, 3, 4, 5}) {
				t.Errorf("cut at %d and %d: frame %v % x", i, j, got.cid, got.payload)
			}
		}
	}
}

// FuzzReassembly adds fragments cut from the input: each begins with an octet
// that holds the start flag and the length. The result must match a plain model,
// the memory must stay within the bound, and a valid frame must always get
// through afterwards.
func FuzzReassembly(f *testing.F) {
	add := func(parts ...packet) {
		var b []byte
		for _, p := range parts {
			n := byte(len(p.data)) << 1
			if p.start {
				n |= 1
			}
			b = append(append(b, n), p.data...)
		}
		f.Add(b)
	}
	whole := frameBytes(cidATT, []byte("hello"))
	add(packet{true, whole})
	add(packet{true, whole[:2]}, packet{false, whole[2:6]}, packet{false, whole[6:]})
	add(packet{true, whole[:6]}, packet{true, whole})
	add(packet{false, whole}, packet{true, nil}, packet{false, nil})
	add(packet{true, append(whole, 1)}, packet{true, frameBytes(cidATT, make([]byte, 41))}, packet{false, []byte{1}})
	add(packet{true, frameBytes(0x7F, nil)}, packet{true, frameBytes(cidFirst, make([]byte, 100))})
	for _, records := range replay.Seeds(f, "../testdata/btsnoop") {
		var parts []packet
		for _, rec := range records {
			h, data, err := hci.ParseACL(rec.Packet[1:])
			if hci.PacketType(rec.Packet[0]) == hci.PacketACL && err == nil && len(data) < 128 {
				parts = append(parts, packet{h.Start, data})
			}
		}
		add(parts...)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := testReassembly()
		var model []byte // header and payload so far; nil: no frame
		src := wire.NewReader(in)
		for src.Len() > 0 {
			n := src.U8()
			start, data := n&1 == 1, src.Bytes(min(src.Len(), int(n>>1)))
			fr, o := r.addFragment(start, data)
			want := modelAdd(&model, r, start, data)
			got := ""
			if o == complete {
				got = fmt.Sprintf("%04x %x", uint16(fr.cid), fr.payload)
			}
			if got != want {
				t.Fatalf("fragment start=%v % x gave %q, want %q", start, data, got, want)
			}
			if cap(r.buf) > 128 {
				t.Fatalf("holds %d bytes, the bound is 100", cap(r.buf))
			}
		}
		if fr, o := r.addFragment(true, whole); o != complete || !bytes.Equal(fr.payload, []byte("hello")) {
			t.Fatalf("a good frame afterwards gave outcome %v % x", o, fr.payload)
		}
	})
}

// modelAdd is reassembly without limits on memory: it collects everything first.
func modelAdd(model *[]byte, r *reassembly, start bool, data []byte) string {
	if len(data) == 0 {
		return ""
	}
	if start {
		*model = []byte{}
	}
	if *model == nil {
		return ""
	}
	*model = append(*model, data...)
	h := wire.NewReader(*model)
	n, cid := int(h.U16()), CID(h.U16())
	if h.Err() != nil || h.Len() < n {
		return ""
	}
	payload := h.Rest()
	*model = nil
	if limit, ok := r.limit(cid); !ok || n > limit || len(payload) > n {
		return ""
	}
	return fmt.Sprintf("%04x %x", uint16(cid), payload)
}
