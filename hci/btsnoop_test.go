package hci

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var snoopTime = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

// writes collects the data of each call of Write.
type writes [][]byte

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, bytes.Clone(b))
	return len(b), nil
}

func capture(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	s := NewSnoop(&buf)
	for i, p := range []string{"01 030c 00", "04 0e 04 01030c00", "02 4000 0100 aa", "02 4020 0100 bb"} {
		if err := s.Packet(snoopTime.Add(time.Duration(i)*time.Second), i%2 == 0, unhex(t, p)); err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

func TestSnoopOctets(t *testing.T) {
	var w writes
	s := NewSnoop(&w)
	for _, p := range []struct {
		sent   bool
		packet string
	}{{true, "01 030c 00"}, {false, "04 0e 04 01030c00"}, {true, "02 4000 0000"}, {false, "02 4020 0000"}} {
		if err := s.Packet(snoopTime, p.sent, unhex(t, p.packet)); err != nil {
			t.Fatal(err)
		}
	}
	// 2026-01-02 03:04:05.678901 is 1767323045678901 µs after 1970, plus 0x00dcddb30f2f8000.
	const stamp = "00e325120586cf35"
	want := []string{
		"6274736e6f6f7000 00000001 000003ea" + "00000004 00000004 00000002 00000000" + stamp + "01030c00",
		"00000007 00000007 00000003 00000000" + stamp + "040e0401030c00",
		"00000005 00000005 00000000 00000000" + stamp + "0240000000",
		"00000005 00000005 00000001 00000000" + stamp + "0240200000",
	}
	if len(w) != len(want) {
		t.Fatalf("%d writes, want one for each packet", len(w))
	}
	for i, h := range want {
		if !bytes.Equal(w[i], unhex(t, h)) {
			t.Errorf("write %d:\n% x, want\n% x", i, w[i], unhex(t, h))
		}
	}
}

func TestSnoopRoundTrip(t *testing.T) {
	var got []SnoopRecord
	for rec, err := range ReadSnoop(iotest.OneByteReader(bytes.NewReader(capture(t)))) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec)
	}
	want := []SnoopRecord{
		{Time: snoopTime, Sent: true, Packet: unhex(t, "01 030c 00")},
		{Time: snoopTime.Add(time.Second), Packet: unhex(t, "04 0e 04 01030c00")},
		{Time: snoopTime.Add(2 * time.Second), Sent: true, Packet: unhex(t, "02 4000 0100 aa")},
		{Time: snoopTime.Add(3 * time.Second), Packet: unhex(t, "02 4020 0100 bb")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range ReadSnoop(bytes.NewReader(capture(t))) {
		break // must not go on
	}
}

// TestSnoopTruncated cuts a capture at every octet. Between two records the
// iteration ends without an error; elsewhere the last error is
// io.ErrUnexpectedEOF.
func TestSnoopTruncated(t *testing.T) {
	whole := capture(t)
	ends := map[int]int{16: 0}
	at := 16
	for i, n := range []int{4, 7, 6, 6} {
		at += 24 + n
		ends[at] = i + 1
	}
	for n := range whole {
		records, last := 0, error(nil)
		for _, err := range ReadSnoop(bytes.NewReader(whole[:n])) {
			if last != nil {
				t.Fatalf("%d octets: went on after %v", n, last)
			}
			if last = err; err == nil {
				records++
			}
		}
		want := 0
		for end, count := range ends {
			if n >= end {
				want = max(want, count)
			}
		}
		_, clean := ends[n]
		if records != want || clean != (last == nil) || !clean && !errors.Is(last, io.ErrUnexpectedEOF) {
			t.Errorf("%d octets: %d records, %v, want %d", n, records, last, want)
		}
	}
}

func TestSnoopRejects(t *testing.T) {
	whole := capture(t)
	change := func(at int, v byte) []byte {
		b := bytes.Clone(whole)
		b[at] = v
		return b
	}
	for _, c := range []struct {
		why  string
		file []byte
		want string
	}{
		{"magic", change(0, 'x'), "not a btsnoop file"},
		{"version", change(11, 2), "version 2"},
		{"datalink", change(15, 0xE9), "datalink 1001"},
		{"more captured than there was", change(16+7, 200), "200 octets of a packet of 4"},
		{"a length beyond any packet", append(bytes.Clone(whole[:16]), bytes.Repeat([]byte{0x7F}, 24)...), "2139062143 octets"},
	} {
		var last error
		for _, err := range ReadSnoop(bytes.NewReader(c.file)) {
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.why, last, c.want)
		}
	}
	b := change(16+3, 9) // 9 octets on the wire, 4 of them captured
	for rec, err := range ReadSnoop(bytes.NewReader(b)) {
		if err != nil || rec.Missing != 5 || len(rec.Packet) != 4 {
			t.Errorf("a packet cut short by the capture: %+v, %v", rec, err)
		}
		break
	}
}

func TestSnoopWriteError(t *testing.T) {
	s := NewSnoop(iotest.TruncateWriter(io.Discard, 0))
	if err := s.Packet(snoopTime, true, []byte{1}); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	cause := errors.New("disk full")
	r.CloseWithError(cause)
	if err := NewSnoop(w).Packet(snoopTime, true, []byte{1}); !errors.Is(err, cause) {
		t.Errorf("error %v, want the writer's", err)
	}
}

func TestSnoopAllocatesNothing(t *testing.T) {
	s := NewSnoop(io.Discard)
	packet := unhex(t, "04 0e 04 01030c00")
	if n := testing.AllocsPerRun(100, func() { _ = s.Packet(snoopTime, false, packet) }); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}
