package l2cap

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Causes that the errors of this package wrap.
var (
	// ErrLinkDown means that the link under the channel or request has ended.
	ErrLinkDown = fmt.Errorf("link is down: %w", net.ErrClosed)
	// ErrClosed means that this side closed the channel or listener.
	ErrClosed = fmt.Errorf("closed here: %w", net.ErrClosed)
	// ErrPeerClosed means that the peer closed the channel.
	ErrPeerClosed = fmt.Errorf("closed by the peer: %w", net.ErrClosed)
	// ErrViolation means that the peer broke a rule of the protocol.
	ErrViolation = errors.New("protocol violation by the peer")
	// ErrParamsRejected means that the central rejected connection parameters.
	ErrParamsRejected = errors.New("the central rejected the connection parameters")
	// ErrBusy means that an earlier request is still unanswered.
	ErrBusy = errors.New("an earlier request is still unanswered")
	// ErrNoCID means that all 64 channel identifiers of the link are in use.
	ErrNoCID = errors.New("all 64 channels of the link are in use; close one")
)

// Result is the outcome of a request for a credit-based channel (Vol 3, Part A,
// 4.23 and 4.26). It implements error as a target of errors.Is; Dial returns a
// *ConnectError that wraps it.
type Result uint16

// Results of LE Credit Based Connection Response and Credit Based Connection
// Response; only the latter has the last four.
const (
	ResultSuccess                    Result = 0x0000
	ResultSPSMNotSupported           Result = 0x0002
	ResultNoResources                Result = 0x0004
	ResultInsufficientAuthentication Result = 0x0005
	ResultInsufficientAuthorization  Result = 0x0006
	ResultKeySizeTooShort            Result = 0x0007
	ResultInsufficientEncryption     Result = 0x0008
	ResultInvalidSourceCID           Result = 0x0009
	ResultSourceCIDAllocated         Result = 0x000A
	ResultUnacceptableParameters     Result = 0x000B
	ResultInvalidParameters          Result = 0x000C
	ResultPending                    Result = 0x000D
	ResultAuthenticationPending      Result = 0x000E
	ResultAuthorizationPending       Result = 0x000F
)

// String returns the result in words and its code.
func (r Result) String() string {
	if s := r.name(); s != "" {
		return fmt.Sprintf("%s (0x%04X)", s, uint16(r))
	}
	return fmt.Sprintf("result 0x%04X", uint16(r))
}

// Error returns the same as String.
func (r Result) Error() string { return r.String() }

func (r Result) name() string {
	switch r {
	case ResultSuccess:
		return "success"
	case ResultSPSMNotSupported:
		return "SPSM not supported"
	case ResultNoResources:
		return "no resources available"
	case ResultInsufficientAuthentication:
		return "insufficient authentication"
	case ResultInsufficientAuthorization:
		return "insufficient authorization"
	case ResultKeySizeTooShort:
		return "encryption key size too short"
	case ResultInsufficientEncryption:
		return "insufficient encryption"
	case ResultInvalidSourceCID:
		return "invalid source CID"
	case ResultSourceCIDAllocated:
		return "source CID already allocated"
	case ResultUnacceptableParameters:
		return "unacceptable parameters"
	case ResultInvalidParameters:
		return "invalid parameters"
	case ResultPending:
		return "pending, no further information"
	case ResultAuthenticationPending:
		return "authentication pending"
	case ResultAuthorizationPending:
		return "authorization pending"
	}
	return ""
}

// isPending reports whether the peer announces another response.
func (r Result) isPending() bool {
	return r == ResultPending || r == ResultAuthenticationPending || r == ResultAuthorizationPending
}

// RejectReason is why a signaling command was rejected (Vol 3, Part A, 4.1). It
// implements error as a target of errors.Is.
type RejectReason uint16

// Reasons of Command Reject.
const (
	RejectNotUnderstood RejectReason = 0x0000
	RejectMTUExceeded   RejectReason = 0x0001
	RejectInvalidCID    RejectReason = 0x0002
)

// String returns the reason in words and its code.
func (r RejectReason) String() string {
	switch r {
	case RejectNotUnderstood:
		return "command not understood (0x0000)"
	case RejectMTUExceeded:
		return "signaling MTU exceeded (0x0001)"
	case RejectInvalidCID:
		return "invalid CID in request (0x0002)"
	}
	return fmt.Sprintf("reason 0x%04X", uint16(r))
}

// Error returns the same as String.
func (r RejectReason) Error() string { return r.String() }

// ConnectError means that a channel could not be opened. Err is the peer's
// Result, a *RejectError, a *TimeoutError, or the end of the link or of the
// caller's context.
type ConnectError struct {
	PSM PSM
	Err error
}

func (e *ConnectError) Error() string {
	return fmt.Sprintf("l2cap: open channel to SPSM 0x%04X: %v", uint16(e.PSM), e.Err)
}

// Unwrap returns Err.
func (e *ConnectError) Unwrap() error { return e.Err }

// ChannelError is why a credit-based channel or an operation on it ended. Local
// reports whether this side ended it, by Close or because the peer broke a rule.
type ChannelError struct {
	PSM   PSM
	CID   CID // this side's
	Local bool
	Err   error
}

func (e *ChannelError) Error() string {
	return fmt.Sprintf("l2cap: channel 0x%04X (SPSM 0x%04X): %v", uint16(e.CID), uint16(e.PSM), e.Err)
}

// Unwrap returns Err.
func (e *ChannelError) Unwrap() error { return e.Err }

// RejectError means that the peer answered a signaling command with Command
// Reject.
type RejectError struct {
	Command Code // the command that was rejected
	Reason  RejectReason
}

func (e *RejectError) Error() string {
	return fmt.Sprintf("peer rejected %v: %v", e.Command, e.Reason)
}

// Unwrap returns Reason.
func (e *RejectError) Unwrap() error { return e.Reason }

// TimeoutError means that the peer did not answer a signaling command.
type TimeoutError struct {
	Command Code
	After   time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("no answer to %v within %v", e.Command, e.After)
}

// Timeout returns true, as net.Error has it.
func (e *TimeoutError) Timeout() bool { return true }

// SignalError means that a signaling command of the peer was malformed.
type SignalError struct {
	Code Code
	Err  error
}

func (e *SignalError) Error() string { return fmt.Sprintf("malformed %v: %v", e.Code, e.Err) }

// Unwrap returns Err.
func (e *SignalError) Unwrap() error { return e.Err }
