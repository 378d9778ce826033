package att

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/internal/wire"
)

// PDU is one Attribute Protocol PDU. The implementations in this package are
// plain values. Decoded ones alias their input: clone them to keep them longer.
type PDU interface {
	Opcode() Opcode
	// AppendPDU appends the encoded PDU, from its opcode. It does not check the
	// MTU; the sender does.
	AppendPDU(b []byte) []byte
}

// Request is a PDU that is answered by a response R or by an [ErrorRsp]; see
// [Do]. Commands, notifications and confirmations have no answer and are not
// Requests.
type Request[R any] interface {
	PDU
	// response returns the opcode of the answer.
	response() Opcode
	// readResponse reads the answer behind its opcode, to the end, and checks it
	// against the request. The result aliases the input.
	readResponse(r *wire.Reader) (R, error)
}

// ErrUnknownOpcode means that the opcode of a PDU is not one of the
// specification.
var ErrUnknownOpcode = errors.New("att: unknown opcode")

// errEmpty means that a PDU has no opcode.
var errEmpty = errors.New("att: empty PDU")

// MalformedError means that a PDU of a known kind is too short, too long, or
// breaks a rule of its own layout.
type MalformedError struct {
	Op  Opcode
	Err error // the fault
}

// Error names the PDU and the fault.
func (e *MalformedError) Error() string { return fmt.Sprintf("att: malformed %s: %v", e.Op, e.Err) }

// Unwrap returns the fault.
func (e *MalformedError) Unwrap() error { return e.Err }

// Parse decodes a whole PDU and validates it. The result is one of the PDU types
// of this package, as a value, and aliases b. The error is a [*MalformedError],
// or wraps [ErrUnknownOpcode].
func Parse(b []byte) (PDU, error) {
	r := wire.NewReader(b)
	op := Opcode(r.U8())
	if r.Err() != nil {
		return nil, errEmpty
	}
	switch op {
	case OpErrorRsp:
		return parsed(op, &r, readErrorRsp)
	case OpExchangeMTUReq:
		return parsed(op, &r, readExchangeMTUReq)
	case OpExchangeMTURsp:
		return parsed(op, &r, readExchangeMTURsp)
	case OpFindInformationReq:
		return parsed(op, &r, readFindInformationReq)
	case OpFindInformationRsp:
		return parsed(op, &r, readFindInformationRsp)
	case OpFindByTypeValueReq:
		return parsed(op, &r, readFindByTypeValueReq)
	case OpFindByTypeValueRsp:
		return parsed(op, &r, readFindByTypeValueRsp)
	case OpReadByTypeReq:
		return parsed(op, &r, readReadByTypeReq)
	case OpReadByTypeRsp:
		return parsed(op, &r, readReadByTypeRsp)
	case OpReadReq:
		return parsed(op, &r, readReadReq)
	case OpReadRsp:
		return parsed(op, &r, readReadRsp)
	case OpReadBlobReq:
		return parsed(op, &r, readReadBlobReq)
	case OpReadBlobRsp:
		return parsed(op, &r, readReadBlobRsp)
	case OpReadMultipleReq:
		return parsed(op, &r, readReadMultipleReq)
	case OpReadMultipleRsp:
		return parsed(op, &r, readReadMultipleRsp)
	case OpReadByGroupTypeReq:
		return parsed(op, &r, readReadByGroupTypeReq)
	case OpReadByGroupTypeRsp:
		return parsed(op, &r, readReadByGroupTypeRsp)
	case OpWriteReq:
		return parsed(op, &r, readWriteReq)
	case OpWriteRsp:
		return parsed(op, &r, readWriteRsp)
	case OpPrepareWriteReq:
		return parsed(op, &r, readPrepareWriteReq)
	case OpPrepareWriteRsp:
		return parsed(op, &r, readPrepareWriteRsp)
	case OpExecuteWriteReq:
		return parsed(op, &r, readExecuteWriteReq)
	case OpExecuteWriteRsp:
		return parsed(op, &r, readExecuteWriteRsp)
	case OpHandleValueNotification:
		return parsed(op, &r, readHandleValueNotification)
	case OpHandleValueIndication:
		return parsed(op, &r, readHandleValueIndication)
	case OpHandleValueConfirmation:
		return parsed(op, &r, readHandleValueConfirmation)
	case OpReadMultipleVariableReq:
		return parsed(op, &r, readReadMultipleVariableReq)
	case OpReadMultipleVariableRsp:
		return parsed(op, &r, readReadMultipleVariableRsp)
	case OpMultipleHandleValueNotification:
		return parsed(op, &r, readMultipleHandleValueNotification)
	case OpWriteCmd:
		return parsed(op, &r, readWriteCmd)
	case OpSignedWriteCmd:
		return parsed(op, &r, readSignedWriteCmd)
	}
	return nil, fmt.Errorf("%w %#02x", ErrUnknownOpcode, uint8(op))
}

// parsed decodes one PDU type and wraps the error.
func parsed[P PDU](op Opcode, r *wire.Reader, read func(*wire.Reader) (P, error)) (PDU, error) {
	p, err := read(r)
	if err == nil {
		err = r.Finish()
	}
	if err != nil {
		return nil, &MalformedError{Op: op, Err: err}
	}
	return p, nil
}
