package l2cap

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/internal/wire"
)

// Code is the code of a signalling command (Vol 3, Part A, table 4.2).
type Code uint8

// Codes of the commands that an LE link knows.
const (
	CodeCommandReject                Code = 0x01
	CodeDisconnectionReq             Code = 0x06
	CodeDisconnectionRsp             Code = 0x07
	CodeConnectionParameterUpdateReq Code = 0x12
	CodeConnectionParameterUpdateRsp Code = 0x13
	CodeLECreditBasedConnectionReq   Code = 0x14
	CodeLECreditBasedConnectionRsp   Code = 0x15
	CodeFlowControlCreditInd         Code = 0x16
	CodeCreditBasedConnectionReq     Code = 0x17
	CodeCreditBasedConnectionRsp     Code = 0x18
	CodeCreditBasedReconfigureReq    Code = 0x19
	CodeCreditBasedReconfigureRsp    Code = 0x1A
)

// String returns the name in the specification, or the code in hex.
func (c Code) String() string {
	switch c {
	case CodeCommandReject:
		return "Command Reject"
	case CodeDisconnectionReq:
		return "Disconnection Request"
	case CodeDisconnectionRsp:
		return "Disconnection Response"
	case CodeConnectionParameterUpdateReq:
		return "Connection Parameter Update Request"
	case CodeConnectionParameterUpdateRsp:
		return "Connection Parameter Update Response"
	case CodeLECreditBasedConnectionReq:
		return "LE Credit Based Connection Request"
	case CodeLECreditBasedConnectionRsp:
		return "LE Credit Based Connection Response"
	case CodeFlowControlCreditInd:
		return "Flow Control Credit"
	case CodeCreditBasedConnectionReq:
		return "Credit Based Connection Request"
	case CodeCreditBasedConnectionRsp:
		return "Credit Based Connection Response"
	case CodeCreditBasedReconfigureReq:
		return "Credit Based Reconfigure Request"
	case CodeCreditBasedReconfigureRsp:
		return "Credit Based Reconfigure Response"
	}
	return fmt.Sprintf("signaling command 0x%02X", uint8(c))
}

// response reports whether c answers another command; such a command is never
// answered itself.
func (c Code) response() bool {
	switch c {
	case CodeCommandReject, CodeDisconnectionRsp, CodeConnectionParameterUpdateRsp,
		CodeLECreditBasedConnectionRsp, CodeCreditBasedConnectionRsp, CodeCreditBasedReconfigureRsp:
		return true
	default:
		return false
	}
}

// Signal is a signalling command (Vol 3, Part A, 4), without its identifier.
type Signal interface {
	Code() Code
	appendData(b []byte) []byte
}

// CommandReject answers what cannot be answered otherwise (4.1). Which further
// fields count depends on Reason: MTU for RejectMTUExceeded, Local and Remote
// for RejectInvalidCID, where they are relative to the sender of the reject.
type CommandReject struct {
	Reason        RejectReason
	MTU           uint16
	Local, Remote CID
}

// DisconnectionReq ends a channel (4.6).
type DisconnectionReq struct {
	Destination CID // of the receiver of the request
	Source      CID // of its sender
}

// DisconnectionRsp repeats the fields of the request (4.7).
type DisconnectionRsp struct{ Destination, Source CID }

// ConnectionParameterUpdateReq asks the central for connection parameters, in
// the units of the air: 1.25 ms for the interval, 10 ms for the timeout (4.20).
type ConnectionParameterUpdateReq struct {
	IntervalMin, IntervalMax, Latency, Timeout uint16
}

// ConnectionParameterUpdateRsp is the central's answer (4.21).
type ConnectionParameterUpdateRsp struct{ Result ParamResult }

// ParamResult is the answer to a request for connection parameters.
type ParamResult uint16

// Results of Connection Parameter Update Response.
const (
	ParamsAccepted ParamResult = 0x0000
	ParamsRejected ParamResult = 0x0001
)

// LECreditBasedConnectionReq opens a channel (4.22). Source is the sender's
// end; MTU, MPS and Credits are what the sender can take.
type LECreditBasedConnectionReq struct {
	PSM               PSM
	Source            CID
	MTU, MPS, Credits uint16
}

// LECreditBasedConnectionRsp answers it (4.23). Destination is the end of the
// sender of the response.
type LECreditBasedConnectionRsp struct {
	Destination       CID
	MTU, MPS, Credits uint16
	Result            Result
}

// FlowControlCreditInd lets the receiver send so many more frames to Source,
// which is the end of the sender of the indication (4.24).
type FlowControlCreditInd struct {
	Source  CID
	Credits uint16
}

// CreditBasedConnectionReq opens one to five channels of the enhanced
// credit-based mode (4.25).
type CreditBasedConnectionReq struct {
	PSM               PSM
	MTU, MPS, Credits uint16
	Sources           []CID
}

// CreditBasedConnectionRsp answers it; Destinations holds a zero for each
// channel that was refused (4.26).
type CreditBasedConnectionRsp struct {
	MTU, MPS, Credits uint16
	Result            Result
	Destinations      []CID
}

// CreditBasedReconfigureReq changes MTU and MPS of channels of the enhanced
// credit-based mode (4.27).
type CreditBasedReconfigureReq struct {
	MTU, MPS     uint16
	Destinations []CID
}

// CreditBasedReconfigureRsp answers it (4.28).
type CreditBasedReconfigureRsp struct{ Result ReconfigureResult }

// ReconfigureResult is the outcome of a reconfiguration.
type ReconfigureResult uint16

// Results of Credit Based Reconfigure Response.
const (
	ReconfigureSuccess      ReconfigureResult = 0x0000
	ReconfigureSmallerMTU   ReconfigureResult = 0x0001
	ReconfigureSmallerMPS   ReconfigureResult = 0x0002
	ReconfigureInvalidCID   ReconfigureResult = 0x0003
	ReconfigureUnacceptable ReconfigureResult = 0x0004
)

// UnknownSignal is a command that an LE link does not know.
type UnknownSignal struct {
	Op   Code
	Data []byte
}

// maxEnhancedChannels is how many channels one enhanced request may name.
const maxEnhancedChannels = 5

var errChannelCount = errors.New("names none or more than 5 channels")

// AppendSignal appends a signalling command with its header:
//
//	+------+------------+--------+-- ... --+
//	| code | identifier | length | data    |      Vol 3, Part A, 4
//	| 1    | 1          | 2      | length  |
//	+------+------------+--------+-- ... --+
func AppendSignal(b []byte, id uint8, s Signal) []byte {
	b = append(b, byte(s.Code()), id)
	at := len(b)
	b = s.appendData(wire.AppendU16(b, 0))
	wire.PutU16(b, at, uint16(len(b)-at-2))
	return b
}

// ParseSignal reads the one command of a signalling frame. Its error is a
// *SignalError; the identifier is valid with it too, if not zero. A frame of
// several commands is an error, since LE allows one only. UnknownSignal.Data
// aliases b.
func ParseSignal(b []byte) (id uint8, s Signal, err error) {
	r := wire.NewReader(b)
	code := Code(r.U8())
	id = r.U8()
	body := r.Sub(int(r.U16()))
	if err := r.Finish(); err != nil {
		return id, nil, &SignalError{code, err}
	}
	s, err = parseSignalData(code, &body)
	if err == nil {
		err = body.Finish()
	}
	if err != nil {
		return id, nil, &SignalError{code, err}
	}
	return id, s, nil
}
