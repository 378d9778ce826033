package hci

import (
	"errors"
	"fmt"
	"testing"
)

func TestStatusNames(t *testing.T) {
	for s, want := range map[Status]string{
		StatusSuccess:              "success (0x00)",
		StatusConnectionTimeout:    "connection timeout (0x08)",
		StatusFailedToEstablish:    "connection failed to be established (0x3e)",
		StatusInsufficientChannels: "insufficient channels (0x48)",
		0x2B:                       "error 0x2b",
		0x31:                       "error 0x31",
		0x33:                       "error 0x33",
		0x49:                       "error 0x49",
		0xFF:                       "error 0xff",
	} {
		if s.String() != want || s.Error() != want {
			t.Errorf("status %#02x is %q and %q, want %q", uint8(s), s.String(), s.Error(), want)
		}
	}
	for s := range Status(0x49) {
		reserved := s == 0x2B || s == 0x31 || s == 0x33
		if named := s.String() != fmt.Sprintf("error 0x%02x", uint8(s)); named == reserved {
			t.Errorf("status %#02x is %q", uint8(s), s)
		}
	}
	if err := fmt.Errorf("link: %w", StatusMICFailure); !errors.Is(err, StatusMICFailure) || errors.Is(err, StatusConnectionTimeout) {
		t.Errorf("%v must be found by errors.Is, and as itself alone", err)
	}
}

// TestUnknownValuesPrintAsHex prints a value without a name of every type with
// names.
func TestUnknownValuesPrintAsHex(t *testing.T) {
	for _, c := range []struct {
		v    fmt.Stringer
		want string
	}{
		{Opcode(0xFC01), "command 0xfc01"},
		{Opcode(0x2004), "command 0x2004"},
		{AddrKind(0x07), "0x07"},
		{Role(2), "0x02"},
		{RoleCentral, "central"},
		{RolePeripheral, "peripheral"},
		{PHY(9), "0x09"},
		{PHY(0), "none"},
		{PHY1M, "1M"},
		{PHYs(0), "none"},
		{PHYs1M | PHYs2M | PHYsCoded, "1M+2M+coded"},
		{PHYs2M | 0x40, "2M+0x40"},
		{PacketType(7), "packet type 0x07"},
		{PacketISO, "ISO data"},
		{Features(0), "none"},
		{FeatureEncryption | Feature2MPHY | 1<<60 | FeatureExtendedFeatureSet, "LE encryption, LE 2M PHY, bit 60, LL extended feature set"},
		{FeatureChannelSoundingToneQuality, "channel sounding tone quality indication"},
		{ChannelMap{0xFF, 0, 0, 0, 0x1F}, "ff0000001f"},
	} {
		if got := c.v.String(); got != c.want {
			t.Errorf("%T %#v is %q, want %q", c.v, c.v, got, c.want)
		}
	}
	for code, want := range map[[2]uint8]string{{0x57, 0}: "event 0x57", {EvLEMeta, 0xFE}: "LE event 0xfe"} {
		if got := eventName(code[0], code[1]); got != want {
			t.Errorf("event %v is named %q, want %q", code, got, want)
		}
	}
}

// TestFeatureBits checks the features that the module uses (Vol 6, Part B, 4.6).
func TestFeatureBits(t *testing.T) {
	for bit, f := range map[int]Features{
		0: FeatureEncryption, 1: FeatureConnParamRequest, 2: FeatureExtendedReject, 3: FeaturePeripheralFeatExchange, 4: FeaturePing,
		5: FeatureDataLength, 6: FeaturePrivacy, 8: Feature2MPHY, 11: FeatureCodedPHY, 12: FeatureExtendedAdvertising,
		13: FeaturePeriodicAdvertising, 14: FeatureCSA2, 24: FeatureSyncTransferSender, 32: FeatureCISHost, 37: FeatureConnectionSubrating,
		46: FeatureChannelSounding, 63: FeatureExtendedFeatureSet,
	} {
		if f != 1<<bit {
			t.Errorf("bit %d is %#x", bit, uint64(f))
		}
	}
	both := FeatureDataLength | Feature2MPHY
	if !both.Has(FeatureDataLength) || !both.Has(both) || FeatureDataLength.Has(both) {
		t.Error("Has must ask for all bits")
	}
}

func TestOpcodeParts(t *testing.T) {
	if OpLESetScanEnable.OGF() != 8 || OpLESetScanEnable.OCF() != 0x0C || Opcode(0xFFFF).OGF() != 0x3F || Opcode(0xFFFF).OCF() != 0x3FF {
		t.Errorf("OGF %#x, OCF %#x", OpLESetScanEnable.OGF(), OpLESetScanEnable.OCF())
	}
}

// TestSupportedCommandBits checks positions in the table of Vol 4, Part E, 6.27.
func TestSupportedCommandBits(t *testing.T) {
	for op, at := range map[Opcode][2]int{
		OpDisconnect: {0, 5}, OpSetEventMask: {5, 6}, OpReset: {5, 7}, OpReadRSSI: {15, 5}, OpLESetEventMask: {25, 0},
		OpLECreateConnection: {26, 4}, OpLEConnectionUpdate: {27, 2}, OpLEEnableEncryption: {28, 0},
		OpLERemoteConnectionParameterRequestReply: {33, 4}, OpLESetDataLength: {33, 6}, OpLESetPHY: {35, 6},
		OpLESetExtendedAdvertisingEnable: {36, 5}, OpLESetExtendedScanEnable: {37, 6}, OpLEExtendedCreateConnection: {37, 7},
		OpLESetPrivacyMode: {39, 2}, OpLEReadBufferSizeV2: {41, 5}, OpLEReadAllLocalSupportedFeatures: {47, 2},
	} {
		var s SupportedCommands
		s[at[0]] = 1 << at[1]
		if !s.Has(op) {
			t.Errorf("%v is not at octet %d, bit %d", op, at[0], at[1])
		}
		s[at[0]] ^= 0xFF
		if s.Has(op) {
			t.Errorf("%v is found although only other bits are set", op)
		}
		var made SupportedCommands
		made.Add(op)
		if made[at[0]] != 1<<at[1] {
			t.Errorf("Add(%v) set % x", op, made)
		}
	}
	var all SupportedCommands
	for i := range all {
		all[i] = 0xFF
	}
	if all.Has(0xFC01) {
		t.Error("a vendor's command has no bit")
	}
	var none SupportedCommands
	if none.Add(0xFC01); none != (SupportedCommands{}) {
		t.Errorf("a vendor's command set % x", none)
	}
	seen := map[commandBit]Opcode{}
	for op, at := range commandBits {
		if other, twice := seen[at]; twice || at.octet >= 64 || at.bit >= 8 {
			t.Errorf("%v and %v share octet %d, bit %d", op, other, at.octet, at.bit)
		}
		seen[at] = op
	}
}

func TestEventMasks(t *testing.T) {
	if got := EventMask(EvDisconnectionComplete, EvEncryptionChange, EvHardwareError, EvEncryptionKeyRefreshComplete, EvLEMeta, 0); got != 1<<4|1<<7|1<<15|1<<47|1<<61 {
		t.Errorf("EventMask = %#x", got)
	}
	if got := EventMask2(EvEncryptionChangeV2, EvLEMeta); got != 1<<25 {
		t.Errorf("EventMask2 = %#x, want bit 25 alone", got)
	}
	if got := LEEventMask(EvLEConnectionComplete, EvLEExtendedAdvertisingReport, EvLEEnhancedConnectionCompleteV2); got != 1|1<<12|1<<40 {
		t.Errorf("LEEventMask = %#x", got)
	}
}

func TestChannelMap(t *testing.T) {
	m := ChannelMap{0x01, 0, 0, 0, 0x10}
	if !m.Has(0) || !m.Has(36) || m.Has(1) || m.Has(-1) || m.Has(40) || m.Count() != 2 {
		t.Errorf("channels 0 and 36: count %d", m.Count())
	}
}
