package hci

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/internal/wire"
)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

var (
	samplePublic = Addr{MAC{6, 5, 4, 3, 2, 1}, AddrPublic}
	sampleRandom = Addr{MAC{1, 0, 0, 0xEE, 0xFF, 0xC0}, AddrRandom}
	sampleKey    = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	sampleParams = ConnParams{IntervalMin: 30 * ms, IntervalMax: 50 * ms, Latency: 4, Timeout: 4200 * ms}
)

const (
	keyHex    = "0102030405060708090a0b0c0d0e0f10"
	paramsHex = "1800 2800 0400 a401"
	point32   = "1100000000000000000000000000000000000000000000000000000000000022"
)

// commandSample is a command with its parameters and return parameters in octets,
// as in the tables of the specification.
type commandSample struct {
	name   string
	op     Opcode
	cmd    Params
	params string
	ret    Return // nil for procedures
	retHex string
}

func commandSamples() []commandSample {
	x := [32]byte{0: 0x11, 31: 0x22}
	var commands SupportedCommands
	commands.Add(OpDisconnect, OpReset)
	return []commandSample{
		{"Disconnect", 0x0406, Disconnect{Handle: 0x0EFF, Reason: StatusRemoteUserTerminated}, "ff0e 13", nil, ""},
		{"Read Remote Version Information", 0x041D, ReadRemoteVersionInformation{Handle: 0x40}, "4000", nil, ""},
		{"Set Event Mask", 0x0C01, SetEventMask{Mask: EventMask(EvDisconnectionComplete, EvLEMeta)}, "1000000000000020", None{}, ""},
		{"Reset", 0x0C03, Reset{}, "", None{}, ""},
		{"Read Transmit Power Level", 0x0C2D, ReadTransmitPowerLevel{Handle: 1, Max: true}, "0100 01", LinkTxPower{1, -8}, "0100 f8"},
		{"Set Event Mask Page 2", 0x0C63, SetEventMaskPage2{Mask: EventMask2(EvEncryptionChangeV2)}, "0000000200000000", None{}, ""},
		{"Write LE Host Support", 0x0C6D, WriteLEHostSupport{Enabled: true}, "01 00", None{}, ""},
		{"Read Local Version Information", 0x1001, ReadLocalVersionInformation{}, "", LocalVersion{13, 0x1234, 14, 0x000F, 0x5678}, "0d 3412 0e 0f00 7856"},
		{"Read Local Supported Commands", 0x1002, ReadLocalSupportedCommands{}, "", commands, "20 00000000 80" + strings.Repeat("00", 58)},
		{"Read Local Supported Features", 0x1003, ReadLocalSupportedFeatures{}, "", LMPFeatureNoBREDR | LMPFeatureLE, "0000000060000000"},
		{"Read Buffer Size", 0x1005, ReadBufferSize{}, "", BufferSize{1021, 255, 8, 9}, "fd03 ff 0800 0900"},
		{"Read BD_ADDR", 0x1009, ReadBDADDR{}, "", samplePublic.MAC, "060504030201"},
		{"Read RSSI", 0x1405, ReadRSSI{Handle: 1}, "0100", LinkRSSI{1, -70}, "0100 ba"},
		{"LE Set Event Mask", 0x2001, LESetEventMask{Mask: LEEventMask(EvLEConnectionComplete, EvLEEnhancedConnectionCompleteV2)}, "0100000000010000", None{}, ""},
		{"LE Read Buffer Size", 0x2002, LEReadBufferSize{}, "", LEBufferSize{251, 6}, "fb00 06"},
		{"LE Read Local Supported Features", 0x2003, LEReadLocalSupportedFeatures{}, "", FeatureEncryption | FeatureExtendedAdvertising | FeatureExtendedFeatureSet, "0110000000000080"},
		{"LE Set Random Address", 0x2005, LESetRandomAddress{Addr: sampleRandom.MAC}, "010000eeffc0", None{}, ""},
		{"LE Set Advertising Parameters", 0x2006, LESetAdvertisingParameters{
			IntervalMin: 100 * ms, IntervalMax: 200 * ms, Type: AdvDirectIndLow, OwnAddrKind: AddrRandom,
			Peer: samplePublic, ChannelMap: 7, FilterPolicy: 3,
		}, "a000 4001 04 01 00 060504030201 07 03", None{}, ""},
		{"LE Read Advertising Physical Channel Tx Power", 0x2007, LEReadAdvertisingPhysicalChannelTxPower{}, "", TxPower(-4), "fc"},
		{"LE Set Advertising Data", 0x2008, LESetAdvertisingData{Data: []byte{2, 1, 6}}, "03 020106" + strings.Repeat("00", 28), None{}, ""},
		{"LE Set Scan Response Data", 0x2009, LESetScanResponseData{Data: []byte{2, 10, 0}}, "03 020a00" + strings.Repeat("00", 28), None{}, ""},
		{"LE Set Advertising Enable", 0x200A, LESetAdvertisingEnable{Enable: true}, "01", None{}, ""},
		{"LE Set Scan Parameters", 0x200B, LESetScanParameters{
			Active: true, Interval: 60 * ms, Window: 30 * ms, OwnAddrKind: AddrRandom, FilterPolicy: 2,
		}, "01 6000 3000 01 02", None{}, ""},
		{"LE Set Scan Enable", 0x200C, LESetScanEnable{Enable: true, FilterDuplicates: true}, "01 01", None{}, ""},
		{"LE Create Connection", 0x200D, LECreateConnection{
			ScanInterval: 60 * ms, ScanWindow: 30 * ms, FilterPolicy: 1, Peer: sampleRandom, OwnAddrKind: AddrPublicIdentity,
			Params: sampleParams, CELengthMin: 2500 * us, CELengthMax: 5 * ms,
		}, "6000 3000 01 01 010000eeffc0 02" + paramsHex + "0400 0800", nil, ""},
		{"LE Create Connection Cancel", 0x200E, LECreateConnectionCancel{}, "", None{}, ""},
		{"LE Read Filter Accept List Size", 0x200F, LEReadFilterAcceptListSize{}, "", Count(8), "08"},
		{"LE Clear Filter Accept List", 0x2010, LEClearFilterAcceptList{}, "", None{}, ""},
		{"LE Add Device To Filter Accept List", 0x2011, LEAddDeviceToFilterAcceptList{Addr: sampleRandom}, "01 010000eeffc0", None{}, ""},
		{"LE Remove Device From Filter Accept List", 0x2012, LERemoveDeviceFromFilterAcceptList{Addr: samplePublic}, "00 060504030201", None{}, ""},
		{"LE Connection Update", 0x2013, LEConnectionUpdate{
			Handle: 1, Params: sampleParams, CELengthMin: 625 * us, CELengthMax: 1250 * us,
		}, "0100" + paramsHex + "0100 0200", nil, ""},
		{"LE Set Host Channel Classification", 0x2014, LESetHostChannelClassification{Map: ChannelMap{0xFF, 0, 0, 0, 0x1F}}, "ff0000001f", None{}, ""},
		{"LE Read Channel Map", 0x2015, LEReadChannelMap{Handle: 1}, "0100", LinkChannelMap{1, ChannelMap{1, 2, 3, 4, 5}}, "0100 0102030405"},
		{"LE Read Remote Features", 0x2016, LEReadRemoteFeatures{Handle: 1}, "0100", nil, ""},
		{"LE Encrypt", 0x2017, LEEncrypt{Key: sampleKey, Plaintext: [16]byte{15: 9}}, keyHex + strings.Repeat("00", 15) + "09", EncryptedBlock{sampleKey}, keyHex},
		{"LE Rand", 0x2018, LERand{}, "", RandomNumber{[8]byte{8, 7, 6, 5, 4, 3, 2, 1}}, "0807060504030201"},
		{"LE Enable Encryption", 0x2019, LEEnableEncryption{
			Handle: 1, Rand: [8]byte{8, 7, 6, 5, 4, 3, 2, 1}, EDIV: 0x1234, Key: sampleKey,
		}, "0100 0807060504030201 3412" + keyHex, nil, ""},
		{"LE Long Term Key Request Reply", 0x201A, LELongTermKeyRequestReply{Handle: 1, Key: sampleKey}, "0100" + keyHex, Handle(1), "0100"},
		{"LE Long Term Key Request Negative Reply", 0x201B, LELongTermKeyRequestNegativeReply{Handle: 1}, "0100", Handle(1), "0100"},
		{"LE Read Supported States", 0x201C, LEReadSupportedStates{}, "", LEStates(0x000003FFFFFFFFFF), "ffffffffff030000"},
		{"LE Remote Connection Parameter Request Reply", 0x2020, LERemoteConnectionParameterRequestReply{
			Handle: 1, Params: sampleParams,
		}, "0100" + paramsHex + "0000 0000", Handle(1), "0100"},
		{"LE Remote Connection Parameter Request Negative Reply", 0x2021, LERemoteConnectionParameterRequestNegativeReply{
			Handle: 1, Reason: StatusUnacceptableParameters,
		}, "0100 3b", Handle(1), "0100"},
		{"LE Set Data Length", 0x2022, LESetDataLength{Handle: 1, TXOctets: 251, TXTime: 2120 * us}, "0100 fb00 4808", Handle(1), "0100"},
		{"LE Read Suggested Default Data Length", 0x2023, LEReadSuggestedDefaultDataLength{}, "", DataLength{27, 328 * us}, "1b00 4801"},
		{"LE Write Suggested Default Data Length", 0x2024, LEWriteSuggestedDefaultDataLength{TXOctets: 27, TXTime: 17040 * us}, "1b00 9042", None{}, ""},
		{"LE Read Local P-256 Public Key", 0x2025, LEReadLocalP256PublicKey{}, "", nil, ""},
		{"LE Generate DHKey", 0x2026, LEGenerateDHKey{X: x, Y: x}, point32 + point32, nil, ""},
		{"LE Add Device To Resolving List", 0x2027, LEAddDeviceToResolvingList{Peer: sampleRandom, PeerIRK: sampleKey, LocalIRK: [16]byte{0: 9}}, "01 010000eeffc0" + keyHex + "09" + strings.Repeat("00", 15), None{}, ""},
		{"LE Remove Device From Resolving List", 0x2028, LERemoveDeviceFromResolvingList{Peer: samplePublic}, "00 060504030201", None{}, ""},
		{"LE Clear Resolving List", 0x2029, LEClearResolvingList{}, "", None{}, ""},
		{"LE Read Resolving List Size", 0x202A, LEReadResolvingListSize{}, "", Count(3), "03"},
		{"LE Set Address Resolution Enable", 0x202D, LESetAddressResolutionEnable{Enable: true}, "01", None{}, ""},
		{"LE Set Resolvable Private Address Timeout", 0x202E, LESetResolvablePrivateAddressTimeout{Timeout: 15 * time.Minute}, "8403", None{}, ""},
		{"LE Read Maximum Data Length", 0x202F, LEReadMaximumDataLength{}, "", MaximumDataLength{251, 2120 * us, 27, 328 * us}, "fb00 4808 1b00 4801"},
		{"LE Read PHY", 0x2030, LEReadPHY{Handle: 1}, "0100", LinkPHY{1, PHY2M, PHYCoded}, "0100 02 03"},
		{"LE Set Default PHY", 0x2031, LESetDefaultPHY{RX: PHYs1M | PHYs2M}, "01 00 03", None{}, ""},
		{"LE Set PHY", 0x2032, LESetPHY{Handle: 1, TX: PHYs2M, RX: PHYsCoded, Options: 2}, "0100 00 02 04 0200", nil, ""},
		{"LE Set Advertising Set Random Address", 0x2035, LESetAdvertisingSetRandomAddress{Handle: 0xEF, Addr: sampleRandom.MAC}, "ef 010000eeffc0", None{}, ""},
		{"LE Set Extended Advertising Parameters", 0x2036, LESetExtendedAdvertisingParameters{
			Handle: 1, Properties: AdvPropsLegacyConnectable | AdvPropIncludeTxPower, IntervalMin: 100 * ms, IntervalMax: 0x123456 * us625,
			ChannelMap: 5, OwnAddrKind: AddrRandom, Peer: samplePublic, FilterPolicy: 1, TxPower: -127,
			PrimaryPHY: PHYCoded, SecondaryMaxSkip: 9, SecondaryPHY: PHY2M, SID: 15, NotifyScanRequests: true,
		}, "01 5300 a00000 563412 05 01 00 060504030201 01 81 03 09 02 0f 01", TxPower(7), "07"},
		{"LE Set Extended Advertising Data", 0x2037, LESetExtendedAdvertisingData{Handle: 1, Operation: AdvDataComplete, NoFragment: true, Data: []byte{2, 1, 6}}, "01 03 01 03 020106", None{}, ""},
		{"LE Set Extended Scan Response Data", 0x2038, LESetExtendedScanResponseData{Handle: 1, Operation: AdvDataFirst, Data: []byte{2, 1, 6}}, "01 01 00 03 020106", None{}, ""},
		{"LE Set Extended Advertising Enable", 0x2039, LESetExtendedAdvertisingEnable{
			Enable: true, Sets: []AdvertisingSet{{Handle: 1, Duration: 10 * ms, MaxEvents: 5}, {Handle: 2}},
		}, "01 02 01 0100 05 02 0000 00", None{}, ""},
		{"LE Read Maximum Advertising Data Length", 0x203A, LEReadMaximumAdvertisingDataLength{}, "", AdvDataLength(1650), "7206"},
		{"LE Read Number of Supported Advertising Sets", 0x203B, LEReadNumberOfSupportedAdvertisingSets{}, "", Count(4), "04"},
		{"LE Remove Advertising Set", 0x203C, LERemoveAdvertisingSet{Handle: 1}, "01", None{}, ""},
		{"LE Clear Advertising Sets", 0x203D, LEClearAdvertisingSets{}, "", None{}, ""},
		{"LE Set Periodic Advertising Parameters", 0x203E, LESetPeriodicAdvertisingParameters{
			Handle: 1, IntervalMin: 7500 * us, IntervalMax: 81918750 * us, Properties: AdvPropIncludeTxPower,
		}, "01 0600 ffff 4000", None{}, ""},
		{"LE Set Periodic Advertising Data", 0x203F, LESetPeriodicAdvertisingData{Handle: 1, Operation: AdvDataLast, Data: []byte{2, 1, 6}}, "01 02 03 020106", None{}, ""},
		{"LE Set Periodic Advertising Enable", 0x2040, LESetPeriodicAdvertisingEnable{Enable: true, Handle: 0xEF}, "01 ef", None{}, ""},
		{"LE Periodic Advertising Create Sync", 0x2044, LEPeriodicAdvertisingCreateSync{
			Options: PeriodicReportsOff, SID: 15, Advertiser: sampleRandom, Skip: 499, Timeout: 163840 * ms, CTEType: 0x10,
		}, "02 0f 01 010000eeffc0 f301 0040 10", nil, ""},
		{"LE Periodic Advertising Create Sync Cancel", 0x2045, LEPeriodicAdvertisingCreateSyncCancel{}, "", None{}, ""},
		{"LE Periodic Advertising Terminate Sync", 0x2046, LEPeriodicAdvertisingTerminateSync{Sync: 0x0EFF}, "ff0e", None{}, ""},
		{"LE Set Extended Scan Parameters", 0x2041, LESetExtendedScanParameters{
			OwnAddrKind: AddrRandom, FilterPolicy: 1, PHYs: PHYs1M | PHYsCoded,
			Scanning: []ScanningPHY{{Active: true, Interval: 60 * ms, Window: 30 * ms}, {Interval: 40959375 * us, Window: 2500 * us}},
		}, "01 01 05 01 6000 3000 00 ffff 0400", None{}, ""},
		{"LE Set Extended Scan Enable", 0x2042, LESetExtendedScanEnable{
			Enable: true, FilterDuplicates: true, ResetEachPeriod: true, Duration: 500 * ms, Period: 1280 * ms,
		}, "01 02 3200 0100", None{}, ""},
		{"LE Extended Create Connection", 0x2043, LEExtendedCreateConnection{
			FilterPolicy: 0, OwnAddrKind: AddrRandom, Peer: sampleRandom, PHYs: PHYs1M | PHYs2M,
			Initiating: []InitiatingPHY{
				{ScanInterval: 60 * ms, ScanWindow: 30 * ms, Params: sampleParams, CELengthMin: 625 * us, CELengthMax: 1250 * us},
				{ScanInterval: 120 * ms, ScanWindow: 120 * ms, Params: sampleParams},
			},
		}, "00 01 01 010000eeffc0 03 6000 3000" + paramsHex + "0100 0200 c000 c000" + paramsHex + "0000 0000", nil, ""},
		{"LE Read Transmit Power", 0x204B, LEReadTransmitPower{}, "", TxPowerRange{-20, 8}, "ec 08"},
		{"LE Set Privacy Mode", 0x204E, LESetPrivacyMode{Peer: sampleRandom, Device: true}, "01 010000eeffc0 01", None{}, ""},
		{"LE Read Buffer Size [v2]", 0x2060, LEReadBufferSizeV2{}, "", LEBufferSizeV2{ACLLen: 251, ACLNum: 6, ISOLen: 192, ISONum: 4}, "fb00 06 c000 04"},
		{"LE Read All Local Supported Features", 0x2087, LEReadAllLocalSupportedFeatures{}, "", LEAllFeatures{MaxPage: 1, Pages: [248]byte{0: 1, 8: 2}}, "01 01" + strings.Repeat("00", 7) + "02" + strings.Repeat("00", 239)},
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

// packetOf returns a command packet without its H4 octet.
func packetOf(op Opcode, params []byte) []byte {
	b := []byte{byte(op), byte(op >> 8), byte(len(params))}
	return append(b, params...)
}

func TestCommandsBothWays(t *testing.T) {
	for _, s := range commandSamples() {
		if s.cmd.Opcode() != s.op || s.op.String() != s.name {
			t.Errorf("%T is %#04x %q, want %#04x %q", s.cmd, uint16(s.cmd.Opcode()), s.op.String(), uint16(s.op), s.name)
		}
		want := packetOf(s.op, unhex(t, s.params))
		got, err := AppendCommand([]byte{0xAA}, s.cmd)
		if err != nil || !bytes.Equal(got, append([]byte{0xAA, 0x01}, want...)) {
			t.Errorf("%s: encoded % x, %v, want aa 01 % x", s.name, got, err, want)
		}
		back, err := ParseCommand(want)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
		} else if diff := cmp.Diff(s.cmd, back); diff != "" {
			t.Errorf("%s decoded (-want +got):\n%s", s.name, diff)
		}
	}
}

func TestCommandPrefixesAreErrors(t *testing.T) {
	for _, s := range commandSamples() {
		params := unhex(t, s.params)
		whole := packetOf(s.op, params)
		for n := range whole {
			wantPacketError(t, s.name, func() (any, error) { return ParseCommand(whole[:n]) })
		}
		for n := range params { // whole by its length octet, too short for the command
			wantPacketError(t, s.name, func() (any, error) { return ParseCommand(packetOf(s.op, params[:n])) })
		}
		longer, err := ParseCommand(packetOf(s.op, append(params, 0x55)))
		if err != nil || !reflect.DeepEqual(longer, s.cmd) {
			t.Errorf("%s with one octet more: %+v, %v", s.name, longer, err)
		}
	}
}

func wantPacketError(t *testing.T, name string, f func() (any, error)) {
	t.Helper()
	v, err := f()
	if e, ok := errors.AsType[*PacketError](err); !ok || !errors.Is(err, wire.ErrShort) || e.What == "" {
		t.Errorf("%s cut short: %+v, %v, want a *PacketError for short input", name, v, err)
	}
}

func TestReturnParametersBothWays(t *testing.T) {
	for _, s := range commandSamples() {
		codec := commandCodecs[s.op]
		if s.ret == nil {
			if _, ok := s.cmd.(Procedure); !ok || codec.ret != nil {
				t.Errorf("%s has no return parameters, but is no procedure", s.name)
			}
			continue
		}
		if codec.ret == nil {
			t.Errorf("%s returns nothing, want %T", s.name, s.ret)
			continue
		}
		want := unhex(t, s.retHex)
		if got := s.ret.AppendReturn([]byte{0xAA}); !bytes.Equal(got, append([]byte{0xAA}, want...)) {
			t.Errorf("%s: return encoded % x, want aa % x", s.name, got, want)
		}
		r := wire.NewReader(want)
		got := codec.ret(&r)
		if err := r.Finish(); err != nil || !reflect.DeepEqual(got, any(s.ret)) {
			t.Errorf("%s: return decoded %+v, %v, want %+v", s.name, got, err, s.ret)
		}
		for n := range want {
			r := wire.NewReader(want[:n])
			codec.ret(&r)
			if !errors.Is(r.Err(), wire.ErrShort) {
				t.Errorf("%s: %d of %d octets of return parameters: error %v", s.name, n, len(want), r.Err())
			}
		}
	}
}

func TestEveryCommandHasItsTables(t *testing.T) {
	sampled := map[Opcode]bool{}
	for _, s := range commandSamples() {
		sampled[s.op] = true
	}
	for op := range opcodeNames {
		if _, ok := commandBits[op]; !ok || !sampled[op] || commandCodecs[op].params == nil {
			t.Errorf("%v lacks a bit among the supported commands, a codec or a sample", op)
		}
	}
	if len(commandBits) != len(opcodeNames) || len(commandCodecs) != len(opcodeNames) || len(sampled) != len(opcodeNames) {
		t.Errorf("%d names, %d bits, %d codecs, %d samples", len(opcodeNames), len(commandBits), len(commandCodecs), len(sampled))
	}
}

func TestRawCommand(t *testing.T) {
	raw := Raw{Op: 0xFC01, Data: []byte{1, 2, 3}}
	packet, err := AppendCommand(nil, raw)
	if err != nil || !bytes.Equal(packet, []byte{1, 0x01, 0xFC, 3, 1, 2, 3}) {
		t.Fatalf("encoded % x, %v", packet, err)
	}
	got, err := ParseCommand(packet[1:])
	if err != nil || !reflect.DeepEqual(got, raw) {
		t.Errorf("decoded %+v, %v", got, err)
	}
	packet[4] = 9
	if got.(Raw).Data[0] != 1 {
		t.Error("a decoded command must not alias the packet")
	}
	var cmd Command[[]byte] = raw
	r := wire.NewReader([]byte{4, 5})
	if got := cmd.readReturn(&r); !bytes.Equal(got, []byte{4, 5}) || !bytes.Equal(RawReturn(got).AppendReturn(nil), []byte{4, 5}) {
		t.Errorf("return parameters % x", got)
	}
	if _, err := AppendCommand(nil, Raw{Op: 0xFC01, Data: make([]byte, 256)}); err == nil || !strings.Contains(err.Error(), "256") {
		t.Errorf("256 octets of parameters: %v", err)
	}
}

func TestLEAllFeaturesPage0(t *testing.T) {
	v := LEAllFeatures{Pages: [248]byte{0: 0x21, 1: 0x10}}
	if got, want := v.Page0(), FeatureEncryption|FeatureDataLength|FeatureExtendedAdvertising; got != want {
		t.Errorf("page 0 is %v, want %v", got, want)
	}
}
