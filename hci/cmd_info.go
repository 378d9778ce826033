package hci

import (
	"github.com/moor-ble/moor/internal/wire"
)

// SetEventMask enables the events of the first page and disables all others
// (Vol 4, Part E, 7.3.1).
type SetEventMask struct {
	Mask uint64 // see EventMask
}

// Opcode returns OpSetEventMask.
func (SetEventMask) Opcode() Opcode { return OpSetEventMask }

// AppendParams implements Params.
func (c SetEventMask) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.b = wire.AppendU64(w.b, c.Mask)
	return w.done()
}

func (c *SetEventMask) readParams(r *wire.Reader) { c.Mask = r.U64() }

func (SetEventMask) readReturn(r *wire.Reader) None { return readNothing(r) }

// SetEventMaskPage2 enables the events of the second page and disables all others
// (Vol 4, Part E, 7.3.69).
type SetEventMaskPage2 struct {
	Mask uint64 // see EventMask2
}

// Opcode returns OpSetEventMaskPage2.
func (SetEventMaskPage2) Opcode() Opcode { return OpSetEventMaskPage2 }

// AppendParams implements Params.
func (c SetEventMaskPage2) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.b = wire.AppendU64(w.b, c.Mask)
	return w.done()
}

func (c *SetEventMaskPage2) readParams(r *wire.Reader) { c.Mask = r.U64() }

func (SetEventMaskPage2) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetEventMask enables LE events and disables all others (Vol 4, Part E, 7.8.1).
type LESetEventMask struct {
	Mask uint64 // see LEEventMask
}

// Opcode returns OpLESetEventMask.
func (LESetEventMask) Opcode() Opcode { return OpLESetEventMask }

// AppendParams implements Params.
func (c LESetEventMask) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.b = wire.AppendU64(w.b, c.Mask)
	return w.done()
}

func (c *LESetEventMask) readParams(r *wire.Reader) { c.Mask = r.U64() }

func (LESetEventMask) readReturn(r *wire.Reader) None { return readNothing(r) }

// Reset puts the controller into the state after power-on
// (Vol 4, Part E, 7.3.2).
type Reset struct{}

// Opcode returns OpReset.
func (Reset) Opcode() Opcode { return OpReset }

// AppendParams appends nothing.
func (Reset) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*Reset) readParams(*wire.Reader) {}

func (Reset) readReturn(r *wire.Reader) None { return readNothing(r) }

// WriteLEHostSupport informs a dual-mode controller that its host supports LE
// (Vol 4, Part E, 7.3.79).
type WriteLEHostSupport struct {
	Enabled bool
}

// Opcode returns OpWriteLEHostSupport.
func (WriteLEHostSupport) Opcode() Opcode { return OpWriteLEHostSupport }

// AppendParams implements Params.
func (c WriteLEHostSupport) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.flag(c.Enabled)
	w.u8(0) // Simultaneous_LE_Host, withdrawn from the specification
	return w.done()
}

func (c *WriteLEHostSupport) readParams(r *wire.Reader) {
	c.Enabled = r.Bool()
	r.Skip(1)
}

func (WriteLEHostSupport) readReturn(r *wire.Reader) None { return readNothing(r) }

// ReadLocalVersionInformation reads the version of the specification that the
// controller implements, and its manufacturer (Vol 4, Part E, 7.4.1).
type ReadLocalVersionInformation struct{}

// Opcode returns OpReadLocalVersionInformation.
func (ReadLocalVersionInformation) Opcode() Opcode { return OpReadLocalVersionInformation }

// AppendParams appends nothing.
func (ReadLocalVersionInformation) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*ReadLocalVersionInformation) readParams(*wire.Reader) {}

func (ReadLocalVersionInformation) readReturn(r *wire.Reader) LocalVersion {
	return LocalVersion{
		HCIVersion: r.U8(), HCIRevision: r.U16(),
		LMPVersion: r.U8(), Manufacturer: r.U16(), LMPSubversion: r.U16(),
	}
}

// ReadLocalSupportedCommands reads the commands that the controller supports
// (Vol 4, Part E, 7.4.2).
type ReadLocalSupportedCommands struct{}

// Opcode returns OpReadLocalSupportedCommands.
func (ReadLocalSupportedCommands) Opcode() Opcode { return OpReadLocalSupportedCommands }

// AppendParams appends nothing.
func (ReadLocalSupportedCommands) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*ReadLocalSupportedCommands) readParams(*wire.Reader) {}

func (ReadLocalSupportedCommands) readReturn(r *wire.Reader) (v SupportedCommands) {
	r.Copy(v[:])
	return v
}

// ReadLocalSupportedFeatures reads the first page of the LMP features
// (Vol 4, Part E, 7.4.3).
type ReadLocalSupportedFeatures struct{}

// Opcode returns OpReadLocalSupportedFeatures.
func (ReadLocalSupportedFeatures) Opcode() Opcode { return OpReadLocalSupportedFeatures }

// AppendParams appends nothing.
func (ReadLocalSupportedFeatures) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*ReadLocalSupportedFeatures) readParams(*wire.Reader) {}

func (ReadLocalSupportedFeatures) readReturn(r *wire.Reader) LMPFeatures { return LMPFeatures(r.U64()) }

// ReadBufferSize reads the number and size of the BR/EDR data buffers. A controller
// without LE buffers uses them for LE too (Vol 4, Part E, 7.4.5).
type ReadBufferSize struct{}

// Opcode returns OpReadBufferSize.
func (ReadBufferSize) Opcode() Opcode { return OpReadBufferSize }

// AppendParams appends nothing.
func (ReadBufferSize) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*ReadBufferSize) readParams(*wire.Reader) {}

func (ReadBufferSize) readReturn(r *wire.Reader) BufferSize {
	return BufferSize{ACLLen: r.U16(), SCOLen: r.U8(), ACLNum: r.U16(), SCONum: r.U16()}
}

// ReadBDADDR reads the public address of the controller, zero if it has none
// (Vol 4, Part E, 7.4.6).
type ReadBDADDR struct{}

// Opcode returns OpReadBDADDR.
func (ReadBDADDR) Opcode() Opcode { return OpReadBDADDR }

// AppendParams appends nothing.
func (ReadBDADDR) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*ReadBDADDR) readParams(*wire.Reader) {}

func (ReadBDADDR) readReturn(r *wire.Reader) MAC { return readMAC(r) }

// LEReadBufferSize reads the number and size of the LE data buffers
// (Vol 4, Part E, 7.8.2).
type LEReadBufferSize struct{}

// Opcode returns OpLEReadBufferSize.
func (LEReadBufferSize) Opcode() Opcode { return OpLEReadBufferSize }

// AppendParams appends nothing.
func (LEReadBufferSize) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadBufferSize) readParams(*wire.Reader) {}

func (LEReadBufferSize) readReturn(r *wire.Reader) LEBufferSize {
	return LEBufferSize{ACLLen: r.U16(), ACLNum: r.U8()}
}

// LEReadBufferSizeV2 reads the number and size of the LE data buffers and of the
// isochronous buffers (Vol 4, Part E, 7.8.2).
type LEReadBufferSizeV2 struct{}

// Opcode returns OpLEReadBufferSizeV2.
func (LEReadBufferSizeV2) Opcode() Opcode { return OpLEReadBufferSizeV2 }

// AppendParams appends nothing.
func (LEReadBufferSizeV2) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadBufferSizeV2) readParams(*wire.Reader) {}

func (LEReadBufferSizeV2) readReturn(r *wire.Reader) LEBufferSizeV2 {
	return LEBufferSizeV2{ACLLen: r.U16(), ACLNum: r.U8(), ISOLen: r.U16(), ISONum: r.U8()}
}

// LEReadLocalSupportedFeatures reads page 0 of the link layer features
// (Vol 4, Part E, 7.8.3).
type LEReadLocalSupportedFeatures struct{}

// Opcode returns OpLEReadLocalSupportedFeatures.
func (LEReadLocalSupportedFeatures) Opcode() Opcode { return OpLEReadLocalSupportedFeatures }

// AppendParams appends nothing.
func (LEReadLocalSupportedFeatures) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadLocalSupportedFeatures) readParams(*wire.Reader) {}

func (LEReadLocalSupportedFeatures) readReturn(r *wire.Reader) Features { return Features(r.U64()) }

// LEReadAllLocalSupportedFeatures reads all pages of the link layer features
// (Vol 4, Part E, 7.8.128).
type LEReadAllLocalSupportedFeatures struct{}

// Opcode returns OpLEReadAllLocalSupportedFeatures.
func (LEReadAllLocalSupportedFeatures) Opcode() Opcode { return OpLEReadAllLocalSupportedFeatures }

// AppendParams appends nothing.
func (LEReadAllLocalSupportedFeatures) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadAllLocalSupportedFeatures) readParams(*wire.Reader) {}

func (LEReadAllLocalSupportedFeatures) readReturn(r *wire.Reader) (v LEAllFeatures) {
	v.MaxPage = r.U8()
	r.Copy(v.Pages[:])
	return v
}

// LEReadSupportedStates reads the states that the controller supports, and their
// combinations (Vol 4, Part E, 7.8.27).
type LEReadSupportedStates struct{}

// Opcode returns OpLEReadSupportedStates.
func (LEReadSupportedStates) Opcode() Opcode { return OpLEReadSupportedStates }

// AppendParams appends nothing.
func (LEReadSupportedStates) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadSupportedStates) readParams(*wire.Reader) {}

func (LEReadSupportedStates) readReturn(r *wire.Reader) LEStates { return LEStates(r.U64()) }

// LEReadTransmitPower reads the range of the controller's transmit power
// (Vol 4, Part E, 7.8.74).
type LEReadTransmitPower struct{}

// Opcode returns OpLEReadTransmitPower.
func (LEReadTransmitPower) Opcode() Opcode { return OpLEReadTransmitPower }

// AppendParams appends nothing.
func (LEReadTransmitPower) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadTransmitPower) readParams(*wire.Reader) {}

func (LEReadTransmitPower) readReturn(r *wire.Reader) TxPowerRange {
	return TxPowerRange{Min: r.I8(), Max: r.I8()}
}
