package gatt_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/gatttest"
	"github.com/moor-ble/moor/internal/loop"
)

// wire is a client at the level of octets. It is the channel too, and the test's
// goroutine is the loop, so that no other goroutine runs.
type wire struct {
	t    testing.TB
	b    *att.Bearer
	s    *gatt.Session
	sent [][]byte
	now  time.Time
	done chan struct{}

	gone error
}

// newWire connects a client to a server. mtu is that of both sides.
func newWire(t testing.TB, srv *gatt.Server, mtu int, peer gatt.PeerInfo) *wire {
	t.Helper()
	w := &wire{t: t, s: srv.NewSession(peer), now: time.Unix(0, 0), done: make(chan struct{})}
	w.b = att.NewBearer(w, &att.Config{Requests: w.s})
	w.s.Bind(w.now, w.b)
	if mtu != att.DefaultMTU {
		w.b.Frame(w.now, att.ExchangeMTUReq{MTU: uint16(mtu)}.AppendPDU(nil))
		w.take()
	}
	return w
}

func (w *wire) Send(pdu []byte)       { w.sent = append(w.sent, bytes.Clone(pdu)) }
func (w *wire) Room() bool            { return true }
func (w *wire) SetDeadline(time.Time) {}
func (w *wire) Close(cause error)     { w.t.Errorf("channel closed: %v", cause) }
func (w *wire) Post(t loop.Task) bool { t.Run(w.now); return true }
func (w *wire) Done() <-chan struct{} { return w.done }
func (w *wire) Err() error            { return w.gone }
func (w *wire) take() (all []string) {
	for _, b := range w.sent {
		all = append(all, hex.EncodeToString(b))
	}
	w.sent = nil
	return all
}

// down ends the link.
func (w *wire) down() {
	w.gone = att.ErrTransactionTimeout
	w.b.Down(w.now, w.gone)
	close(w.done)
}

// receive receives a PDU of the client, and fails unless the server sends
// exactly want.
func (w *wire) receive(pdu string, want ...string) {
	w.t.Helper()
	w.b.Frame(w.now, unhex(w.t, pdu))
	w.want(pdu, want...)
}

func (w *wire) want(why string, want ...string) {
	w.t.Helper()
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], " ", "")
	}
	if d := cmp.Diff(want, w.take()); d != "" {
		w.t.Errorf("%s (-want +sent):\n%s", why, d)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newServer(t testing.TB, cfg *gatt.ServerConfig) *gatt.Server {
	t.Helper()
	srv, err := gatt.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	return srv
}

// reference connects a stranger to a server of the reference table.
func reference(t testing.TB, mtu int) *wire {
	t.Helper()
	return newWire(t, newServer(t, gatttest.Reference()), mtu, gatt.PeerInfo{})
}

func TestServerReferenceTable(t *testing.T) {
	p := newServer(t, gatttest.Reference()).Profile()
	if d := cmp.Diff(gatttest.ReferenceProfile(), p); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
	chars, descs, last := 0, 0, att.Handle(0)
	for _, s := range p.Services {
		last = s.End
		chars += len(s.Characteristics)
		for _, c := range s.Characteristics {
			descs += len(c.Descriptors)
		}
	}
	if len(p.Services) != 5 || chars != 17 || descs != 6 || last != 45 {
		t.Errorf("%d services, %d characteristics, %d descriptors, %d handles, want 5, 17, 6, 45", len(p.Services), chars, descs, last)
	}
}

// Vol 3, Part G, Appendix B. The appendix prints the number; on air its least significant
// octet comes first.
func TestServerDatabaseHashOfTheSpecification(t *testing.T) {
	srv := newServer(t, gatttest.Sample())
	want, err := hex.DecodeString(gatttest.SampleHash)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(want)
	if h := srv.Hash(); !bytes.Equal(h[:], want) {
		t.Errorf("hash %x, want %x", h, want)
	}
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("08 0100 ffff 2a2b", "09 12 0d00"+hex.EncodeToString(want))
}

func TestServerReadByGroupType(t *testing.T) {
	w := reference(t, 23)
	w.receive("10 0100 ffff 0028", "11 06 0100 0500 0018 0600 0f00 0118 1000 1a00 0a18")
	w.receive("10 1b00 ffff 0028", "11 06 1b00 1e00 0f18") // the next is of another length
	w.receive("10 1f00 ffff 0028", "11 14 1f00 2d00 9ecadc240ee5a9e093f3a3b50100406e")
	w.receive("10 2e00 ffff 0028", "01 10 2e00 0a")
	w.receive("10 0100 ffff 0128", "01 10 0100 0a") // no secondary service
	w.receive("10 0100 ffff 0328", "01 10 0100 10") // a group, but not one to ask for
	w.receive("10 0100 ffff 2a2b", "01 10 0100 10")
	w.receive("10 0000 ffff 0028", "01 10 0000 01")
	w.receive("10 0500 0400 0028", "01 10 0500 01")
	w.receive("10 0500 0400 0328", "01 10 0500 01") // the handles are looked at first
	w.receive("10 0100 ffff 00", "01 10 0000 04")
	w.receive("10 0100 ffff 00280000", "01 10 0000 04") // 32-bit UUIDs are none
	w.receive("10 0100 ffff fb349b5f80000080 00100000 00280000", "11 06 0100 0500 0018 0600 0f00 0118 1000 1a00 0a18")
}

func TestServerFindByTypeValue(t *testing.T) {
	w := reference(t, 23)
	w.receive("06 0100 ffff 0028 0f18", "07 1b00 1e00")
	w.receive("06 0100 ffff 0028 9ecadc240ee5a9e093f3a3b50100406e", "07 1f00 2d00")
	w.receive("06 0100 ffff 0028 ff18", "01 06 0100 0a")
	w.receive("06 1c00 ffff 0028 0f18", "01 06 1c00 0a")
	w.receive("06 0100 ffff 0028", "01 06 0100 0a")
	w.receive("06 0100 ffff 192a 64", "07 1d00 1d00")          // any other attribute is a group of its own
	w.receive("06 0100 ffff 0328 121e00192a", "01 06 0100 0a") // properties and handle count as well
	w.receive("06 0100 ffff 0328 121d00192a", "07 1c00 1e00")  // a characteristic is a group
	w.receive("06 0000 ffff 0028 0f18", "01 06 0000 01")
	w.receive("06 0200 0100 0028 0f18", "01 06 0200 01")
	w.receive("06 0100 ffff 00", "01 06 0000 04")
}

func TestServerFindInformation(t *testing.T) {
	w := reference(t, 23)
	w.receive("04 0900 0900", "05 01 0900 0229")
	w.receive("04 0100 ffff", "05 01 0100 0028 0200 0328 0300 002a 0400 0328 0500 012a")
	w.receive("04 1f00 ffff", "05 01 1f00 0028 2000 0328") // and then a long one
	w.receive("04 2100 ffff", "05 02 2100 9ecadc240ee5a9e093f3a3b50200406e")
	w.receive("04 2e00 ffff", "01 04 2e00 0a")
	w.receive("04 0000 ffff", "01 04 0000 01")
	w.receive("04 0300 0200", "01 04 0300 01")
	w.receive("04 0300 02", "01 04 0000 04")
}

func TestServerReadByType(t *testing.T) {
	w := reference(t, 23)
	w.receive("08 0100 ffff 0328", "09 07 0200 02 0300 002a 0400 02 0500 012a 0700 20 0800 052a")
	w.receive("08 1c00 ffff 0328", "09 07 1c00 12 1d00 192a") // then a long UUID
	w.receive("08 2000 ffff 0328", "09 15 2000 0c 2100 9ecadc240ee5a9e093f3a3b50200406e")
	w.receive("08 2e00 ffff 0328", "01 08 2e00 0a")
	w.receive("08 0100 ffff 0228", "01 08 0100 0a")
	w.receive("08 0100 ffff 292b", "09 03 0b00 00")
	w.receive("08 0100 ffff 052a", "01 08 0800 02") // Service Changed cannot be read
	w.receive("08 0100 ffff 0229", "09 04 0900 0000 1e00 0000 2400 0000 2700 0000 2c00 0000")
	w.receive("08 0000 ffff 0328", "01 08 0000 01")
	w.receive("08 0300 0200 0328", "01 08 0300 01")
	// A value that does not fit is cut off.
	w.receive("08 0100 ffff 9ecadc240ee5a9e093f3a3b50600406e", "09 15 2b00 000102030405060708090a0b0c0d0e0f101112")
}

// The length of an entry has one octet, so an entry holds at most 253 of a
// value.
func TestServerReadByTypeLong(t *testing.T) {
	w := reference(t, 517)
	w.b.Frame(w.now, unhex(t, "08 0100 ffff 9ecadc240ee5a9e093f3a3b50600406e"))
	if b := w.sent[0]; len(b) != 257 || b[1] != 255 {
		t.Errorf("%d octets with entries of %d, want 257 and 255", len(b), b[1])
	}
	w.take()
	// At a large MTU all 16-bit characteristics fit.
	w.b.Frame(w.now, unhex(t, "08 0100 ffff 0328"))
	if b := w.sent[0]; len(b) != 2+12*7 {
		t.Errorf("%d octets, want 12 characteristics of 7", len(b))
	}
}

func TestServerRead(t *testing.T) {
	w := reference(t, 23)
	w.receive("0a 0300", "0b 6d6f6f72")
	w.receive("0a 0100", "0b 0018")
	w.receive("0a 1c00", "0b 12 1d00 192a")
	w.receive("0a 2b00", "0b 000102030405060708090a0b0c0d0e0f101112131415")
	w.receive("0a 0000", "01 0a 0000 01")
	w.receive("0a 2e00", "01 0a 2e00 01")
	w.receive("0a 2100", "01 0a 2100 02")
	w.receive("0a 21", "01 0a 0000 04")
	w.receive("0a 2100 00", "01 0a 0000 04")
}

func TestServerReadBlob(t *testing.T) {
	w := reference(t, 23)
	w.receive("0c 2b00 1600", "0d 161718191a1b1c1d1e1f202122232425262728292a2b")
	w.receive("0c 2b00 fe01", "0d feff")
	w.receive("0c 2b00 0002", "0d")
	w.receive("0c 2b00 0102", "01 0c 2b00 07")
	w.receive("0c 0300 0200", "0d 6f72")       // of variable length: short as it is, it may be read on
	w.receive("0c 1d00 0000", "0d 64")         // a fixed length, but read from the start
	w.receive("0c 1d00 0100", "01 0c 1d00 0b") // the client knows that there is no more
	w.receive("0c 2e00 0100", "01 0c 2e00 01")
	w.receive("0c 2100 0100", "01 0c 2100 02")
	w.receive("0c 2100", "01 0c 0000 04")
}

func TestServerReadMultiple(t *testing.T) {
	w := reference(t, 23)
	w.receive("0e 1d00 0500", "0f 64 4005")
	w.receive("0e 0500 1d00 0300", "0f 4005 64 6d6f6f72")
	w.receive("0e 0500 2b00", "0f 4005 000102030405060708090a0b0c0d0e0f10111213")
	w.receive("0e 2b00 0500", "0f 000102030405060708090a0b0c0d0e0f101112131415")
	w.receive("0e 1d00 2100 ffff", "01 0e 2100 02") // the first that fails
	w.receive("0e 1d00 ffff", "01 0e ffff 01")
	w.receive("0e 1d00", "01 0e 0000 04")
	w.receive("20 1d00 0500", "21 0100 64 0200 4005")
	w.receive("20 0500 2b00 1d00", "21 0200 4005 0002 000102030405060708090a0b0c0d0e0f")
	w.receive("20 1d00 2100", "01 20 2100 02")
	w.receive("20 1d00 05", "01 20 0000 04")
}

func TestServerWrite(t *testing.T) {
	w := reference(t, 23)
	w.receive("12 2900 0506", "13")
	w.receive("0a 2900", "0b 0506")
	w.receive("12 2900", "13")
	w.receive("0a 2900", "0b")
	w.receive("12 0300 41", "01 12 0300 03")
	w.receive("12 1d00 41", "01 12 1d00 03")
	w.receive("12 0100 41", "01 12 0100 03")
	w.receive("12 0000 41", "01 12 0000 01")
	w.receive("12 2e00 41", "01 12 2e00 01")
	w.receive("12 29", "01 12 0000 04")
	w.receive("12 1e00 0100", "13")
	w.receive("0a 1e00", "0b 0100")
	w.receive("12 1e00 01", "01 12 1e00 0d")
	w.receive("12 1e00 010000", "01 12 1e00 0d")
	w.receive("12 1e00 0200", "01 12 1e00 13") // the battery level cannot indicate
	w.receive("12 1e00 0400", "01 12 1e00 13")
	w.receive("12 1e00 0000", "13")
	w.receive("0a 1e00", "0b 0000")
	w.receive("16 2900 0000", "17 2900 0000")
	w.receive("18 02", "01 18 0000 04")
	w.receive("18", "01 18 0000 04")
	w.receive("18 00", "19")
}

func TestServerCommands(t *testing.T) {
	w := reference(t, 23)
	w.receive("52 2900 0506") // the value can be written, but not so
	w.receive("0a 2900", "0b 01020304")
	w.receive("52 2100 0506")
	w.receive("52 ffff 0506")
	w.receive("52 21")
	w.receive("d2 2900 0506 000000000000000000000000")
	w.receive("0a 2900", "0b 01020304")
	w.receive("7f") // an unknown command
	w.receive("3f", "01 3f 0000 06")
	w.receive("00", "01 00 0000 06")
}

func TestServerPreparedWrites(t *testing.T) {
	w := reference(t, 23)
	w.receive("16 2900 0000 0a0b", "17 2900 0000 0a0b")
	w.receive("16 2900 0200 0c", "17 2900 0200 0c")
	w.receive("0a 2900", "0b 01020304")
	w.receive("18 01", "19")
	w.receive("0a 2900", "0b 0a0b0c") // variable: what stood behind is cut off
	w.receive("18 01", "19")          // nothing is queued anymore
	w.receive("0a 2900", "0b 0a0b0c")
	w.receive("16 2900 0100 ff", "17 2900 0100 ff")
	w.receive("18 00", "19")
	w.receive("18 01", "19")
	w.receive("0a 2900", "0b 0a0b0c")
	// Checked at the end, and then none is written.
	w.receive("16 2900 0000 01", "17 2900 0000 01")
	w.receive("16 1e00 0000 0400", "17 1e00 0000 0400")
	w.receive("18 01", "01 18 1e00 13")
	w.receive("16 2900 0400 01", "17 2900 0400 01")
	w.receive("18 01", "01 18 2900 07")
	w.receive("16 2900 0002 01", "17 2900 0002 01")
	w.receive("18 01", "01 18 2900 07")
	w.receive("0a 2900", "0b 0a0b0c")
	// A configuration may be written in parts.
	w.receive("16 1e00 0000 01", "17 1e00 0000 01")
	w.receive("16 1e00 0100 00", "17 1e00 0100 00")
	w.receive("18 01", "19")
	w.receive("0a 1e00", "0b 0100")
	// Not to be prepared.
	w.receive("16 0300 0000 01", "01 16 0300 03")
	w.receive("16 2e00 0000 01", "01 16 2e00 01")
	w.receive("16 2900 00", "01 16 0000 04")
}

func TestServerPreparedWriteTooLong(t *testing.T) {
	w := reference(t, 517)
	w.b.Frame(w.now, att.PrepareWriteReq{Handle: 0x29, Value: make([]byte, 512)}.AppendPDU(nil))
	w.take()
	w.receive("16 2900 0002 01", "17 2900 0002 01")
	w.receive("18 01", "01 18 2900 0d")
	w.b.Frame(w.now, att.WriteReq{Handle: 0x29, Value: make([]byte, 513)}.AppendPDU(nil))
	w.want("a write of 513 octets", "01 12 2900 0d")
}

func TestServerPrepareQueueIsBounded(t *testing.T) {
	w := reference(t, 23)
	for range 64 {
		w.receive("16 2900 0000 aa", "17 2900 0000 aa")
	}
	w.receive("16 2900 0000 aa", "01 16 2900 09")
	w.receive("18 01", "19")
	w.receive("16 2900 0000 aa", "17 2900 0000 aa")

	cfg := gatttest.Reference()
	cfg.PrepareQueue = 1
	w = newWire(t, newServer(t, cfg), 23, gatt.PeerInfo{})
	w.receive("16 2900 0000 aa", "17 2900 0000 aa")
	w.receive("16 2900 0000 aa", "01 16 2900 09")

	cfg.PrepareQueue = -1
	w = newWire(t, newServer(t, cfg), 23, gatt.PeerInfo{})
	w.receive("16 2900 0000 aa", "01 16 2900 09")
	w.receive("18 01", "19")
}

func TestServerPreparedWriteOfFixedLength(t *testing.T) {
	srv := newServer(t, &gatt.ServerConfig{DisableGAP: true, DisableGATT: true, Services: []gatt.ServiceDef{{
		UUID: gatt.UUID16(0x1815),
		Characteristics: []gatt.CharDef{{
			UUID: gatt.UUID16(0x2A56), Properties: gatt.PropRead | gatt.PropWrite,
			Value: []byte{1, 2, 3, 4}, MinLen: 4, MaxLen: 4,
		}},
	}}})
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("16 0300 0100 ff", "17 0300 0100 ff")
	w.receive("18 01", "19")
	w.receive("0a 0300", "0b 01ff0304")
	w.receive("12 0300 01", "01 12 0300 0d")
	w.receive("16 0300 0300 ffff", "17 0300 0300 ffff")
	w.receive("18 01", "01 18 0300 0d")
}

func TestServerIncludesAndDescriptors(t *testing.T) {
	srv := newServer(t, gatttest.Sample())
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("08 0100 ffff 0228", "09 08 0f00 1400 1600 0f18")
	w.receive("10 0100 ffff 0128", "11 06 1400 1600 0f18")
	w.receive("04 1200 1300", "05 01 1200 0229 1300 0029")
	w.receive("0a 1300", "0b 0000")

	srv = newServer(t, &gatt.ServerConfig{DisableGAP: true, DisableGATT: true, Services: []gatt.ServiceDef{
		{UUID: gatttest.VendorService, Handle: 0x10, End: 0x1F, Characteristics: []gatt.CharDef{{
			UUID: gatt.UUID16(0x2A6E), Handle: 0x12, Properties: gatt.PropRead, ReliableWrite: true, WritableAuxiliaries: true,
			Value: []byte{0, 0},
			Descriptors: []gatt.DescDef{
				{UUID: gatt.UUID16(0x2901), Handle: 0x18, Value: []byte("t"), Writable: true},
				gatt.PresentationFormat{Format: 0x0E, Exponent: -2, Unit: 0x272F, Namespace: 1, Description: 0x0106}.Def(),
			},
		}}},
		{UUID: gatt.UUID16(0x1815), Includes: []gatt.IncludeDef{{UUID: gatttest.VendorService}}},
	}})
	w = newWire(t, srv, 23, gatt.PeerInfo{})
	w.receive("10 0100 ffff 0028", "11 14 1000 1f00 9ecadc240ee5a9e093f3a3b50100406e")
	w.receive("08 0100 ffff 0228", "09 06 2100 1000 1f00") // a long UUID is left out
	w.receive("04 1100 1f00", "05 01 1200 0328 1300 6e2a 1400 0029 1800 0129 1900 0429")
	w.receive("0a 1200", "0b 82 1300 6e2a")
	w.receive("0a 1400", "0b 0300")
	w.receive("12 1800 75", "13")
	w.receive("0a 1800", "0b 75")
	w.receive("0a 1900", "0b 0e fe 2f27 01 0601")
	w.receive("12 1900 75", "01 12 1900 03")
}

func TestServerWrongDefinitions(t *testing.T) {
	one := func(c gatt.CharDef) []gatt.ServiceDef {
		return []gatt.ServiceDef{{UUID: gatt.UUID16(0x180F), Characteristics: []gatt.CharDef{c}}}
	}
	u := gatt.UUID16(0x2A19)
	for _, tt := range []struct {
		services []gatt.ServiceDef
		want     string
	}{
		{[]gatt.ServiceDef{{}}, "gatt: service 00000000-0000-0000-0000-000000000000: no UUID"},
		{[]gatt.ServiceDef{{UUID: u, Handle: 5}, {UUID: u, Handle: 5}}, "gatt: service 2a19: handle 0x0005 is not free: give 0x0006 or above, or 0 for the next"},
		{[]gatt.ServiceDef{{UUID: u, Handle: 0xFFFF}, {UUID: u}}, "gatt: service 2a19: no handle left above 0xffff"},
		{[]gatt.ServiceDef{{UUID: u, Handle: 5, End: 4}}, "gatt: service 2a19: end 0x0004 lies before the last attribute at 0x0005"},
		{[]gatt.ServiceDef{{UUID: u, Includes: []gatt.IncludeDef{{UUID: gatt.UUID16(1)}}}}, "gatt: service 2a19: includes service 0001 at 0x0000, which is not in the table"},
		{one(gatt.CharDef{}), "gatt: service 180f: characteristic 00000000-0000-0000-0000-000000000000: no UUID"},
		{one(gatt.CharDef{UUID: u, Handle: 0xFFFF}), "gatt: service 180f: characteristic 2a19: no handle left above 0xffff"},
		{one(gatt.CharDef{UUID: u, MaxLen: 513}), "gatt: service 180f: characteristic 2a19: values of up to 513 octets, but an attribute holds at most 512"},
		{one(gatt.CharDef{UUID: u, MinLen: 3, MaxLen: 2}), "gatt: service 180f: characteristic 2a19: values of at least 3 octets, want 0 to 2"},
		{one(gatt.CharDef{UUID: u, MinLen: 1, MaxLen: 2}), "gatt: service 180f: characteristic 2a19: value of 0 octets, want 1 to 2"},
		{one(gatt.CharDef{UUID: u, Descriptors: []gatt.DescDef{{}}}), "gatt: service 180f: characteristic 2a19: descriptor 00000000-0000-0000-0000-000000000000: no UUID"},
		{
			one(gatt.CharDef{UUID: u, Descriptors: []gatt.DescDef{{UUID: gatt.UUID16(0x2902)}, {UUID: gatt.UUID16(0x2902)}}}),
			"gatt: service 180f: characteristic 2a19: two Client Characteristic Configurations; a characteristic has one at most",
		},
	} {
		_, err := gatt.NewServer(&gatt.ServerConfig{Services: tt.services, DisableGAP: true, DisableGATT: true})
		if err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
}

func TestServerSetValue(t *testing.T) {
	srv := newServer(t, gatttest.Reference())
	w := newWire(t, srv, 23, gatt.PeerInfo{})
	h, ok := srv.Handle(gatt.UUID16(0x180F), gatt.UUID16(0x2A19))
	if !ok || h != gatttest.BatteryLevel {
		t.Fatalf("handle %v, %v, want %v", h, ok, gatttest.BatteryLevel)
	}
	if err := srv.SetValue(h, []byte{42}); err != nil {
		t.Error(err)
	}
	w.receive("0a 1d00", "0b 2a")
	for _, tt := range []struct {
		h    att.Handle
		v    []byte
		want string
	}{
		{0x2E, nil, "gatt: no attribute with handle 0x002e"},
		{0x01, []byte{0, 0}, "gatt: the value of attribute 0x0001 is not kept in the table"},
		{0x0D, nil, "gatt: the value of attribute 0x000d is not kept in the table"},
		{0x1E, []byte{0, 0}, "gatt: the value of attribute 0x001e is not kept in the table"},
		{h, []byte{1, 2}, "gatt: value of 2 octets for attribute 0x001d, want 1 to 1"},
	} {
		if err := srv.SetValue(tt.h, tt.v); err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
}
