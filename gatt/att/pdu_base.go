package att

import (
	"github.com/moor-ble/moor/internal/wire"
)

// ErrorRsp answers a request that the server refuses (Vol 3, Part F, 3.4.1.1).
type ErrorRsp struct {
	Request Opcode // the request that is refused
	Handle  Handle // the attribute at fault, or HandleNone
	Code    Code
}

// Opcode returns OpErrorRsp.
func (ErrorRsp) Opcode() Opcode { return OpErrorRsp }

// AppendPDU appends the PDU.
func (p ErrorRsp) AppendPDU(b []byte) []byte {
	b = append(b, byte(OpErrorRsp), byte(p.Request))
	return append(wire.AppendU16(b, uint16(p.Handle)), byte(p.Code))
}

// Err returns the response as the error of the request.
func (p ErrorRsp) Err() *Error { return &Error{Req: p.Request, Handle: p.Handle, Code: p.Code} }

func readErrorRsp(r *wire.Reader) (ErrorRsp, error) {
	p := ErrorRsp{Request: Opcode(r.U8()), Handle: Handle(r.U16()), Code: Code(r.U8())}
	return p, r.Finish()
}

// ExchangeMTUReq tells the server the longest PDU that the client accepts (Vol
// 3, Part F, 3.4.2.1).
type ExchangeMTUReq struct {
	MTU uint16 // octets; the specification's minimum of 23 is not checked
}

// Opcode returns OpExchangeMTUReq.
func (ExchangeMTUReq) Opcode() Opcode { return OpExchangeMTUReq }

// AppendPDU appends the PDU.
func (p ExchangeMTUReq) AppendPDU(b []byte) []byte {
	return wire.AppendU16(append(b, byte(OpExchangeMTUReq)), p.MTU)
}

func (ExchangeMTUReq) response() Opcode { return OpExchangeMTURsp }

func (ExchangeMTUReq) readResponse(r *wire.Reader) (ExchangeMTURsp, error) {
	return readExchangeMTURsp(r)
}

func readExchangeMTUReq(r *wire.Reader) (ExchangeMTUReq, error) {
	p := ExchangeMTUReq{MTU: r.U16()}
	return p, r.Finish()
}

// ExchangeMTURsp tells the client the longest PDU that the server accepts (Vol
// 3, Part F, 3.4.2.2).
type ExchangeMTURsp struct {
	MTU uint16 // octets; the specification's minimum of 23 is not checked
}

// Opcode returns OpExchangeMTURsp.
func (ExchangeMTURsp) Opcode() Opcode { return OpExchangeMTURsp }

// AppendPDU appends the PDU.
func (p ExchangeMTURsp) AppendPDU(b []byte) []byte {
	return wire.AppendU16(append(b, byte(OpExchangeMTURsp)), p.MTU)
}

func readExchangeMTURsp(r *wire.Reader) (ExchangeMTURsp, error) {
	p := ExchangeMTURsp{MTU: r.U16()}
	return p, r.Finish()
}
