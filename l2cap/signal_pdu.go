package l2cap

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/internal/wire"
)

// Code is the code of a signaling command (Vol 3, Part A, table 4.2), which
// errors contain. The commands themselves are internal to this package.
type Code uint8

// Codes of the commands that an LE link uses.
const (
	codeCommandReject                Code = 0x01
	codeDisconnectionReq             Code = 0x06
	codeDisconnectionRsp             Code = 0x07
	codeConnectionParameterUpdateReq Code = 0x12
	codeConnectionParameterUpdateRsp Code = 0x13
	codeLECreditBasedConnectionReq   Code = 0x14
	codeLECreditBasedConnectionRsp   Code = 0x15
	codeFlowControlCreditInd         Code = 0x16
	codeCreditBasedConnectionReq     Code = 0x17
	codeCreditBasedConnectionRsp     Code = 0x18
	codeCreditBasedReconfigureReq    Code = 0x19
	codeCreditBasedReconfigureRsp    Code = 0x1A
)

// String returns the name from the specification, or the code in hexadecimal.
func (c Code) String() string {
	switch c {
	case codeCommandReject:
		return "Command Reject"
	case codeDisconnectionReq:
		return "Disconnection Request"
	case codeDisconnectionRsp:
		return "Disconnection Response"
	case codeConnectionParameterUpdateReq:
		return "Connection Parameter Update Request"
	case codeConnectionParameterUpdateRsp:
		return "Connection Parameter Update Response"
	case codeLECreditBasedConnectionReq:
		return "LE Credit Based Connection Request"
	case codeLECreditBasedConnectionRsp:
		return "LE Credit Based Connection Response"
	case codeFlowControlCreditInd:
		return "Flow Control Credit"
	case codeCreditBasedConnectionReq:
		return "Credit Based Connection Request"
	case codeCreditBasedConnectionRsp:
		return "Credit Based Connection Response"
	case codeCreditBasedReconfigureReq:
		return "Credit Based Reconfigure Request"
	case codeCreditBasedReconfigureRsp:
		return "Credit Based Reconfigure Response"
	}
	return fmt.Sprintf("signaling command 0x%02X", uint8(c))
}

// isResponse reports whether c answers another command. A response is never
// answered.
func (c Code) isResponse() bool {
	switch c {
	case codeCommandReject, codeDisconnectionRsp, codeConnectionParameterUpdateRsp,
		codeLECreditBasedConnectionRsp, codeCreditBasedConnectionRsp, codeCreditBasedReconfigureRsp:
		return true
	default:
		return false
	}
}

// signal is a signaling command without its identifier (Vol 3, Part A, 4).
type signal interface {
	Code() Code
	appendData(b []byte) []byte
}

// commandReject answers a command that has no other answer (4.1). Reason decides
// which fields are valid: MTU with RejectMTUExceeded, Local and Remote with
// RejectInvalidCID, as seen by the sender of the reject.
type commandReject struct {
	Reason        RejectReason
	MTU           uint16
	Local, Remote CID
}

// disconnectionReq ends a channel (4.6).
type disconnectionReq struct {
	Destination CID // of the receiver
	Source      CID // of the sender
}

// disconnectionRsp repeats the fields of the request (4.7).
type disconnectionRsp struct{ Destination, Source CID }

// connectionParameterUpdateReq asks the central for connection parameters, in
// units of 1.25 ms for the interval and 10 ms for the timeout (4.20).
type connectionParameterUpdateReq struct {
	IntervalMin, IntervalMax, Latency, Timeout uint16
}

// connectionParameterUpdateRsp is the central's answer (4.21).
type connectionParameterUpdateRsp struct{ Result paramResult }

// paramResult is the result of a connection parameter update.
type paramResult uint16

// Results of Connection Parameter Update Response.
const (
	paramsAccepted paramResult = 0x0000
	paramsRejected paramResult = 0x0001
)

// leCreditBasedConnectionReq opens a channel (4.22). Source is the sender's CID;
// MTU, MPS and Credits are the limits of the sender.
type leCreditBasedConnectionReq struct {
	PSM               PSM
	Source            CID
	MTU, MPS, Credits uint16
}

// leCreditBasedConnectionRsp answers leCreditBasedConnectionReq (4.23).
// Destination is the sender's CID.
type leCreditBasedConnectionRsp struct {
	Destination       CID
	MTU, MPS, Credits uint16
	Result            Result
}

// flowControlCreditInd grants the receiver more credits for the channel Source,
// the sender's CID (4.24).
type flowControlCreditInd struct {
	Source  CID
	Credits uint16
}

// creditBasedConnectionReq opens one to five channels of the enhanced
// credit-based mode (4.25).
type creditBasedConnectionReq struct {
	PSM               PSM
	MTU, MPS, Credits uint16
	Sources           []CID
}

// creditBasedConnectionRsp answers creditBasedConnectionReq; Destinations has a
// zero for each refused channel (4.26).
type creditBasedConnectionRsp struct {
	MTU, MPS, Credits uint16
	Result            Result
	Destinations      []CID
}

// creditBasedReconfigureReq changes MTU and MPS of channels of the enhanced
// credit-based mode (4.27).
type creditBasedReconfigureReq struct {
	MTU, MPS     uint16
	Destinations []CID
}

// creditBasedReconfigureRsp answers creditBasedReconfigureReq (4.28).
type creditBasedReconfigureRsp struct{ Result reconfigureResult }

// reconfigureResult is the result of a reconfiguration.
type reconfigureResult uint16

// Results of Credit Based Reconfigure Response.
const (
	reconfigureSuccess      reconfigureResult = 0x0000
	reconfigureSmallerMTU   reconfigureResult = 0x0001
	reconfigureSmallerMPS   reconfigureResult = 0x0002
	reconfigureInvalidCID   reconfigureResult = 0x0003
	reconfigureUnacceptable reconfigureResult = 0x0004
)

// unknownSignal is a command that an LE link does not use.
type unknownSignal struct {
	Op   Code
	Data []byte
}

// maxEnhancedChannels is the number of channels that one enhanced request may
// name.
const maxEnhancedChannels = 5

var errChannelCount = errors.New("names none or more than 5 channels")

// appendSignal appends a signaling command with its header:
//
//	+------+------------+--------+-- ... --+
//	| code | identifier | length | data    |      Vol 3, Part A, 4
//	| 1    | 1          | 2      | length  |
//	+------+------------+--------+-- ... --+
func appendSignal(b []byte, id uint8, s signal) []byte {
	b = append(b, byte(s.Code()), id)
	at := len(b)
	b = s.appendData(wire.AppendU16(b, 0))
	wire.PutU16(b, at, uint16(len(b)-at-2))
	return b
}

// parseSignal parses the one command of a signaling frame. The error is a
// *SignalError; id is valid with it too, unless it is zero. A frame of several
// commands is an error, since LE allows only one. unknownSignal.Data aliases b.
func parseSignal(b []byte) (id uint8, s signal, err error) {
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
