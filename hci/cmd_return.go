package hci

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// LocalVersion is the version of a controller (Vol 4, Part E, 7.4.1). Versions and
// manufacturers are assigned numbers; version 13 is Core 5.4.
type LocalVersion struct {
	HCIVersion    uint8
	HCIRevision   uint16
	LMPVersion    uint8 // version of the link layer on LE
	Manufacturer  uint16
	LMPSubversion uint16
}

// AppendReturn implements Return.
func (v LocalVersion) AppendReturn(b []byte) []byte {
	b = wire.AppendU16(append(b, v.HCIVersion), v.HCIRevision)
	b = wire.AppendU16(append(b, v.LMPVersion), v.Manufacturer)
	return wire.AppendU16(b, v.LMPSubversion)
}

// AppendReturn implements Return.
func (s SupportedCommands) AppendReturn(b []byte) []byte { return append(b, s[:]...) }

// AppendReturn implements Return.
func (m MAC) AppendReturn(b []byte) []byte { return append(b, m[:]...) }

// AppendReturn implements Return.
func (h Handle) AppendReturn(b []byte) []byte { return wire.AppendU16(b, uint16(h)) }

// BufferSize is the length in octets and the number of the BR/EDR data buffers
// (Vol 4, Part E, 7.4.5).
type BufferSize struct {
	ACLLen         uint16
	SCOLen         uint8
	ACLNum, SCONum uint16
}

// AppendReturn implements Return.
func (v BufferSize) AppendReturn(b []byte) []byte {
	b = append(wire.AppendU16(b, v.ACLLen), v.SCOLen)
	return wire.AppendU16(wire.AppendU16(b, v.ACLNum), v.SCONum)
}

// LEBufferSize is the length in octets and the number of the LE data buffers. Zero
// means that LE uses the BR/EDR buffers (Vol 4, Part E, 7.8.2).
type LEBufferSize struct {
	ACLLen uint16
	ACLNum uint8
}

// AppendReturn implements Return.
func (v LEBufferSize) AppendReturn(b []byte) []byte {
	return append(wire.AppendU16(b, v.ACLLen), v.ACLNum)
}

// LEBufferSizeV2 is LEBufferSize with the isochronous buffers.
type LEBufferSizeV2 struct {
	ACLLen, ISOLen uint16
	ACLNum, ISONum uint8
}

// AppendReturn implements Return.
func (v LEBufferSizeV2) AppendReturn(b []byte) []byte {
	b = append(wire.AppendU16(b, v.ACLLen), v.ACLNum)
	return append(wire.AppendU16(b, v.ISOLen), v.ISONum)
}

// LEAllFeatures holds all pages of the link layer features: page 0 in 8 octets, pages
// 1 to 10 in 24 octets each (Vol 6, Part B, 4.6).
type LEAllFeatures struct {
	MaxPage uint8 // the last page with bits set
	Pages   [248]byte
}

// Page0 returns the features of page 0, which have names in this package.
func (v LEAllFeatures) Page0() Features {
	r := wire.NewReader(v.Pages[:])
	return Features(r.U64())
}

// AppendReturn implements Return.
func (v LEAllFeatures) AppendReturn(b []byte) []byte {
	return append(append(b, v.MaxPage), v.Pages[:]...)
}

// LEStates is the set of states and combinations of states that a controller
// supports, one bit each (Vol 4, Part E, 7.8.27).
type LEStates uint64

// Has reports whether all states of want are in s.
func (s LEStates) Has(want LEStates) bool { return s&want == want }

// The combinations of scanning and initiating.
const (
	LEStatePassiveScanAndInitiate LEStates = 1 << 22
	LEStateActiveScanAndInitiate  LEStates = 1 << 23
)

// AppendReturn implements Return.
func (s LEStates) AppendReturn(b []byte) []byte { return wire.AppendU64(b, uint64(s)) }

// Count is a number of devices or advertising sets.
type Count uint8

// AppendReturn implements Return.
func (n Count) AppendReturn(b []byte) []byte { return append(b, uint8(n)) }

// AdvDataLength is the largest length in octets of the data of an advertising set, 31
// to 1650.
type AdvDataLength uint16

// AppendReturn implements Return.
func (n AdvDataLength) AppendReturn(b []byte) []byte { return wire.AppendU16(b, uint16(n)) }

// TxPower is a transmit power in dBm.
type TxPower int8

// AppendReturn implements Return.
func (p TxPower) AppendReturn(b []byte) []byte { return append(b, uint8(p)) }

// TxPowerRange is a range of transmit power in dBm.
type TxPowerRange struct{ Min, Max int8 }

// AppendReturn implements Return.
func (v TxPowerRange) AppendReturn(b []byte) []byte { return append(b, uint8(v.Min), uint8(v.Max)) }

// LinkTxPower is the transmit power of a link in dBm.
type LinkTxPower struct {
	Handle Handle
	Power  int8
}

// AppendReturn implements Return.
func (v LinkTxPower) AppendReturn(b []byte) []byte {
	return append(v.Handle.AppendReturn(b), uint8(v.Power))
}

// LinkRSSI is the signal strength of a link in dBm; 127 means unknown.
type LinkRSSI struct {
	Handle Handle
	RSSI   int8
}

// AppendReturn implements Return.
func (v LinkRSSI) AppendReturn(b []byte) []byte {
	return append(v.Handle.AppendReturn(b), uint8(v.RSSI))
}

// ChannelMap is a set of data channels. Channel n, 0 to 36, is bit n, counted from the
// least significant bit of the first octet.
type ChannelMap [5]byte

// Has reports whether channel n is in the map.
func (m ChannelMap) Has(n int) bool { return n >= 0 && n < 8*len(m) && m[n/8]>>(n%8)&1 == 1 }

// Count returns the number of channels in the map.
func (m ChannelMap) Count() (n int) {
	for _, octet := range m {
		n += bits.OnesCount8(octet)
	}
	return n
}

// String returns the octets in hexadecimal, the octet with channel 0 first.
func (m ChannelMap) String() string { return fmt.Sprintf("%x", m[:]) }

// LinkChannelMap holds the channels that a link uses.
type LinkChannelMap struct {
	Handle Handle
	Map    ChannelMap
}

// AppendReturn implements Return.
func (v LinkChannelMap) AppendReturn(b []byte) []byte {
	return append(v.Handle.AppendReturn(b), v.Map[:]...)
}

// LinkPHY holds the PHYs that a link uses.
type LinkPHY struct {
	Handle Handle
	TX, RX PHY
}

// AppendReturn implements Return.
func (v LinkPHY) AppendReturn(b []byte) []byte {
	return append(v.Handle.AppendReturn(b), uint8(v.TX), uint8(v.RX))
}

// DataLength is the length of the longest packet that a link sends: payload in octets
// and time on air.
type DataLength struct {
	TXOctets uint16
	TXTime   time.Duration
}

// AppendReturn implements Return.
func (v DataLength) AppendReturn(b []byte) []byte {
	return wire.AppendU16(wire.AppendU16(b, v.TXOctets), packetTime.steps(v.TXTime))
}

// MaximumDataLength is the length of the longest packets that a controller can send
// and receive: payload in octets and time on air.
type MaximumDataLength struct {
	TXOctets uint16
	TXTime   time.Duration
	RXOctets uint16
	RXTime   time.Duration
}

// AppendReturn implements Return.
func (v MaximumDataLength) AppendReturn(b []byte) []byte {
	b = DataLength{v.TXOctets, v.TXTime}.AppendReturn(b)
	return DataLength{v.RXOctets, v.RXTime}.AppendReturn(b)
}

// EncryptedBlock is the result of LEEncrypt.
type EncryptedBlock struct {
	Data [16]byte `describe:"secret"`
}

// AppendReturn implements Return.
func (v EncryptedBlock) AppendReturn(b []byte) []byte { return append(b, v.Data[:]...) }

// RandomNumber is the result of LERand.
type RandomNumber struct {
	Number [8]byte `describe:"secret"`
}

// AppendReturn implements Return.
func (v RandomNumber) AppendReturn(b []byte) []byte { return append(b, v.Number[:]...) }

// echoReturn appends the handle that begins the return parameters even of a command
// that failed.
func (h Handle) echoReturn(b []byte) []byte         { return h.AppendReturn(b) }
func (v LinkTxPower) echoReturn(b []byte) []byte    { return v.Handle.AppendReturn(b) }
func (v LinkRSSI) echoReturn(b []byte) []byte       { return v.Handle.AppendReturn(b) }
func (v LinkChannelMap) echoReturn(b []byte) []byte { return v.Handle.AppendReturn(b) }
func (v LinkPHY) echoReturn(b []byte) []byte        { return v.Handle.AppendReturn(b) }
