package hci

import (
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// AdvProperties are the properties of the advertisements of an advertising set
// (Vol 4, Part E, 7.8.53).
type AdvProperties uint16

// The advertising event properties.
const (
	AdvPropConnectable    AdvProperties = 1 << 0
	AdvPropScannable      AdvProperties = 1 << 1
	AdvPropDirected       AdvProperties = 1 << 2
	AdvPropHighDuty       AdvProperties = 1 << 3 // with AdvPropDirected
	AdvPropLegacy         AdvProperties = 1 << 4 // legacy packets, at most 31 octets
	AdvPropOmitAddress    AdvProperties = 1 << 5 // anonymous
	AdvPropIncludeTxPower AdvProperties = 1 << 6
	advPropKnown                        = 1<<7 - 1
)

// The properties of undirected legacy advertising. AdvPropLegacy allows no other
// combinations, except directed ones (Vol 4, Part E, 7.8.53).
const (
	AdvPropsLegacyConnectable    = AdvPropLegacy | AdvPropConnectable | AdvPropScannable // ADV_IND
	AdvPropsLegacyScannable      = AdvPropLegacy | AdvPropScannable                      // ADV_SCAN_IND
	AdvPropsLegacyNonConnectable = AdvPropLegacy                                         // ADV_NONCONN_IND
)

// AdvOperation is the part of the data that a LESetExtendedAdvertisingData or
// LESetExtendedScanResponseData carries (Vol 4, Part E, 7.8.54).
type AdvOperation uint8

// The operations.
const (
	AdvDataIntermediate AdvOperation = 0x00
	AdvDataFirst        AdvOperation = 0x01
	AdvDataLast         AdvOperation = 0x02
	AdvDataComplete     AdvOperation = 0x03
	AdvDataUnchanged    AdvOperation = 0x04 // only a new advertising data ID
)

// LESetAdvertisingSetRandomAddress sets the random address of an advertising
// set (Vol 4, Part E, 7.8.52).
type LESetAdvertisingSetRandomAddress struct {
	Handle uint8 // advertising set, 0 to 0xEF
	Addr   MAC
}

// Opcode returns OpLESetAdvertisingSetRandomAddress.
func (LESetAdvertisingSetRandomAddress) Opcode() Opcode { return OpLESetAdvertisingSetRandomAddress }

// AppendParams implements Params.
func (c LESetAdvertisingSetRandomAddress) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.advHandle(c.Handle)
	w.mac(c.Addr)
	return w.done()
}

func (c *LESetAdvertisingSetRandomAddress) readParams(r *wire.Reader) {
	c.Handle = r.U8()
	c.Addr = readMAC(r)
}

func (LESetAdvertisingSetRandomAddress) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetExtendedAdvertisingParameters creates an advertising set or changes its
// parameters. It returns the selected transmit power (Vol 4, Part E, 7.8.53).
type LESetExtendedAdvertisingParameters struct {
	Handle     uint8 // advertising set, 0 to 0xEF
	Properties AdvProperties
	// IntervalMin and IntervalMax are 20 ms to 10,485.759375 s in steps of
	// 0.625 ms.
	IntervalMin, IntervalMax time.Duration
	ChannelMap               uint8    // bits 0, 1, 2 for channels 37, 38, 39; at least one
	OwnAddrKind              AddrKind // own address, see AddrKind
	// Peer is the target of directed advertising. With an identity kind as
	// OwnAddrKind, the controller advertises under a private address, made with the
	// key that the resolving list has for Peer.
	Peer Addr
	// FilterPolicy reserves actions for devices on the filter accept list: 0 none,
	// 1 scan requests, 2 connection requests, 3 both.
	FilterPolicy       uint8
	TxPower            int8  // dBm, -127 to 20; 127 leaves it to the controller
	PrimaryPHY         PHY   // PHY1M or PHYCoded; PHY1M for legacy packets
	SecondaryMaxSkip   uint8 // advertising events that may lack the secondary packet
	SecondaryPHY       PHY
	SID                uint8 // advertising SID, 0 to 15, sent in extended packets
	NotifyScanRequests bool  // enables LE Scan Request Received events
}

// Opcode returns OpLESetExtendedAdvertisingParameters.
func (LESetExtendedAdvertisingParameters) Opcode() Opcode {
	return OpLESetExtendedAdvertisingParameters
}

// AppendParams implements Params.
func (c LESetExtendedAdvertisingParameters) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.advHandle(c.Handle)
	w.properties(c.Properties)
	w.time24("Primary_Advertising_Interval_Min", c.IntervalMin, extAdvInterval)
	w.time24("Primary_Advertising_Interval_Max", c.IntervalMax, extAdvInterval)
	w.notAbove("Primary_Advertising_Interval_Min", c.IntervalMin, "Primary_Advertising_Interval_Max", c.IntervalMax)
	w.upTo("Primary_Advertising_Channel_Map", c.ChannelMap, 1, 7)
	w.ownAddrKind(c.OwnAddrKind)
	w.peerAddr(c.Peer)
	w.upTo("Advertising_Filter_Policy", c.FilterPolicy, 0, 3)
	w.txPower(c.TxPower)
	w.primaryPHY(c.PrimaryPHY)
	w.u8(c.SecondaryMaxSkip)
	w.upTo("Secondary_Advertising_PHY", uint8(c.SecondaryPHY), uint8(PHY1M), uint8(PHYCoded))
	w.upTo("Advertising_SID", c.SID, 0, 15)
	w.flag(c.NotifyScanRequests)
	return w.done()
}

func (c *LESetExtendedAdvertisingParameters) readParams(r *wire.Reader) {
	c.Handle = r.U8()
	c.Properties = AdvProperties(r.U16())
	c.IntervalMin, c.IntervalMax = extAdvInterval.time24(r.U24()), extAdvInterval.time24(r.U24())
	c.ChannelMap = r.U8()
	c.OwnAddrKind = AddrKind(r.U8())
	c.Peer = readAddr(r)
	c.FilterPolicy, c.TxPower = r.U8(), r.I8()
	c.PrimaryPHY, c.SecondaryMaxSkip, c.SecondaryPHY = PHY(r.U8()), r.U8(), PHY(r.U8())
	c.SID, c.NotifyScanRequests = r.U8(), r.Bool()
}

func (LESetExtendedAdvertisingParameters) readReturn(r *wire.Reader) TxPower { return TxPower(r.I8()) }

// LESetExtendedAdvertisingData sets the advertising data of an advertising set
// (Vol 4, Part E, 7.8.54).
type LESetExtendedAdvertisingData struct {
	Handle     uint8 // advertising set, 0 to 0xEF
	Operation  AdvOperation
	NoFragment bool   // the controller should not split the data further
	Data       []byte // AD structures or a part of them, at most 251 octets
}

// Opcode returns OpLESetExtendedAdvertisingData.
func (LESetExtendedAdvertisingData) Opcode() Opcode { return OpLESetExtendedAdvertisingData }

// AppendParams implements Params.
func (c LESetExtendedAdvertisingData) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.advHandle(c.Handle)
	w.upTo("Operation", uint8(c.Operation), 0, uint8(AdvDataUnchanged))
	w.flag(c.NoFragment)
	w.data("Advertising_Data", c.Data, 251)
	return w.done()
}

func (c *LESetExtendedAdvertisingData) readParams(r *wire.Reader) {
	c.Handle = r.U8()
	c.Operation, c.NoFragment = AdvOperation(r.U8()), r.Bool()
	c.Data = readData(r)
}

func (LESetExtendedAdvertisingData) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetExtendedScanResponseData sets the scan response data of an advertising set
// (Vol 4, Part E, 7.8.55).
type LESetExtendedScanResponseData struct {
	Handle     uint8 // advertising set, 0 to 0xEF
	Operation  AdvOperation
	NoFragment bool   // the controller should not split the data further
	Data       []byte // AD structures or a part of them, at most 251 octets
}

// Opcode returns OpLESetExtendedScanResponseData.
func (LESetExtendedScanResponseData) Opcode() Opcode { return OpLESetExtendedScanResponseData }

// AppendParams implements Params.
func (c LESetExtendedScanResponseData) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.advHandle(c.Handle)
	w.upTo("Operation", uint8(c.Operation), 0, uint8(AdvDataUnchanged))
	w.flag(c.NoFragment)
	w.data("Scan_Response_Data", c.Data, 251)
	return w.done()
}

func (c *LESetExtendedScanResponseData) readParams(r *wire.Reader) {
	c.Handle = r.U8()
	c.Operation, c.NoFragment = AdvOperation(r.U8()), r.Bool()
	c.Data = readData(r)
}

func (LESetExtendedScanResponseData) readReturn(r *wire.Reader) None { return readNothing(r) }

// AdvertisingSet holds the parameters of LESetExtendedAdvertisingEnable for one set.
type AdvertisingSet struct {
	Handle uint8 // advertising set, 0 to 0xEF
	// Duration bounds the time of advertising, 10 ms to 655.35 s in steps of 10 ms;
	// 0 means no bound.
	Duration  time.Duration
	MaxEvents uint8 // bounds the number of advertising events; 0 means no bound
}

// maxAdvSets is the largest Num_Sets.
const maxAdvSets = 0x3F

// LESetExtendedAdvertisingEnable starts or stops advertising sets
// (Vol 4, Part E, 7.8.56).
type LESetExtendedAdvertisingEnable struct {
	Enable bool
	Sets   []AdvertisingSet // at most 63; without any, Enable false stops all sets
}

// Opcode returns OpLESetExtendedAdvertisingEnable.
func (LESetExtendedAdvertisingEnable) Opcode() Opcode { return OpLESetExtendedAdvertisingEnable }

// AppendParams implements Params.
func (c LESetExtendedAdvertisingEnable) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.flag(c.Enable)
	if len(c.Sets) > maxAdvSets || c.Enable && len(c.Sets) == 0 {
		w.reject("Num_Sets", len(c.Sets), "1 to 63, or 0 to disable all")
	}
	w.u8(uint8(min(len(c.Sets), maxAdvSets)))
	for _, s := range c.Sets {
		w.advHandle(s.Handle)
		w.time("Duration", s.Duration, advDuration)
		w.u8(s.MaxEvents)
	}
	return w.done()
}

func (c *LESetExtendedAdvertisingEnable) readParams(r *wire.Reader) {
	c.Enable = r.Bool()
	for n := r.U8(); n > 0 && r.Err() == nil; n-- {
		c.Sets = append(c.Sets, AdvertisingSet{Handle: r.U8(), Duration: advDuration.time(r.U16()), MaxEvents: r.U8()})
	}
}

func (LESetExtendedAdvertisingEnable) readReturn(r *wire.Reader) None { return readNothing(r) }

// LEReadMaximumAdvertisingDataLength reads the largest length of the data of an
// advertising set (Vol 4, Part E, 7.8.57).
type LEReadMaximumAdvertisingDataLength struct{}

// Opcode returns OpLEReadMaximumAdvertisingDataLength.
func (LEReadMaximumAdvertisingDataLength) Opcode() Opcode {
	return OpLEReadMaximumAdvertisingDataLength
}

// AppendParams appends nothing.
func (LEReadMaximumAdvertisingDataLength) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadMaximumAdvertisingDataLength) readParams(*wire.Reader) {}

func (LEReadMaximumAdvertisingDataLength) readReturn(r *wire.Reader) AdvDataLength {
	return AdvDataLength(r.U16())
}

// LEReadNumberOfSupportedAdvertisingSets reads the number of advertising sets that
// the controller supports at present (Vol 4, Part E, 7.8.58).
type LEReadNumberOfSupportedAdvertisingSets struct{}

// Opcode returns OpLEReadNumberOfSupportedAdvertisingSets.
func (LEReadNumberOfSupportedAdvertisingSets) Opcode() Opcode {
	return OpLEReadNumberOfSupportedAdvertisingSets
}

// AppendParams appends nothing.
func (LEReadNumberOfSupportedAdvertisingSets) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadNumberOfSupportedAdvertisingSets) readParams(*wire.Reader) {}

func (LEReadNumberOfSupportedAdvertisingSets) readReturn(r *wire.Reader) Count { return Count(r.U8()) }

// LERemoveAdvertisingSet removes a stopped advertising set (Vol 4, Part E, 7.8.59).
type LERemoveAdvertisingSet struct {
	Handle uint8 // advertising set, 0 to 0xEF
}

// Opcode returns OpLERemoveAdvertisingSet.
func (LERemoveAdvertisingSet) Opcode() Opcode { return OpLERemoveAdvertisingSet }

// AppendParams implements Params.
func (c LERemoveAdvertisingSet) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.advHandle(c.Handle)
	return w.done()
}

func (c *LERemoveAdvertisingSet) readParams(r *wire.Reader) { c.Handle = r.U8() }

func (LERemoveAdvertisingSet) readReturn(r *wire.Reader) None { return readNothing(r) }

// LEClearAdvertisingSets removes all advertising sets (Vol 4, Part E, 7.8.60).
type LEClearAdvertisingSets struct{}

// Opcode returns OpLEClearAdvertisingSets.
func (LEClearAdvertisingSets) Opcode() Opcode { return OpLEClearAdvertisingSets }

// AppendParams appends nothing.
func (LEClearAdvertisingSets) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEClearAdvertisingSets) readParams(*wire.Reader) {}

func (LEClearAdvertisingSets) readReturn(r *wire.Reader) None { return readNothing(r) }
