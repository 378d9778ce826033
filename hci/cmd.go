package hci

import (
	"github.com/moor-ble/moor/internal/wire"
)

// Params is a command with its parameters, one of the command structs of this
// package.
type Params interface {
	Opcode() Opcode
	// AppendParams appends the encoded parameters. Its error is a *ParamError for
	// the first value that is not allowed.
	AppendParams(b []byte) ([]byte, error)
}

// Command is a command that the controller answers with a Command Complete
// event. R holds the return parameters that follow the status.
type Command[R any] interface {
	Params
	// readReturn reads the parameters after the status octet. The caller checks
	// r.Err.
	readReturn(r *wire.Reader) R
}

// ReadReturn decodes the return parameters of cmd in b, the octets after the status
// in its Command Complete event (Vol 4, Part E, 7.7.14). It returns an error if b is
// too short and ignores octets beyond the known parameters.
func ReadReturn[R any](cmd Command[R], b []byte) (R, error) {
	r := wire.NewReader(b)
	v := cmd.readReturn(&r)
	return v, r.Err()
}

// Procedure is a command that the controller answers with a Command Status event. A
// later event reports the outcome of the procedure that the command starts.
type Procedure interface {
	Params
	startsProcedure()
}

// Return is implemented by the types of return parameters.
type Return interface {
	// AppendReturn appends the parameters that follow the status octet.
	AppendReturn(b []byte) []byte
}

// None is the type R of a command that returns only a status.
type None struct{}

// AppendReturn appends nothing.
func (None) AppendReturn(b []byte) []byte { return b }

// readNothing implements readReturn for commands that return only a status.
func readNothing(*wire.Reader) None { return None{} }

// Raw is a command without a struct in this package, such as a vendor command.
type Raw struct {
	Op   Opcode
	Data []byte // the parameters, at most 255 octets
}

// Opcode returns c.Op.
func (c Raw) Opcode() Opcode { return c.Op }

// AppendParams appends c.Data.
func (c Raw) AppendParams(b []byte) ([]byte, error) { return append(b, c.Data...), nil }

func (c Raw) readReturn(r *wire.Reader) []byte { return append([]byte(nil), r.Rest()...) }

// RawReturn holds the return parameters of a Raw command, for AppendReturn.
type RawReturn []byte

// AppendReturn appends r.
func (r RawReturn) AppendReturn(b []byte) []byte { return append(b, r...) }

// commandHeaderLen is the length of opcode and length octet; maxParamsLen is the
// largest value of the length octet (Vol 4, Part E, 5.4.1).
const (
	commandHeaderLen = 3
	maxParamsLen     = 255
)

// ParseCommand decodes a command packet without its H4 octet (Vol 4, Part E,
// 5.4.1): opcode, length, parameters. It returns one of the command structs of this
// package, by value, or a Raw for other opcodes. The result does not alias b.
// Octets beyond the known parameters are ignored. Values are not checked;
// AppendParams does that. Errors are *PacketError.
func ParseCommand(b []byte) (Params, error) {
	r := wire.NewReader(b)
	op := Opcode(r.U16())
	params := r.Sub(int(r.U8()))
	if err := params.Err(); err != nil {
		return nil, NewPacketError("command packet", op.loggable(b), err)
	}
	codec, ok := commandCodecs[op]
	if !ok {
		return Raw{Op: op, Data: append([]byte(nil), params.Rest()...)}, nil
	}
	c := codec.params(&params)
	if err := params.Err(); err != nil {
		return nil, NewPacketError(op.String(), op.loggable(b), err)
	}
	return c, nil
}

// loggable returns the part of a command packet that may appear in an error: all of
// it, or nothing but the header if the parameters include a key.
func (o Opcode) loggable(b []byte) []byte {
	switch o {
	case OpLEEncrypt, OpLEEnableEncryption, OpLELongTermKeyRequestReply, OpLEAddDeviceToResolvingList:
		return b[:min(len(b), commandHeaderLen)]
	default:
		return b
	}
}

// commandCodec decodes a command that is known by its opcode only.
type commandCodec struct {
	params func(r *wire.Reader) Params
	ret    func(r *wire.Reader) any // nil for procedures
}

// decodable is a pointer to a command struct.
type decodable[C any] interface {
	*C
	readParams(r *wire.Reader)
}

func readsParams[C Params, P decodable[C]](r *wire.Reader) Params {
	var c C
	P(&c).readParams(r)
	return c
}

func completes[C Command[R], R Return, P decodable[C]]() commandCodec {
	return commandCodec{
		params: readsParams[C, P],
		ret:    func(r *wire.Reader) any { var c C; return c.readReturn(r) },
	}
}

func starts[C interface {
	Params
	Procedure
}, P decodable[C]]() commandCodec {
	return commandCodec{params: readsParams[C, P]}
}
