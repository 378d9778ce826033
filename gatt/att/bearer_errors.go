package att

import (
	"errors"
	"fmt"
	"net"
)

// ErrTransactionTimeout means that the peer did not answer a request or an
// indication within 30 seconds. The bearer must not be used after that (Vol 3,
// Part F, 3.3.3).
var ErrTransactionTimeout = errors.New("att: transaction timeout")

// ErrMTUExchanged means that this side has already exchanged the MTU, which a
// client may do only once (Vol 3, Part F, 3.4.2.1).
var ErrMTUExchanged = errors.New("att: MTU already exchanged")

// Rule is a rule of the protocol. A peer that breaks it ends the bearer.
type Rule uint8

const (
	// RuleResponse: a response must be that of the outstanding request (Vol 3,
	// Part F, 3.3.2). Up to 15 others are dropped.
	RuleResponse Rule = iota + 1
	// RuleErrorRequest: an Error Response must name the outstanding request
	// (3.4.1.1). Up to 15 others are dropped.
	RuleErrorRequest
	// RuleSequentialRequests: a client sends no request while its last one is
	// unanswered (3.3.2). Up to four early ones are tolerated.
	RuleSequentialRequests
	// RuleSequentialIndications: a server sends no indication while its last one
	// is unconfirmed (3.3.2). Up to four early ones are tolerated.
	RuleSequentialIndications
	// RuleLength: no PDU is longer than its receiver accepts (3.2.8).
	RuleLength
)

// String returns the rule in words, or the number of an unknown rule.
func (r Rule) String() string {
	switch r {
	case RuleResponse:
		return "a response must be that of the outstanding request"
	case RuleErrorRequest:
		return "an error response must name the outstanding request"
	case RuleSequentialRequests:
		return "a client must wait for the answer before its next request"
	case RuleSequentialIndications:
		return "a server must wait for the confirmation before its next indication"
	case RuleLength:
		return "a PDU must fit the MTU of its receiver"
	}
	return fmt.Sprintf("rule(%#02x)", uint8(r))
}

// ProtocolError means that the bearer was ended because the peer broke a rule.
type ProtocolError struct {
	Rule    Rule
	Got     Opcode // the PDU that broke the rule
	Pending Opcode // the outstanding request; 0 if it is not involved
	Detail  string // more about the fault; may be empty
}

// Error names the PDU, the outstanding request and the rule.
func (e *ProtocolError) Error() string {
	s := "att: peer sent " + e.Got.String()
	if e.Pending != 0 {
		s += " while " + e.Pending.String() + " was outstanding"
	}
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s + ": " + e.Rule.String()
}

// TooLongError means that a PDU was not sent because it is longer than the
// bearer's MTU.
type TooLongError struct {
	Op       Opcode
	Len, MTU int // octets
}

// Error names the PDU, both lengths and the remedies.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("att: %s of %d octets does not fit the MTU of %d: exchange a larger MTU or send the value in parts", e.Op, e.Len, e.MTU)
}

// closedError is the error of a bearer that has ended. It wraps the cause and
// net.ErrClosed.
type closedError struct {
	cause error // nil if unknown
	own   bool  // the bearer ended itself; cause has the prefix of this package
}

func (e *closedError) Error() string {
	switch {
	case e.cause == nil:
		return "att: bearer closed"
	case e.own:
		return e.cause.Error()
	}
	return "att: bearer closed: " + e.cause.Error()
}

func (e *closedError) Unwrap() []error {
	if e.cause == nil {
		return []error{net.ErrClosed}
	}
	return []error{e.cause, net.ErrClosed}
}
