package att

import "github.com/moor-ble/moor/internal/wire"

// WriteReq writes the value of an attribute and has an answer (Vol 3, Part F,
// 3.4.5.1).
type WriteReq struct {
	Handle Handle
	Value  []byte
}

// Opcode returns OpWriteReq.
func (WriteReq) Opcode() Opcode { return OpWriteReq }

// AppendPDU appends the PDU.
func (p WriteReq) AppendPDU(b []byte) []byte {
	return appendValue(append(b, byte(OpWriteReq)), p.Handle, p.Value)
}

func (WriteReq) response() Opcode { return OpWriteRsp }

func (WriteReq) readResponse(r *wire.Reader) (WriteRsp, error) { return readWriteRsp(r) }

func readWriteReq(r *wire.Reader) (WriteReq, error) {
	p := WriteReq{Handle: Handle(r.U16()), Value: r.Rest()}
	return p, r.Finish()
}

// appendValue appends a handle and a value.
func appendValue(b []byte, h Handle, v []byte) []byte {
	return append(wire.AppendU16(b, uint16(h)), v...)
}

// WriteRsp confirms a WriteReq (Vol 3, Part F, 3.4.5.2).
type WriteRsp struct{}

// Opcode returns OpWriteRsp.
func (WriteRsp) Opcode() Opcode { return OpWriteRsp }

// AppendPDU appends the PDU.
func (WriteRsp) AppendPDU(b []byte) []byte { return append(b, byte(OpWriteRsp)) }

func readWriteRsp(r *wire.Reader) (WriteRsp, error) { return WriteRsp{}, r.Finish() }

// WriteCmd writes the value of an attribute, without an answer (Vol 3, Part F,
// 3.4.5.3).
type WriteCmd struct {
	Handle Handle
	Value  []byte
}

// Opcode returns OpWriteCmd.
func (WriteCmd) Opcode() Opcode { return OpWriteCmd }

// AppendPDU appends the PDU.
func (p WriteCmd) AppendPDU(b []byte) []byte {
	return appendValue(append(b, byte(OpWriteCmd)), p.Handle, p.Value)
}

func readWriteCmd(r *wire.Reader) (WriteCmd, error) {
	p := WriteCmd{Handle: Handle(r.U16()), Value: r.Rest()}
	return p, r.Finish()
}

// SignedWriteCmd is a WriteCmd that authenticates its sender on a link without
// encryption (Vol 3, Part F, 3.4.5.4).
type SignedWriteCmd struct {
	Handle    Handle
	Value     []byte
	Signature [12]byte // sign counter and MAC (Vol 3, Part H, 2.4.5)
}

// Opcode returns OpSignedWriteCmd.
func (SignedWriteCmd) Opcode() Opcode { return OpSignedWriteCmd }

// AppendPDU appends the PDU.
func (p SignedWriteCmd) AppendPDU(b []byte) []byte {
	return append(appendValue(append(b, byte(OpSignedWriteCmd)), p.Handle, p.Value), p.Signature[:]...)
}

func readSignedWriteCmd(r *wire.Reader) (SignedWriteCmd, error) {
	var p SignedWriteCmd
	p.Handle = Handle(r.U16())
	p.Value = r.Bytes(r.Len() - len(p.Signature))
	r.Copy(p.Signature[:])
	return p, r.Finish()
}

// PrepareWriteReq queues a part of a value at the server (Vol 3, Part F,
// 3.4.6.1).
type PrepareWriteReq struct {
	Handle Handle
	Offset uint16
	Value  []byte
}

// Opcode returns OpPrepareWriteReq.
func (PrepareWriteReq) Opcode() Opcode { return OpPrepareWriteReq }

// AppendPDU appends the PDU.
func (p PrepareWriteReq) AppendPDU(b []byte) []byte {
	return appendPart(append(b, byte(OpPrepareWriteReq)), p.Handle, p.Offset, p.Value)
}

func (PrepareWriteReq) response() Opcode { return OpPrepareWriteRsp }

// readResponse does not check the echo: the caller does, and cancels the queue
// if it differs.
func (PrepareWriteReq) readResponse(r *wire.Reader) (PrepareWriteRsp, error) {
	return readPrepareWriteRsp(r)
}

func readPrepareWriteReq(r *wire.Reader) (PrepareWriteReq, error) {
	p := PrepareWriteReq{Handle: Handle(r.U16()), Offset: r.U16(), Value: r.Rest()}
	return p, r.Finish()
}

// appendPart appends a handle, an offset and a value.
func appendPart(b []byte, h Handle, off uint16, v []byte) []byte {
	return append(wire.AppendU16(wire.AppendU16(b, uint16(h)), off), v...)
}

// PrepareWriteRsp echoes a PrepareWriteReq, so that the client can compare them
// (Vol 3, Part F, 3.4.6.2).
type PrepareWriteRsp struct {
	Handle Handle
	Offset uint16
	Value  []byte
}

// Opcode returns OpPrepareWriteRsp.
func (PrepareWriteRsp) Opcode() Opcode { return OpPrepareWriteRsp }

// AppendPDU appends the PDU.
func (p PrepareWriteRsp) AppendPDU(b []byte) []byte {
	return appendPart(append(b, byte(OpPrepareWriteRsp)), p.Handle, p.Offset, p.Value)
}

func readPrepareWriteRsp(r *wire.Reader) (PrepareWriteRsp, error) {
	p, err := readPrepareWriteReq(r)
	return PrepareWriteRsp(p), err
}

// ExecuteFlags tells the server what to do with the queue of prepared writes.
type ExecuteFlags uint8

const (
	// ExecuteCancel discards the queue.
	ExecuteCancel ExecuteFlags = 0x00
	// ExecuteWrite writes the queued parts in the order in which they were
	// prepared.
	ExecuteWrite ExecuteFlags = 0x01
)

// ExecuteWriteReq ends the queue of prepared writes (Vol 3, Part F, 3.4.6.3).
type ExecuteWriteReq struct {
	Flags ExecuteFlags
}

// Opcode returns OpExecuteWriteReq.
func (ExecuteWriteReq) Opcode() Opcode { return OpExecuteWriteReq }

// AppendPDU appends the PDU.
func (p ExecuteWriteReq) AppendPDU(b []byte) []byte {
	return append(b, byte(OpExecuteWriteReq), byte(p.Flags))
}

func (ExecuteWriteReq) response() Opcode { return OpExecuteWriteRsp }

func (ExecuteWriteReq) readResponse(r *wire.Reader) (ExecuteWriteRsp, error) {
	return readExecuteWriteRsp(r)
}

func readExecuteWriteReq(r *wire.Reader) (ExecuteWriteReq, error) {
	p := ExecuteWriteReq{Flags: ExecuteFlags(r.U8())}
	return p, r.Finish()
}

// ExecuteWriteRsp confirms an ExecuteWriteReq (Vol 3, Part F, 3.4.6.4).
type ExecuteWriteRsp struct{}

// Opcode returns OpExecuteWriteRsp.
func (ExecuteWriteRsp) Opcode() Opcode { return OpExecuteWriteRsp }

// AppendPDU appends the PDU.
func (ExecuteWriteRsp) AppendPDU(b []byte) []byte { return append(b, byte(OpExecuteWriteRsp)) }

func readExecuteWriteRsp(r *wire.Reader) (ExecuteWriteRsp, error) {
	return ExecuteWriteRsp{}, r.Finish()
}
