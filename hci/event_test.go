package hci

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/internal/wire"
)

// eventSample is an event and its packet without the length octet, as in the tables
// of the specification: "3e 01" is an LE Meta event with subevent 1.
type eventSample struct {
	name  string
	ev    Event
	codes string
	param string
	tail  int // octets at the end that may be missing: their number is free, or they are the last of several reports
}

func eventSamples() []eventSample {
	x := [32]byte{0: 0x11, 31: 0x22}
	inUse := ConnParamsInUse{Interval: 50 * ms, Latency: 4, Timeout: 4200 * ms}
	const inUseHex = "2800 0400 a401"
	return []eventSample{
		{"Disconnection Complete", &DisconnectionComplete{Handle: 0x40, Reason: StatusRemoteUserTerminated}, "05", "00 4000 13", 0},
		{"Encryption Change", &EncryptionChange{Handle: 0x40, Enabled: 1}, "08", "00 4000 01", 0},
		{"Encryption Change [v2]", &EncryptionChange{Status: StatusMICFailure, Handle: 0x40, V2: true, KeySize: 16}, "59", "3d 4000 00 10", 0},
		{"Read Remote Version Information Complete", &ReadRemoteVersionInformationComplete{Handle: 1, Version: 13, Manufacturer: 0x000F, Subversion: 0x1234}, "0c", "00 0100 0d 0f00 3412", 0},
		{"Command Complete", &CommandComplete{NumPackets: 2, Opcode: OpLEReadBufferSize, Return: []byte{0, 251, 0, 6}}, "0e", "02 0220 00 fb00 06", 4},
		{"Command Status", &CommandStatus{Status: StatusCommandDisallowed, NumPackets: 1, Opcode: OpLECreateConnection}, "0f", "0c 01 0d20", 0},
		{"Hardware Error", &HardwareError{Code: 0x42}, "10", "42", 0},
		{"Number Of Completed Packets", &NumberOfCompletedPackets{Counts: []CompletedPackets{{1, 2}, {0x40, 300}}}, "13", "02 0100 0200 4000 2c01", 0},
		{"Data Buffer Overflow", &DataBufferOverflow{LinkType: 1}, "1a", "01", 0},
		{"Encryption Key Refresh Complete", &EncryptionKeyRefreshComplete{Status: StatusKeyMissing, Handle: 1}, "30", "06 0100", 0},
		{"Vendor Event", &VendorEvent{Data: []byte{1, 2, 3}}, "ff", "010203", 3},
		{"event 0x57", &UnknownEvent{Code: 0x57, Data: []byte{1, 0}}, "57", "0100", 2},
		{"LE event 0xfe", &UnknownEvent{Code: 0x3E, Subevent: 0xFE, Data: []byte{9}}, "3e fe", "09", 1},
		{"LE Connection Complete", &LEConnectionComplete{Handle: 0x40, Role: RolePeripheral, Peer: sampleRandom, Params: inUse, ClockAccuracy: 7}, "3e 01", "00 4000 01 01 010000eeffc0" + inUseHex + "07", 0},
		{"LE Advertising Report", &LEAdvertisingReport{Reports: []AdvReport{
			{Type: AdvInd, Addr: sampleRandom, Data: AdvData{2, 1, 6}, RSSI: -50},
			{Type: AdvScanRsp, Addr: samplePublic, Data: AdvData{}, RSSI: 127},
		}}, "3e 02", "02 00 01 010000eeffc0 03 020106 ce 04 00 060504030201 00 7f", 10},
		{"LE Connection Update Complete", &LEConnectionUpdateComplete{Handle: 0x40, Params: inUse}, "3e 03", "00 4000" + inUseHex, 0},
		{"LE Read Remote Features Complete", &LEReadRemoteFeaturesComplete{Handle: 1, Features: FeatureEncryption | Feature2MPHY}, "3e 04", "00 0100 0101000000000000", 0},
		{"LE Long Term Key Request", &LELongTermKeyRequest{Handle: 1, Rand: [8]byte{8, 7, 6, 5, 4, 3, 2, 1}, EDIV: 0x1234}, "3e 05", "0100 0807060504030201 3412", 0},
		{"LE Remote Connection Parameter Request", &LERemoteConnectionParameterRequest{Handle: 1, Params: sampleParams}, "3e 06", "0100" + paramsHex, 0},
		{"LE Data Length Change", &LEDataLengthChange{Handle: 1, MaxTXOctets: 251, MaxTXTime: 2120 * us, MaxRXOctets: 27, MaxRXTime: 328 * us}, "3e 07", "0100 fb00 4808 1b00 4801", 0},
		{"LE Read Local P-256 Public Key Complete", &LEReadLocalP256PublicKeyComplete{X: x, Y: x}, "3e 08", "00" + point32 + point32, 0},
		{"LE Generate DHKey Complete", &LEGenerateDHKeyComplete{Key: x}, "3e 09", "00" + point32, 0},
		{"LE Enhanced Connection Complete", &LEEnhancedConnectionComplete{
			Handle: 0x40, Peer: Addr{sampleRandom.MAC, AddrRandomIdentity}, LocalRPA: MAC{1: 1, 5: 0x40}, PeerRPA: MAC{2: 2, 5: 0x41},
			Params: inUse, ClockAccuracy: 1, AdvertisingHandle: 0xFF, SyncHandle: 0xFFFF,
		}, "3e 0a", "00 4000 00 03 010000eeffc0 000100000040 000002000041" + inUseHex + "01", 0},
		{"LE Enhanced Connection Complete [v2]", &LEEnhancedConnectionComplete{
			Status: StatusFailedToEstablish, Role: RolePeripheral, V2: true, AdvertisingHandle: 3, SyncHandle: 0x0123,
		}, "3e 29", "3e 0000 01 00 000000000000 000000000000 000000000000 0000 0000 0000 00 03 2301", 0},
		{"LE PHY Update Complete", &LEPHYUpdateComplete{Handle: 1, TX: PHY2M, RX: PHYCoded}, "3e 0c", "00 0100 02 03", 0},
		{"LE Extended Advertising Report", &LEExtendedAdvertisingReport{Reports: []ExtAdvReport{
			{
				Type: ExtAdvConnectable | ExtAdvIncomplete, Addr: sampleRandom, PrimaryPHY: PHY1M, SecondaryPHY: PHY2M, SID: 5,
				TxPower: 127, RSSI: -60, PeriodicInterval: 100 * ms, Direct: samplePublic, Data: AdvData{2, 1, 6},
			},
			{Type: ExtAdvLegacy | ExtAdvScanResponse, Addr: Addr{Kind: AddrAnonymous}, PrimaryPHY: PHYCoded, SID: 0xFF, TxPower: 4, RSSI: 127, Data: AdvData{}},
		}}, "3e 0d", "02 2100 01 010000eeffc0 01 02 05 7f c4 5000 00 060504030201 03 020106" +
			"1800 ff 000000000000 03 00 ff 04 7f 0000 00 000000000000 00", 24},
		{"LE Periodic Advertising Sync Established", &LEPeriodicAdvertisingSyncEstablished{
			Status: StatusFailedToEstablish, Sync: 0x40, SID: 5, Advertiser: sampleRandom, PHY: PHY2M, Interval: 81918750 * us, ClockAccuracy: 7,
		}, "3e 0e", "3e 4000 05 01 010000eeffc0 02 ffff 07", 0},
		{"LE Periodic Advertising Report", &LEPeriodicAdvertisingReport{
			Sync: 0x40, TxPower: 4, RSSI: -60, CTEType: 0xFF, Status: PeriodicTruncated, Data: AdvData{2, 1, 6},
		}, "3e 0f", "4000 04 c4 ff 02 03 020106", 0},
		{"LE Periodic Advertising Sync Lost", &LEPeriodicAdvertisingSyncLost{Sync: 0x40}, "3e 10", "4000", 0},
		{"LE Scan Timeout", &LEScanTimeout{}, "3e 11", "", 0},
		{"LE Advertising Set Terminated", &LEAdvertisingSetTerminated{Status: StatusLimitReached, Set: 2, Handle: 0x40, CompletedEvents: 9}, "3e 12", "43 02 4000 09", 0},
		{"LE Scan Request Received", &LEScanRequestReceived{Set: 2, Scanner: sampleRandom}, "3e 13", "02 01 010000eeffc0", 0},
		{"LE Channel Selection Algorithm", &LEChannelSelectionAlgorithm{Handle: 0x40, Algorithm: 1}, "3e 14", "4000 01", 0},
	}
}

// eventPacket returns an event packet without its H4 octet.
func eventPacket(codes, params []byte) []byte {
	b := []byte{codes[0], byte(len(codes) - 1 + len(params))}
	return append(append(b, codes[1:]...), params...)
}

func TestEventsBothWays(t *testing.T) {
	var d Decoder
	for _, s := range eventSamples() {
		want := eventPacket(unhex(t, s.codes), unhex(t, s.param))
		if got := AppendEvent([]byte{0x04}, s.ev); !bytes.Equal(got, append([]byte{0x04}, want...)) {
			t.Errorf("%s: encoded % x, want 04 % x", s.name, got, want)
		}
		got, err := d.Event(want)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		if diff := cmp.Diff(s.ev, got); diff != "" {
			t.Errorf("%s decoded (-want +got):\n%s", s.name, diff)
		}
		if name := eventName(got.event()); name != s.name {
			t.Errorf("%T is named %q, want %q", got, name, s.name)
		}
		fresh, err := ParseEvent(append(want, 0xEE)) // what follows is another packet's
		if err != nil || !reflect.DeepEqual(fresh, got) {
			t.Errorf("%s with an octet behind it: %+v, %v", s.name, fresh, err)
		}
	}
}

func TestEventPrefixesAreErrors(t *testing.T) {
	for _, s := range eventSamples() {
		codes, params := unhex(t, s.codes), unhex(t, s.param)
		whole := eventPacket(codes, params)
		for n := range whole {
			wantPacketError(t, s.name, func() (any, error) { return ParseEvent(whole[:n]) })
		}
		for n := range len(params) - s.tail { // whole by its length octet, too short for the event
			wantPacketError(t, s.name, func() (any, error) { return ParseEvent(eventPacket(codes, params[:n])) })
		}
		if s.tail > 0 && !strings.HasSuffix(s.name, "Report") {
			continue
		}
		longer, err := ParseEvent(eventPacket(codes, append(params, 0x55)))
		if err != nil || !reflect.DeepEqual(longer, s.ev) {
			t.Errorf("%s with one octet more: %+v, %v", s.name, longer, err)
		}
	}
	wantPacketError(t, "LE Meta", func() (any, error) { return ParseEvent([]byte{0x3E, 0}) })
}

// TestEveryEventIsDecodedAsItself finds codes that have a name but are decoded as
// unknown, and events without a sample.
func TestEveryEventIsDecodedAsItself(t *testing.T) {
	sampled := map[[2]uint8]bool{}
	for _, s := range eventSamples() {
		code, subevent := s.ev.event()
		sampled[[2]uint8{code, subevent}] = true
	}
	check := func(code, subevent uint8) {
		var d Decoder
		if _, unknown := d.storage(code, subevent).(*UnknownEvent); unknown || !sampled[[2]uint8{code, subevent}] {
			t.Errorf("%s is not decoded, or lacks a sample", eventName(code, subevent))
		}
	}
	for code := range eventNames {
		check(code, 0)
	}
	for subevent := range leEventNames {
		check(EvLEMeta, subevent)
	}
	if got, want := len(sampled), len(eventNames)+len(leEventNames)+2; got != want {
		t.Errorf("%d samples, want %d: one for each name and two unknown ones", got, want)
	}
}

func TestReservedHandleBitsAreIgnored(t *testing.T) {
	ev, err := ParseEvent(unhex(t, "05 04 00 40f0 13"))
	if d, ok := ev.(*DisconnectionComplete); !ok || d.Handle != 0x0040 {
		t.Errorf("decoded %+v, %v, want handle 0x0040", ev, err)
	}
}

// TestContradictoryReports decodes advertising reports of hostile controllers, whose
// counts and lengths disagree with the event.
func TestContradictoryReports(t *testing.T) {
	head := "00 01 010000eeffc0"
	for _, c := range []struct{ why, packet, want string }{
		{"legacy without reports", "3e 02 02 00", "without reports"},
		{"extended without reports", "3e 02 0d 00", "without reports"},
		{"255 reports of nothing", "3e 02 02 ff", "short"},
		{"data beyond the event", "3e 0f 02 01" + head + "04 020106 ce", "short"},
		{"32 octets in the only legacy report", "3e 2c 02 01" + head + "20" + strings.Repeat("00", 32) + "ce", "32 octets"},
		{"extended data beyond the event", "3e 1b 0d 01 0000 01 010000eeffc0 01 00 ff 7f ce 0000 00 000000000000 02 02", "short"},
		{"length octet beyond the packet", "3e 0d 02 01" + head + "00 ce", "short"},
		{"Number Of Completed Packets beyond the event", "13 05 02 0100 0200", "short"},
	} {
		packet := unhex(t, c.packet)
		ev, err := ParseEvent(packet)
		e, ok := errors.AsType[*PacketError](err)
		if !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v, want a *PacketError with %q", c.why, ev, err, c.want)
			continue
		}
		if !bytes.Equal(e.Data, packet[:min(len(packet), 32)]) {
			t.Errorf("%s: the error keeps % x", c.why, e.Data)
		}
	}
	// Good reports beside bad ones.
	ext := "1000 01 010000eeffc0 01 00 ff 7f ce 0000 00 000000000000"
	for _, c := range []struct {
		why, codes, params string
		good, bad          int
	}{
		{"fewer than announced", "3e 02", "03" + head + "00 ce", 1, 2},
		{"the last one cut off", "3e 02", "02" + head + "00 ce" + head + "02 0106", 1, 1},
		{"32 octets between good ones", "3e 02", "03" + head + "00 ce" + head + "20" + strings.Repeat("00", 32) + "ce" + head + "00 ce", 2, 1},
		{"32 octets, and none behind", "3e 02", "03" + head + "00 ce" + head + "20" + strings.Repeat("00", 32) + "ce", 1, 2},
		{"255 announced", "3e 02", "ff" + head + "00 ce", 1, 254},
		{"an extended one cut off", "3e 0d", "02" + ext + "00" + ext + "02 02", 1, 1},
		{"fewer extended ones than announced", "3e 0d", "03" + ext + "00" + ext + "01 00", 2, 1},
	} {
		ev, err := ParseEvent(eventPacket(unhex(t, c.codes), unhex(t, c.params)))
		good, bad := 0, 0
		switch ev := ev.(type) {
		case *LEAdvertisingReport:
			good, bad = len(ev.Reports), ev.Malformed
		case *LEExtendedAdvertisingReport:
			good, bad = len(ev.Reports), ev.Malformed
		}
		if err != nil || good != c.good || bad != c.bad {
			t.Errorf("%s: %d reports and %d malformed ones, %v, want %d and %d", c.why, good, bad, err, c.good, c.bad)
		}
		if back, err := ParseEvent(AppendEvent(nil, ev)); err != nil || !reflect.DeepEqual(back, ev) {
			t.Errorf("%s: encoded and decoded again %+v, %v, want %+v", c.why, back, err, ev)
		}
	}
	long := eventPacket([]byte{0x3E, 0x02}, append(unhex(t, "01"+head+"1f"), make([]byte, 32)...))
	ev, err := ParseEvent(long)
	if r, ok := ev.(*LEAdvertisingReport); !ok || len(r.Reports) != 1 || len(r.Reports[0].Data) != 31 {
		t.Errorf("31 octets of data: %+v, %v", ev, err)
	}
}

func TestPacketErrorOwnsItsData(t *testing.T) {
	packet := unhex(t, "05 04 00 40")
	_, err := ParseEvent(packet)
	e, ok := errors.AsType[*PacketError](err)
	if !ok || !errors.Is(err, wire.ErrShort) {
		t.Fatal(err)
	}
	packet[0] = 0xFF
	if want := "hci: event packet: input too short [05 04 00 40]"; e.Error() != want {
		t.Errorf("text %q, want %q", e, want)
	}
}

func TestNoOperationCommandComplete(t *testing.T) {
	ev, err := ParseEvent([]byte{0x0E, 3, 5, 0, 0})
	if diff := cmp.Diff(&CommandComplete{NumPackets: 5, Return: []byte{}}, ev); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestAppendCommandComplete(t *testing.T) {
	for _, c := range []struct {
		why  string
		op   Opcode
		st   Status
		ret  Return
		want string
	}{
		{"success", OpLEReadBufferSize, StatusSuccess, LEBufferSize{27, 1}, "0e 07 01 0220 00 1b00 01"},
		{"status alone", OpReset, StatusSuccess, None{}, "0e 04 01 030c 00"},
		{"no return given", OpReset, StatusSuccess, nil, "0e 04 01 030c 00"},
		{"failure leaves the rest out", OpLEReadBufferSize, StatusUnknownCommand, LEBufferSize{27, 1}, "0e 04 01 0220 01"},
		{"failure keeps the handle", OpReadRSSI, StatusUnknownConnection, LinkRSSI{0x40, -3}, "0e 06 01 0514 02 4000"},
		{"failure keeps the handle alone", OpLESetDataLength, StatusUnknownConnection, Handle(0x40), "0e 06 01 2220 02 4000"},
	} {
		if got, want := AppendCommandComplete([]byte{4}, 1, c.op, c.st, c.ret), append([]byte{4}, unhex(t, c.want)...); !bytes.Equal(got, want) {
			t.Errorf("%s: % x, want % x", c.why, got, want)
		}
	}
}

// TestEventsThatOverflow encodes more than fits an event. The result is an event of
// at most 255 octets, with as many list elements as fit.
func TestEventsThatOverflow(t *testing.T) {
	reports := make([]AdvReport, 40)
	ext := make([]ExtAdvReport, 3)
	for i := range ext {
		ext[i].Data = make(AdvData, 100)
	}
	var d Decoder
	for _, c := range []struct {
		ev   Event
		left func(Event) int
		want int
	}{
		{&LEAdvertisingReport{Reports: reports}, func(ev Event) int { return len(ev.(*LEAdvertisingReport).Reports) }, 25},
		{&LEExtendedAdvertisingReport{Reports: ext}, func(ev Event) int { return len(ev.(*LEExtendedAdvertisingReport).Reports) }, 2},
		{&NumberOfCompletedPackets{Counts: make([]CompletedPackets, 300)}, func(ev Event) int { return len(ev.(*NumberOfCompletedPackets).Counts) }, 63},
		{&LEPeriodicAdvertisingReport{Data: make(AdvData, 300)}, func(ev Event) int { return len(ev.(*LEPeriodicAdvertisingReport).Data) }, MaxPeriodicReportData},
		{&VendorEvent{Data: make([]byte, 300)}, func(ev Event) int { return len(ev.(*VendorEvent).Data) }, 255},
		{&CommandComplete{Opcode: OpReset, Return: make([]byte, 300)}, func(ev Event) int { return len(ev.(*CommandComplete).Return) }, 252},
	} {
		b := AppendEvent(nil, c.ev)
		if n := splitLen(t, append([]byte{4}, b...)); n != len(b)+1 {
			t.Errorf("%T: %d octets, which say they are %d", c.ev, len(b), n-1)
		}
		ev, err := d.Event(b)
		if err != nil || c.left(ev) != c.want {
			t.Errorf("%T: %v, %v, want %d entries", c.ev, ev, err, c.want)
		}
	}
	b := AppendEvent(nil, &LEConnectionUpdateComplete{Params: ConnParamsInUse{Interval: 9 * ms, Timeout: -ms}})
	if want := unhex(t, "3e 0a 03 00 0000 0700 0000 0000"); !bytes.Equal(b, want) {
		t.Errorf("times between steps and below zero: % x, want % x", b, want)
	}
}

// splitLen is SplitPacket for whole packets.
func splitLen(t *testing.T, b []byte) int {
	t.Helper()
	n, err := SplitPacket(b)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestExtAdvReportPredicates(t *testing.T) {
	for _, c := range []struct {
		typ  ExtAdvType
		want [7]bool // connectable, scannable, directed, scan response, legacy, incomplete, truncated
	}{
		{0, [7]bool{}},
		{0x0001, [7]bool{0: true}},
		{0x0002, [7]bool{1: true}},
		{0x0004, [7]bool{2: true}},
		{0x0008, [7]bool{3: true}},
		{0x0013, [7]bool{0: true, 1: true, 4: true}}, // legacy ADV_IND
		{0x0020, [7]bool{5: true}},
		{0x0040, [7]bool{6: true}},
		{0x0060, [7]bool{}}, // reserved data status
	} {
		r := ExtAdvReport{Type: c.typ}
		got := [7]bool{r.Connectable(), r.Scannable(), r.Directed(), r.ScanResponse(), r.Legacy(), r.Incomplete(), r.Truncated()}
		if got != c.want {
			t.Errorf("type %#04x: %v, want %v", uint16(c.typ), got, c.want)
		}
	}
}

func TestDecoderAllocatesNothing(t *testing.T) {
	for _, s := range eventSamples() {
		var d Decoder
		packet := eventPacket(unhex(t, s.codes), unhex(t, s.param))
		if n := testing.AllocsPerRun(100, func() {
			if _, err := d.Event(packet); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", s.name, n)
		}
	}
}

func TestCommandsAreEncodedWithoutAllocations(t *testing.T) {
	buf := make([]byte, 0, 512)
	for _, s := range commandSamples() {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := AppendCommand(buf, s.cmd); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", s.name, n)
		}
	}
}

func BenchmarkDecoder(b *testing.B) {
	for _, s := range eventSamples() {
		b.Run(strings.ReplaceAll(s.name, " ", ""), func(b *testing.B) {
			var d Decoder
			packet := eventPacket(unhex(b, s.codes), unhex(b, s.param))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Event(packet); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendCommand(b *testing.B) {
	cmd := LECreateConnection{ScanInterval: 60 * ms, ScanWindow: 60 * ms, Peer: sampleRandom, Params: sampleParams}
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = AppendCommand(buf[:0], &cmd); err != nil {
			b.Fatal(err)
		}
	}
}
