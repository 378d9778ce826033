package hci

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// monitorFile is a capture in the format of btmon: two adapters, one packet of each kind,
// and records of other kinds between them.
const monitorFile = "6274736e6f6f7000 00000001 000007d1" +
	"00000010 00000010 0000 0000 00000000" + monitorStamp + "00 01 060504030201 6863693000000000" + // new index
	"0000000c 0000000c ffff 000c 00000000" + monitorStamp + "4c696e757820362e312e3000" + // system note
	"00000003 00000003 0000 0002 00000000" + monitorStamp + "030c00" +
	"00000006 00000006 0000 0003 00000000" + monitorStamp + "0e0401030c00" +
	"00000005 00000005 0001 0004 00000002" + monitorStamp + "40000100aa" +
	"00000009 00000005 0001 0005 00000002" + monitorStamp + "40200500bb" +
	"00000003 00000003 0000 0006 00000000" + monitorStamp + "400000" +
	"00000003 00000003 0000 0007 00000000" + monitorStamp + "400000" +
	"00000000 00000000 0000 0008 00000000" + monitorStamp + // open index
	"00000004 00000004 0000 0012 00000000" + monitorStamp + "40000000" +
	"00000004 00000004 0000 0013 00000000" + monitorStamp + "40000000" +
	"00000000 00000000 0000 0001 00000000" + monitorStamp // delete index

const monitorStamp = "00e325120586cf35"

func TestSnoopOfBtmon(t *testing.T) {
	file := unhex(t, monitorFile)
	want := []SnoopRecord{
		{Sent: true, Packet: unhex(t, "01 030c00")},
		{Packet: unhex(t, "04 0e0401030c00")},
		{Index: 1, Drops: 2, Sent: true, Packet: unhex(t, "02 40000100aa")},
		{Index: 1, Drops: 2, Packet: unhex(t, "02 40200500bb"), Missing: 4},
		{Sent: true, Packet: unhex(t, "03 400000")},
		{Packet: unhex(t, "03 400000")},
		{Sent: true, Packet: unhex(t, "05 40000000")},
		{Packet: unhex(t, "05 40000000")},
	}
	for i := range want {
		want[i].Time = snoopTime
	}
	var got []SnoopRecord
	for rec, err := range ReadSnoop(bytes.NewReader(file)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for n := range file { // cut anywhere
		for rec, err := range ReadSnoop(bytes.NewReader(file[:n])) {
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || err == nil && rec.Time != time.Time.UTC(snoopTime) {
				t.Fatalf("%d octets: %v, %v", n, rec, err)
			}
		}
	}
}

// FuzzReadSnoop reads any file to its end. What was read can be written again.
func FuzzReadSnoop(f *testing.F) {
	f.Add(unhex(f, monitorFile))
	f.Add(unhex(f, "6274736e6f6f7000 00000001 000003ea"+"00000004 00000004 00000002 00000000"+monitorStamp+"01030c00"))
	for _, file := range captureFiles(f) {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		w := NewSnoopWithKeys(io.Discard)
		size := 0
		for rec, err := range ReadSnoop(bytes.NewReader(file)) {
			if err != nil {
				continue // the last
			}
			if size += len(rec.Packet); size > len(file) {
				t.Fatalf("%d octets of packets in a file of %d", size, len(file))
			}
			if err := w.Packet(rec.Time, rec.Sent, rec.Packet); err != nil {
				t.Fatal(err)
			}
		}
	})
}
