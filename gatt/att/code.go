package att

import "fmt"

// Code is the reason in an Error Response (Vol 3, Part F, 3.4.1.1). It
// implements error as a target of errors.Is; calls return an [*Error], which
// names the request too.
type Code uint8

// Error codes of Vol 3, Part F, Table 3.4, and the common profile codes of the
// Core Specification Supplement, Part B.
const (
	CodeInvalidHandle               Code = 0x01
	CodeReadNotPermitted            Code = 0x02
	CodeWriteNotPermitted           Code = 0x03
	CodeInvalidPDU                  Code = 0x04
	CodeInsufficientAuthentication  Code = 0x05
	CodeRequestNotSupported         Code = 0x06
	CodeInvalidOffset               Code = 0x07
	CodeInsufficientAuthorization   Code = 0x08
	CodePrepareQueueFull            Code = 0x09
	CodeAttributeNotFound           Code = 0x0A
	CodeAttributeNotLong            Code = 0x0B
	CodeEncryptionKeySizeTooShort   Code = 0x0C
	CodeInvalidAttributeValueLength Code = 0x0D
	CodeUnlikelyError               Code = 0x0E
	CodeInsufficientEncryption      Code = 0x0F
	CodeUnsupportedGroupType        Code = 0x10
	CodeInsufficientResources       Code = 0x11
	CodeDatabaseOutOfSync           Code = 0x12
	CodeValueNotAllowed             Code = 0x13
	CodeWriteRequestRejected        Code = 0xFC
	CodeCCCDImproperlyConfigured    Code = 0xFD
	CodeProcedureAlreadyInProgress  Code = 0xFE
	CodeOutOfRange                  Code = 0xFF
	codeApplicationMin              Code = 0x80
	codeApplicationMax              Code = 0x9F
)

// Application reports whether the service defines the meaning of the code (0x80
// to 0x9F).
func (c Code) Application() bool { return codeApplicationMin <= c && c <= codeApplicationMax }

// String returns the name of the code in lower case, or the number of an
// application code ("application error 0x80") or an unknown code ("code 0x7f").
func (c Code) String() string {
	if n, ok := codeNames[c]; ok {
		return n
	}
	if c.Application() {
		return fmt.Sprintf("application error %#02x", uint8(c))
	}
	return fmt.Sprintf("code %#02x", uint8(c))
}

// Error returns the name of the code with the package's prefix.
func (c Code) Error() string { return "att: " + c.String() }

var codeNames = map[Code]string{
	CodeInvalidHandle:               "invalid handle",
	CodeReadNotPermitted:            "read not permitted",
	CodeWriteNotPermitted:           "write not permitted",
	CodeInvalidPDU:                  "invalid PDU",
	CodeInsufficientAuthentication:  "insufficient authentication",
	CodeRequestNotSupported:         "request not supported",
	CodeInvalidOffset:               "invalid offset",
	CodeInsufficientAuthorization:   "insufficient authorization",
	CodePrepareQueueFull:            "prepare queue full",
	CodeAttributeNotFound:           "attribute not found",
	CodeAttributeNotLong:            "attribute not long",
	CodeEncryptionKeySizeTooShort:   "encryption key size too short",
	CodeInvalidAttributeValueLength: "invalid attribute value length",
	CodeUnlikelyError:               "unlikely error",
	CodeInsufficientEncryption:      "insufficient encryption",
	CodeUnsupportedGroupType:        "unsupported group type",
	CodeInsufficientResources:       "insufficient resources",
	CodeDatabaseOutOfSync:           "database out of sync",
	CodeValueNotAllowed:             "value not allowed",
	CodeWriteRequestRejected:        "write request rejected",
	CodeCCCDImproperlyConfigured:    "client characteristic configuration descriptor improperly configured",
	CodeProcedureAlreadyInProgress:  "procedure already in progress",
	CodeOutOfRange:                  "out of range",
}

// Error is an Error Response of the peer: the request that it refused, the
// attribute, and the reason. It wraps its Code.
type Error struct {
	Req    Opcode
	Handle Handle // HandleNone if the request named no attribute
	Code   Code
}

// Error names the request, the handle if there is one, and the code by name and
// number.
func (e *Error) Error() string {
	if e.Handle == HandleNone {
		return fmt.Sprintf("att: %s: %s (%#02x)", e.Req, e.Code.String(), uint8(e.Code))
	}
	return fmt.Sprintf("att: %s of handle %s: %s (%#02x)", e.Req, e.Handle, e.Code.String(), uint8(e.Code))
}

// Unwrap returns the code.
func (e *Error) Unwrap() error { return e.Code }
