package hci

import (
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// Disconnect ends a link. Disconnection Complete reports the end
// (Vol 4, Part E, 7.1.6).
type Disconnect struct {
	Handle Handle
	Reason Status // sent to the peer
}

// Opcode returns OpDisconnect.
func (Disconnect) Opcode() Opcode { return OpDisconnect }

// AppendParams implements Params.
func (c Disconnect) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	w.u8(uint8(c.Reason))
	return w.done()
}

func (c *Disconnect) readParams(r *wire.Reader) {
	c.Handle = readHandle(r)
	c.Reason = Status(r.U8())
}

func (Disconnect) startsProcedure() {}

// ReadRemoteVersionInformation reads the version of the peer's link layer. Read
// Remote Version Information Complete reports it (Vol 4, Part E, 7.1.23).
type ReadRemoteVersionInformation struct {
	Handle Handle
}

// Opcode returns OpReadRemoteVersionInformation.
func (ReadRemoteVersionInformation) Opcode() Opcode { return OpReadRemoteVersionInformation }

// AppendParams implements Params.
func (c ReadRemoteVersionInformation) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	return w.done()
}

func (c *ReadRemoteVersionInformation) readParams(r *wire.Reader) { c.Handle = readHandle(r) }

func (ReadRemoteVersionInformation) startsProcedure() {}

// ReadTransmitPowerLevel reads the transmit power of a link
// (Vol 4, Part E, 7.3.35).
type ReadTransmitPowerLevel struct {
	Handle Handle
	Max    bool // reads the largest power so far instead of the present one
}

// Opcode returns OpReadTransmitPowerLevel.
func (ReadTransmitPowerLevel) Opcode() Opcode { return OpReadTransmitPowerLevel }

// AppendParams implements Params.
func (c ReadTransmitPowerLevel) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	w.flag(c.Max)
	return w.done()
}

func (c *ReadTransmitPowerLevel) readParams(r *wire.Reader) {
	c.Handle = readHandle(r)
	c.Max = r.Bool()
}

func (ReadTransmitPowerLevel) readReturn(r *wire.Reader) LinkTxPower {
	return LinkTxPower{Handle: readHandle(r), Power: r.I8()}
}

// ReadRSSI reads the signal strength of a link (Vol 4, Part E, 7.5.4).
type ReadRSSI struct {
	Handle Handle
}

// Opcode returns OpReadRSSI.
func (ReadRSSI) Opcode() Opcode { return OpReadRSSI }

// AppendParams implements Params.
func (c ReadRSSI) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	return w.done()
}

func (c *ReadRSSI) readParams(r *wire.Reader) { c.Handle = readHandle(r) }

func (ReadRSSI) readReturn(r *wire.Reader) LinkRSSI {
	return LinkRSSI{Handle: readHandle(r), RSSI: r.I8()}
}

// LEConnectionUpdate requests new connection parameters. LE Connection Update
// Complete reports the parameters that are then in use (Vol 4, Part E, 7.8.18).
type LEConnectionUpdate struct {
	Handle Handle
	Params ConnParams
	// CELengthMin and CELengthMax advise the length of connection events, 0 to
	// 40.96 s in steps of 0.625 ms; 0 means no preference.
	CELengthMin, CELengthMax time.Duration
}

// Opcode returns OpLEConnectionUpdate.
func (LEConnectionUpdate) Opcode() Opcode { return OpLEConnectionUpdate }

// AppendParams implements Params.
func (c LEConnectionUpdate) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	w.connParams(c.Params, c.CELengthMin, c.CELengthMax)
	return w.done()
}

func (c *LEConnectionUpdate) readParams(r *wire.Reader) {
	c.Handle = readHandle(r)
	c.Params, c.CELengthMin, c.CELengthMax = readConn(r)
}

func (LEConnectionUpdate) startsProcedure() {}

// LEReadChannelMap reads the channels that a link uses (Vol 4, Part E, 7.8.20).
type LEReadChannelMap struct {
	Handle Handle
}

// Opcode returns OpLEReadChannelMap.
func (LEReadChannelMap) Opcode() Opcode { return OpLEReadChannelMap }

// AppendParams implements Params.
func (c LEReadChannelMap) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	return w.done()
}

func (c *LEReadChannelMap) readParams(r *wire.Reader) { c.Handle = readHandle(r) }

func (LEReadChannelMap) readReturn(r *wire.Reader) (v LinkChannelMap) {
	v.Handle = readHandle(r)
	r.Copy(v.Map[:])
	return v
}

// LESetHostChannelClassification sets the channels that the controller may use
// (Vol 4, Part E, 7.8.19).
type LESetHostChannelClassification struct {
	Map ChannelMap // at least one data channel
}

// Opcode returns OpLESetHostChannelClassification.
func (LESetHostChannelClassification) Opcode() Opcode { return OpLESetHostChannelClassification }

// AppendParams implements Params.
func (c LESetHostChannelClassification) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.channels(c.Map)
	return w.done()
}

func (c *LESetHostChannelClassification) readParams(r *wire.Reader) { r.Copy(c.Map[:]) }

func (LESetHostChannelClassification) readReturn(r *wire.Reader) None { return readNothing(r) }

// LEReadRemoteFeatures reads page 0 of the peer's link layer features. LE Read
// Remote Features Complete reports them (Vol 4, Part E, 7.8.21).
type LEReadRemoteFeatures struct {
	Handle Handle
}

// Opcode returns OpLEReadRemoteFeatures.
func (LEReadRemoteFeatures) Opcode() Opcode { return OpLEReadRemoteFeatures }

// AppendParams implements Params.
func (c LEReadRemoteFeatures) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	return w.done()
}

func (c *LEReadRemoteFeatures) readParams(r *wire.Reader) { c.Handle = readHandle(r) }

func (LEReadRemoteFeatures) startsProcedure() {}

// LERemoteConnectionParameterRequestReply accepts the connection parameters that the
// peer has requested, or a part of their range (Vol 4, Part E, 7.8.31).
type LERemoteConnectionParameterRequestReply struct {
	Handle Handle
	Params ConnParams
	// CELengthMin and CELengthMax advise the length of connection events, 0 to
	// 40.96 s in steps of 0.625 ms; 0 means no preference.
	CELengthMin, CELengthMax time.Duration
}

// Opcode returns OpLERemoteConnectionParameterRequestReply.
func (LERemoteConnectionParameterRequestReply) Opcode() Opcode {
	return OpLERemoteConnectionParameterRequestReply
}

// AppendParams implements Params.
func (c LERemoteConnectionParameterRequestReply) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	w.connParams(c.Params, c.CELengthMin, c.CELengthMax)
	return w.done()
}

func (c *LERemoteConnectionParameterRequestReply) readParams(r *wire.Reader) {
	c.Handle = readHandle(r)
	c.Params, c.CELengthMin, c.CELengthMax = readConn(r)
}

func (LERemoteConnectionParameterRequestReply) readReturn(r *wire.Reader) Handle {
	return readHandle(r)
}

// LERemoteConnectionParameterRequestNegativeReply refuses the connection parameters
// that the peer has requested (Vol 4, Part E, 7.8.32).
type LERemoteConnectionParameterRequestNegativeReply struct {
	Handle Handle
	Reason Status // usually StatusUnacceptableParameters
}

// Opcode returns OpLERemoteConnectionParameterRequestNegativeReply.
func (LERemoteConnectionParameterRequestNegativeReply) Opcode() Opcode {
	return OpLERemoteConnectionParameterRequestNegativeReply
}

// AppendParams implements Params.
func (c LERemoteConnectionParameterRequestNegativeReply) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	w.u8(uint8(c.Reason))
	return w.done()
}

func (c *LERemoteConnectionParameterRequestNegativeReply) readParams(r *wire.Reader) {
	c.Handle = readHandle(r)
	c.Reason = Status(r.U8())
}

func (LERemoteConnectionParameterRequestNegativeReply) readReturn(r *wire.Reader) Handle {
	return readHandle(r)
}
