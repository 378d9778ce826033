package hci

import (
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// LESetRandomAddress sets the random address of the controller
// (Vol 4, Part E, 7.8.4).
type LESetRandomAddress struct {
	Addr MAC
}

// Opcode returns OpLESetRandomAddress.
func (LESetRandomAddress) Opcode() Opcode { return OpLESetRandomAddress }

// AppendParams implements Params.
func (c LESetRandomAddress) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.mac(c.Addr)
	return w.done()
}

func (c *LESetRandomAddress) readParams(r *wire.Reader) { c.Addr = readMAC(r) }

func (LESetRandomAddress) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetAdvertisingParameters sets the parameters of legacy advertising
// (Vol 4, Part E, 7.8.5).
type LESetAdvertisingParameters struct {
	// IntervalMin and IntervalMax are 20 ms to 10.24 s in steps of 0.625 ms;
	// AdvDirectInd does not use them.
	IntervalMin, IntervalMax time.Duration
	Type                     AdvType  // AdvInd to AdvNonconnInd, or AdvDirectIndLow
	OwnAddrKind              AddrKind // own address, see AddrKind
	// Peer is the target of directed advertising. With an identity kind as
	// OwnAddrKind, the controller advertises under a private address, made with the
	// key that the resolving list has for Peer.
	Peer       Addr
	ChannelMap uint8 // bits 0, 1, 2 for channels 37, 38, 39; at least one
	// FilterPolicy reserves actions for devices on the filter accept list: 0 none,
	// 1 scan requests, 2 connection requests, 3 both.
	FilterPolicy uint8
}

// Opcode returns OpLESetAdvertisingParameters.
func (LESetAdvertisingParameters) Opcode() Opcode { return OpLESetAdvertisingParameters }

// AppendParams implements Params.
func (c LESetAdvertisingParameters) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.advIntervals(c.IntervalMin, c.IntervalMax, c.Type)
	w.upTo("Advertising_Type", uint8(c.Type), 0, uint8(AdvDirectIndLow))
	w.ownAddrKind(c.OwnAddrKind)
	w.peerAddr(c.Peer)
	w.upTo("Advertising_Channel_Map", c.ChannelMap, 1, 7)
	w.upTo("Advertising_Filter_Policy", c.FilterPolicy, 0, 3)
	return w.done()
}

func (c *LESetAdvertisingParameters) readParams(r *wire.Reader) {
	c.IntervalMin, c.IntervalMax = advInterval.time(r.U16()), advInterval.time(r.U16())
	c.Type = AdvType(r.U8())
	c.OwnAddrKind = AddrKind(r.U8())
	c.Peer = readAddr(r)
	c.ChannelMap, c.FilterPolicy = r.U8(), r.U8()
}

func (LESetAdvertisingParameters) readReturn(r *wire.Reader) None { return readNothing(r) }

// LEReadAdvertisingPhysicalChannelTxPower reads the transmit power of legacy
// advertising (Vol 4, Part E, 7.8.6).
type LEReadAdvertisingPhysicalChannelTxPower struct{}

// Opcode returns OpLEReadAdvertisingPhysicalChannelTxPower.
func (LEReadAdvertisingPhysicalChannelTxPower) Opcode() Opcode {
	return OpLEReadAdvertisingPhysicalChannelTxPower
}

// AppendParams appends nothing.
func (LEReadAdvertisingPhysicalChannelTxPower) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadAdvertisingPhysicalChannelTxPower) readParams(*wire.Reader) {}

func (LEReadAdvertisingPhysicalChannelTxPower) readReturn(r *wire.Reader) TxPower {
	return TxPower(r.I8())
}

// LESetAdvertisingData sets the legacy advertising data (Vol 4, Part E, 7.8.7).
type LESetAdvertisingData struct {
	Data []byte // AD structures, at most 31 octets
}

// Opcode returns OpLESetAdvertisingData.
func (LESetAdvertisingData) Opcode() Opcode { return OpLESetAdvertisingData }

// AppendParams implements Params.
func (c LESetAdvertisingData) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.padded("Advertising_Data", c.Data)
	return w.done()
}

func (c *LESetAdvertisingData) readParams(r *wire.Reader) { c.Data = readPadded(r) }

func (LESetAdvertisingData) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetScanResponseData sets the legacy scan response data
// (Vol 4, Part E, 7.8.8).
type LESetScanResponseData struct {
	Data []byte // AD structures, at most 31 octets
}

// Opcode returns OpLESetScanResponseData.
func (LESetScanResponseData) Opcode() Opcode { return OpLESetScanResponseData }

// AppendParams implements Params.
func (c LESetScanResponseData) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.padded("Scan_Response_Data", c.Data)
	return w.done()
}

func (c *LESetScanResponseData) readParams(r *wire.Reader) { c.Data = readPadded(r) }

func (LESetScanResponseData) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetAdvertisingEnable starts or stops legacy advertising
// (Vol 4, Part E, 7.8.9).
type LESetAdvertisingEnable struct {
	Enable bool
}

// Opcode returns OpLESetAdvertisingEnable.
func (LESetAdvertisingEnable) Opcode() Opcode { return OpLESetAdvertisingEnable }

// AppendParams implements Params.
func (c LESetAdvertisingEnable) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.flag(c.Enable)
	return w.done()
}

func (c *LESetAdvertisingEnable) readParams(r *wire.Reader) { c.Enable = r.Bool() }

func (LESetAdvertisingEnable) readReturn(r *wire.Reader) None { return readNothing(r) }
