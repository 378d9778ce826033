package att

import "fmt"

// Opcode is the first octet of a PDU (Vol 3, Part F, 3.4.8). Bit 6 marks a
// command and bit 7 a PDU with an authentication signature.
type Opcode uint8

// Opcodes of Vol 3, Part F, Table 3.46.
const (
	OpErrorRsp                        Opcode = 0x01
	OpExchangeMTUReq                  Opcode = 0x02
	OpExchangeMTURsp                  Opcode = 0x03
	OpFindInformationReq              Opcode = 0x04
	OpFindInformationRsp              Opcode = 0x05
	OpFindByTypeValueReq              Opcode = 0x06
	OpFindByTypeValueRsp              Opcode = 0x07
	OpReadByTypeReq                   Opcode = 0x08
	OpReadByTypeRsp                   Opcode = 0x09
	OpReadReq                         Opcode = 0x0A
	OpReadRsp                         Opcode = 0x0B
	OpReadBlobReq                     Opcode = 0x0C
	OpReadBlobRsp                     Opcode = 0x0D
	OpReadMultipleReq                 Opcode = 0x0E
	OpReadMultipleRsp                 Opcode = 0x0F
	OpReadByGroupTypeReq              Opcode = 0x10
	OpReadByGroupTypeRsp              Opcode = 0x11
	OpWriteReq                        Opcode = 0x12
	OpWriteRsp                        Opcode = 0x13
	OpPrepareWriteReq                 Opcode = 0x16
	OpPrepareWriteRsp                 Opcode = 0x17
	OpExecuteWriteReq                 Opcode = 0x18
	OpExecuteWriteRsp                 Opcode = 0x19
	OpHandleValueNotification         Opcode = 0x1B
	OpHandleValueIndication           Opcode = 0x1D
	OpHandleValueConfirmation         Opcode = 0x1E
	OpReadMultipleVariableReq         Opcode = 0x20
	OpReadMultipleVariableRsp         Opcode = 0x21
	OpMultipleHandleValueNotification Opcode = 0x23
	OpWriteCmd                        Opcode = 0x52
	OpSignedWriteCmd                  Opcode = 0xD2
)

// Kind is the role of a PDU in the protocol (Vol 3, Part F, 3.3).
type Kind uint8

const (
	// KindUnknown is an unknown opcode without the command flag. A server
	// answers it like a request that it does not support.
	KindUnknown Kind = iota
	// KindRequest is sent to the server, which answers with one response.
	KindRequest
	// KindResponse answers a request; Error Response is one.
	KindResponse
	// KindCommand is sent to the server and never answered.
	KindCommand
	// KindNotification is sent by the server and never answered.
	KindNotification
	// KindIndication is sent by the server and answered by a confirmation.
	KindIndication
	// KindConfirmation answers an indication.
	KindConfirmation
)

// String returns the kind in lower case, or the number of an unknown kind.
func (k Kind) String() string {
	switch k {
	case KindUnknown:
		return "unknown"
	case KindRequest:
		return "request"
	case KindResponse:
		return "response"
	case KindCommand:
		return "command"
	case KindNotification:
		return "notification"
	case KindIndication:
		return "indication"
	case KindConfirmation:
		return "confirmation"
	}
	return fmt.Sprintf("kind(%#02x)", uint8(k))
}

// Kind returns the role of the opcode. Any opcode with the command flag is a
// command, known or not (Vol 3, Part F, 3.3.1).
func (op Opcode) Kind() Kind {
	const commandFlag = 0x40
	switch op {
	case OpExchangeMTUReq, OpFindInformationReq, OpFindByTypeValueReq, OpReadByTypeReq, OpReadReq,
		OpReadBlobReq, OpReadMultipleReq, OpReadByGroupTypeReq, OpWriteReq, OpPrepareWriteReq,
		OpExecuteWriteReq, OpReadMultipleVariableReq:
		return KindRequest
	case OpErrorRsp, OpExchangeMTURsp, OpFindInformationRsp, OpFindByTypeValueRsp, OpReadByTypeRsp, OpReadRsp,
		OpReadBlobRsp, OpReadMultipleRsp, OpReadByGroupTypeRsp, OpWriteRsp, OpPrepareWriteRsp,
		OpExecuteWriteRsp, OpReadMultipleVariableRsp:
		return KindResponse
	case OpHandleValueNotification, OpMultipleHandleValueNotification:
		return KindNotification
	case OpHandleValueIndication:
		return KindIndication
	case OpHandleValueConfirmation:
		return KindConfirmation
	case OpWriteCmd, OpSignedWriteCmd:
		return KindCommand
	}
	if op&commandFlag != 0 {
		return KindCommand
	}
	return KindUnknown
}

// String returns the name of the PDU in lower case, such as "read by type
// request", or the number of an unknown opcode, such as "opcode(0x7f)".
func (op Opcode) String() string {
	if n, ok := opcodeNames[op]; ok {
		return n
	}
	return fmt.Sprintf("opcode(%#02x)", uint8(op))
}

var opcodeNames = map[Opcode]string{
	OpErrorRsp:                        "error response",
	OpExchangeMTUReq:                  "exchange MTU request",
	OpExchangeMTURsp:                  "exchange MTU response",
	OpFindInformationReq:              "find information request",
	OpFindInformationRsp:              "find information response",
	OpFindByTypeValueReq:              "find by type value request",
	OpFindByTypeValueRsp:              "find by type value response",
	OpReadByTypeReq:                   "read by type request",
	OpReadByTypeRsp:                   "read by type response",
	OpReadReq:                         "read request",
	OpReadRsp:                         "read response",
	OpReadBlobReq:                     "read blob request",
	OpReadBlobRsp:                     "read blob response",
	OpReadMultipleReq:                 "read multiple request",
	OpReadMultipleRsp:                 "read multiple response",
	OpReadByGroupTypeReq:              "read by group type request",
	OpReadByGroupTypeRsp:              "read by group type response",
	OpWriteReq:                        "write request",
	OpWriteRsp:                        "write response",
	OpPrepareWriteReq:                 "prepare write request",
	OpPrepareWriteRsp:                 "prepare write response",
	OpExecuteWriteReq:                 "execute write request",
	OpExecuteWriteRsp:                 "execute write response",
	OpHandleValueNotification:         "handle value notification",
	OpHandleValueIndication:           "handle value indication",
	OpHandleValueConfirmation:         "handle value confirmation",
	OpReadMultipleVariableReq:         "read multiple variable request",
	OpReadMultipleVariableRsp:         "read multiple variable response",
	OpMultipleHandleValueNotification: "multiple handle value notification",
	OpWriteCmd:                        "write command",
	OpSignedWriteCmd:                  "signed write command",
}
