package smp

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// Code is the first octet of a PDU (Vol 3, Part H, 3.3).
//
//	+------+----------------------+
//	| Code | data, 0 to 64 octets |
//	+------+----------------------+
type Code uint8

// The codes of Vol 3, Part H, Table 3.3.
const (
	CodePairingRequest              Code = 0x01
	CodePairingResponse             Code = 0x02
	CodePairingConfirm              Code = 0x03
	CodePairingRandom               Code = 0x04
	CodePairingFailed               Code = 0x05
	CodeEncryptionInformation       Code = 0x06
	CodeCentralIdentification       Code = 0x07
	CodeIdentityInformation         Code = 0x08
	CodeIdentityAddressInformation  Code = 0x09
	CodeSigningInformation          Code = 0x0A
	CodeSecurityRequest             Code = 0x0B
	CodePairingPublicKey            Code = 0x0C
	CodePairingDHKeyCheck           Code = 0x0D
	CodePairingKeypressNotification Code = 0x0E
	codeMax                              = CodePairingKeypressNotification
)

// Encryption keys have so many octets (Vol 3, Part H, 2.3.4).
const keySizeMin, keySizeMax = 7, 16

// keypressEntryCompleted is the last type of a Keypress Notification.
const keypressEntryCompleted = 4

// String returns the name of the code, or "code 0x7f".
func (c Code) String() string {
	switch c {
	case CodePairingRequest:
		return "Pairing Request"
	case CodePairingResponse:
		return "Pairing Response"
	case CodePairingConfirm:
		return "Pairing Confirm"
	case CodePairingRandom:
		return "Pairing Random"
	case CodePairingFailed:
		return "Pairing Failed"
	case CodeEncryptionInformation:
		return "Encryption Information"
	case CodeCentralIdentification:
		return "Central Identification"
	case CodeIdentityInformation:
		return "Identity Information"
	case CodeIdentityAddressInformation:
		return "Identity Address Information"
	case CodeSigningInformation:
		return "Signing Information"
	case CodeSecurityRequest:
		return "Security Request"
	case CodePairingPublicKey:
		return "Pairing Public Key"
	case CodePairingDHKeyCheck:
		return "Pairing DHKey Check"
	case CodePairingKeypressNotification:
		return "Pairing Keypress Notification"
	}
	return fmt.Sprintf("code 0x%02x", uint8(c))
}

// PDU is one of the structs of this file.
type PDU interface {
	Code() Code
	AppendPDU(b []byte) []byte
}

// ErrUnknownCode says that a PDU has a code that is reserved; such PDUs are
// ignored (Vol 3, Part H, 3.3).
var ErrUnknownCode = errors.New("unknown code")

// Features are what both sides tell of themselves to begin with (Vol 3, Part H,
// 3.5.1).
//
//	+----+-----+---------+----------+----------------+----------------+
//	| IO | OOB | AuthReq | key size | initiator keys | responder keys |
//	+----+-----+---------+----------+----------------+----------------+
type Features struct {
	IO         IOCapability
	OOB        bool // out of band data of the other side is there
	Auth       AuthReq
	MaxKeySize uint8 // octets, 7 to 16
	// InitiatorKeys and ResponderKeys are what each side is to distribute.
	InitiatorKeys, ResponderKeys KeyDist
}

func (f Features) append(b []byte, c Code) []byte {
	b = wire.AppendBool(append(b, byte(c), byte(f.IO)), f.OOB)
	return append(b, byte(f.Auth), f.MaxKeySize, byte(f.InitiatorKeys), byte(f.ResponderKeys))
}

// readFeatures refuses values that are reserved, and key sizes that do not
// exist (Vol 3, Part H, 3.5.1); bits that are reserved are let through, for
// they are part of what is confirmed later.
func readFeatures(r *wire.Reader) (f Features, err error) {
	f.IO = IOCapability(r.U8())
	oob := r.U8()
	f.OOB = oob == 1
	f.Auth = AuthReq(r.U8())
	f.MaxKeySize = r.U8()
	f.InitiatorKeys, f.ResponderKeys = KeyDist(r.U8()), KeyDist(r.U8())
	switch {
	case r.Err() != nil:
		return f, r.Err()
	case f.IO > KeyboardDisplay:
		return f, fmt.Errorf("IO capability %v", f.IO)
	case oob > 1:
		return f, fmt.Errorf("OOB data flag 0x%02x", oob)
	case f.MaxKeySize < keySizeMin || f.MaxKeySize > keySizeMax:
		return f, fmt.Errorf("maximum key size of %d octets, outside 7 to 16", f.MaxKeySize)
	}
	return f, nil
}

// PairingRequest begins a pairing, from the central (Vol 3, Part H, 3.5.1).
type PairingRequest Features

// PairingResponse is the peripheral's answer (Vol 3, Part H, 3.5.2).
type PairingResponse Features

// PairingConfirm commits its sender to a random value (Vol 3, Part H, 3.5.3).
type PairingConfirm struct{ Value [16]byte }

// PairingRandom shows the random value (Vol 3, Part H, 3.5.4).
type PairingRandom struct{ Value [16]byte }

// PairingFailed ends a pairing (Vol 3, Part H, 3.5.5).
type PairingFailed struct{ Reason Reason }

// EncryptionInformation carries a long term key (Vol 3, Part H, 3.6.2).
type EncryptionInformation struct{ LTK Key }

// CentralIdentification carries the name of a long term key (Vol 3, Part H,
// 3.6.3).
type CentralIdentification struct {
	EDIV uint16
	Rand [8]byte
}

// IdentityInformation carries an identity resolving key (Vol 3, Part H, 3.6.4).
type IdentityInformation struct{ IRK Key }

// IdentityAddressInformation carries an identity address, public or static
// random (Vol 3, Part H, 3.6.5).
type IdentityAddressInformation struct{ Addr hci.Addr }

// SigningInformation carries a key for signatures (Vol 3, Part H, 3.6.6).
type SigningInformation struct{ CSRK Key }

// SecurityRequest asks the central to encrypt or pair (Vol 3, Part H, 3.6.7).
type SecurityRequest struct{ Auth AuthReq }

// PairingPublicKey carries a point on P-256 (Vol 3, Part H, 3.5.6).
type PairingPublicKey struct{ X, Y [32]byte }

// PairingDHKeyCheck proves that its sender has the same key (Vol 3, Part H,
// 3.5.7).
type PairingDHKeyCheck struct{ Value [16]byte }

// PairingKeypressNotification tells how the user gets on typing (Vol 3, Part H,
// 3.5.8).
type PairingKeypressNotification struct{ Type uint8 } // 0 to 4

// Code returns CodePairingRequest.
func (PairingRequest) Code() Code { return CodePairingRequest }

// Code returns CodePairingResponse.
func (PairingResponse) Code() Code { return CodePairingResponse }

// Code returns CodePairingConfirm.
func (PairingConfirm) Code() Code { return CodePairingConfirm }

// Code returns CodePairingRandom.
func (PairingRandom) Code() Code { return CodePairingRandom }

// Code returns CodePairingFailed.
func (PairingFailed) Code() Code { return CodePairingFailed }

// Code returns CodeEncryptionInformation.
func (EncryptionInformation) Code() Code { return CodeEncryptionInformation }

// Code returns CodeCentralIdentification.
func (CentralIdentification) Code() Code { return CodeCentralIdentification }

// Code returns CodeIdentityInformation.
func (IdentityInformation) Code() Code { return CodeIdentityInformation }

// Code returns CodeIdentityAddressInformation.
func (IdentityAddressInformation) Code() Code { return CodeIdentityAddressInformation }

// Code returns CodeSigningInformation.
func (SigningInformation) Code() Code { return CodeSigningInformation }

// Code returns CodeSecurityRequest.
func (SecurityRequest) Code() Code { return CodeSecurityRequest }

// Code returns CodePairingPublicKey.
func (PairingPublicKey) Code() Code { return CodePairingPublicKey }

// Code returns CodePairingDHKeyCheck.
func (PairingDHKeyCheck) Code() Code { return CodePairingDHKeyCheck }

// Code returns CodePairingKeypressNotification.
func (PairingKeypressNotification) Code() Code { return CodePairingKeypressNotification }
