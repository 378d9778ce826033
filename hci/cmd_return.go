package hci

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// LocalVersion is what a controller says of itself (Vol 4, Part E, 7.4.1).
// Versions and manufacturers are assigned numbers; HCI version 13 is 5.4.
type LocalVersion struct {
	HCIVersion    uint8
	HCIRevision   uint16
	LMPVersion    uint8 // of the link layer, for LE
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

// BufferSize has the controller's buffers for BR/EDR: their length in octets
// and their number (Vol 4, Part E, 7.4.5).
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

// LEBufferSize has the controller's buffers for LE data: their length in octets
// and their number. Zeros say that LE shares those of BR/EDR
// (Vol 4, Part E, 7.8.2).
type LEBufferSize struct {
	ACLLen uint16
	ACLNum uint8
}

// AppendReturn implements Return.
func (v LEBufferSize) AppendReturn(b []byte) []byte {
	return append(wire.AppendU16(b, v.ACLLen), v.ACLNum)
}

// LEBufferSizeV2 is LEBufferSize with the buffers for isochronous data.
type LEBufferSizeV2 struct {
	ACLLen, ISOLen uint16
	ACLNum, ISONum uint8
}

// AppendReturn implements Return.
func (v LEBufferSizeV2) AppendReturn(b []byte) []byte {
	b = append(wire.AppendU16(b, v.ACLLen), v.ACLNum)
	return append(wire.AppendU16(b, v.ISOLen), v.ISONum)
}

// LEAllFeatures has all pages of the link layer's features: page 0 in eight
// octets, pages 1 to 10 in twenty-four each (Vol 6, Part B, 4.6).
type LEAllFeatures struct {
	MaxPage uint8 // the last page that has bits set
	Pages   [248]byte
}

// Page0 returns the features that have names in this package.
func (v LEAllFeatures) Page0() Features {
	r := wire.NewReader(v.Pages[:])
	return Features(r.U64())
}

// AppendReturn implements Return.
func (v LEAllFeatures) AppendReturn(b []byte) []byte {
	return append(append(b, v.MaxPage), v.Pages[:]...)
}

// LEStates says which states a controller can be in, alone and at once; one
// bit each (Vol 4, Part E, 7.8.27).
type LEStates uint64

// Has reports whether all states of want are in s.
func (s LEStates) Has(want LEStates) bool { return s&want == want }

// The combinations that decide whether scanning goes on while a connection is
// made.
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

// AdvDataLength is how many octets of data an advertising set can have, 31 to
// 1650.
type AdvDataLength uint16

// AppendReturn implements Return.
func (n AdvDataLength) AppendReturn(b []byte) []byte { return wire.AppendU16(b, uint16(n)) }

// TxPower is a transmit power in dBm.
type TxPower int8

// AppendReturn implements Return.
func (p TxPower) AppendReturn(b []byte) []byte { return append(b, uint8(p)) }

// TxPowerRange has the least and the greatest transmit power in dBm.
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

// LinkRSSI is the signal strength of a link in dBm; 127 is unknown.
type LinkRSSI struct {
	Handle Handle
	RSSI   int8
}

// AppendReturn implements Return.
func (v LinkRSSI) AppendReturn(b []byte) []byte {
	return append(v.Handle.AppendReturn(b), uint8(v.RSSI))
}

// ChannelMap is a set of data channels: bit n of it, counted from the first
// octet's lowest bit, is channel n, 0 to 36.
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

// String returns the octets in hexadecimal, the one of channel 0 first.
func (m ChannelMap) String() string { return fmt.Sprintf("%x", m[:]) }

// LinkChannelMap has the channels that a link uses.
type LinkChannelMap struct {
	Handle Handle
	Map    ChannelMap
}

// AppendReturn implements Return.
func (v LinkChannelMap) AppendReturn(b []byte) []byte {
	return append(v.Handle.AppendReturn(b), v.Map[:]...)
}

// LinkPHY has the PHYs that a link uses.
type LinkPHY struct {
	Handle Handle
	TX, RX PHY
}

// AppendReturn implements Return.
func (v LinkPHY) AppendReturn(b []byte) []byte {
	return append(v.Handle.AppendReturn(b), uint8(v.TX), uint8(v.RX))
}

// DataLength is the longest packet that a link sends: its payload in octets
// and its time on air.
type DataLength struct {
	TXOctets uint16
	TXTime   time.Duration
}

// AppendReturn implements Return.
func (v DataLength) AppendReturn(b []byte) []byte {
	return wire.AppendU16(wire.AppendU16(b, v.TXOctets), packetTime.steps(v.TXTime))
}

// MaximumDataLength has the longest packets that a controller can send and
// receive.
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

// EncryptedBlock is what LEEncrypt returns.
type EncryptedBlock struct {
	Data [16]byte `describe:"secret"`
}

// AppendReturn implements Return.
func (v EncryptedBlock) AppendReturn(b []byte) []byte { return append(b, v.Data[:]...) }

// RandomNumber is what LERand returns.
type RandomNumber struct {
	Number [8]byte `describe:"secret"`
}

// AppendReturn implements Return.
func (v RandomNumber) AppendReturn(b []byte) []byte { return append(b, v.Number[:]...) }

// echoReturn appends the handle with which the return parameters begin even
// if the command failed.
func (h Handle) echoReturn(b []byte) []byte         { return h.AppendReturn(b) }
func (v LinkTxPower) echoReturn(b []byte) []byte    { return v.Handle.AppendReturn(b) }
func (v LinkRSSI) echoReturn(b []byte) []byte       { return v.Handle.AppendReturn(b) }
func (v LinkChannelMap) echoReturn(b []byte) []byte { return v.Handle.AppendReturn(b) }
func (v LinkPHY) echoReturn(b []byte) []byte        { return v.Handle.AppendReturn(b) }
