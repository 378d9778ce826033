package smp

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// code is the first octet of a PDU (Vol 3, Part H, 3.3).
//
//	+------+----------------------+
//	| Code | data, 0 to 64 octets |
//	+------+----------------------+
type code uint8

// The codes of Vol 3, Part H, Table 3.3.
const (
	codePairingRequest              code = 0x01
	codePairingResponse             code = 0x02
	codePairingConfirm              code = 0x03
	codePairingRandom               code = 0x04
	codePairingFailed               code = 0x05
	codeEncryptionInformation       code = 0x06
	codeCentralIdentification       code = 0x07
	codeIdentityInformation         code = 0x08
	codeIdentityAddressInformation  code = 0x09
	codeSigningInformation          code = 0x0A
	codeSecurityRequest             code = 0x0B
	codePairingPublicKey            code = 0x0C
	codePairingDHKeyCheck           code = 0x0D
	codePairingKeypressNotification code = 0x0E
	codeMax                              = codePairingKeypressNotification
)

// Encryption keys have 7 to 16 octets (Vol 3, Part H, 2.3.4).
const keySizeMin, keySizeMax = 7, 16

// keypressEntryCompleted is the last type of a Keypress Notification.
const keypressEntryCompleted = 4

// String returns the name of the code, or "code 0x7f".
func (c code) String() string {
	switch c {
	case codePairingRequest:
		return "Pairing Request"
	case codePairingResponse:
		return "Pairing Response"
	case codePairingConfirm:
		return "Pairing Confirm"
	case codePairingRandom:
		return "Pairing Random"
	case codePairingFailed:
		return "Pairing Failed"
	case codeEncryptionInformation:
		return "Encryption Information"
	case codeCentralIdentification:
		return "Central Identification"
	case codeIdentityInformation:
		return "Identity Information"
	case codeIdentityAddressInformation:
		return "Identity Address Information"
	case codeSigningInformation:
		return "Signing Information"
	case codeSecurityRequest:
		return "Security Request"
	case codePairingPublicKey:
		return "Pairing Public Key"
	case codePairingDHKeyCheck:
		return "Pairing DHKey Check"
	case codePairingKeypressNotification:
		return "Pairing Keypress Notification"
	}
	return fmt.Sprintf("code 0x%02x", uint8(c))
}

// command is a PDU: one of the structs of this file. The specification calls a PDU
// of this protocol a command (Vol 3, Part H, 3.3).
type command interface {
	Code() code
	AppendPDU(b []byte) []byte
}

// errUnknownCode means that a PDU has a reserved code. Such PDUs are ignored (Vol 3,
// Part H, 3.3).
var errUnknownCode = errors.New("unknown code")

// features is the content of a Pairing Request and Response (Vol 3, Part H, 3.5.1).
//
//	+----+-----+---------+----------+----------------+----------------+
//	| IO | OOB | AuthReq | key size | initiator keys | responder keys |
//	+----+-----+---------+----------+----------------+----------------+
type features struct {
	IO         IOCapability
	OOB        bool // the sender has out-of-band data of the other side
	Auth       authReq
	MaxKeySize uint8 // octets, 7 to 16
	// InitiatorKeys and ResponderKeys are the keys that each side distributes.
	InitiatorKeys, ResponderKeys keyDist
}

func (f features) appendFeatures(b []byte, c code) []byte {
	b = wire.AppendBool(append(b, byte(c), byte(f.IO)), f.OOB)
	return append(b, byte(f.Auth), f.MaxKeySize, byte(f.InitiatorKeys), byte(f.ResponderKeys))
}

// readFeatures refuses reserved values, and keys longer than those that exist (Vol 3,
// Part H, 3.5.1). It passes keys that are too short: the refusal of these has a reason of
// its own (2.3.4), see agreeOnFeatures. It keeps reserved bits, since the confirm and
// check values cover them.
func readFeatures(r *wire.Reader) (f features, err error) {
	f.IO = IOCapability(r.U8())
	oob := r.U8()
	f.OOB = oob == 1
	f.Auth = authReq(r.U8())
	f.MaxKeySize = r.U8()
	f.InitiatorKeys, f.ResponderKeys = keyDist(r.U8()), keyDist(r.U8())
	switch {
	case r.Err() != nil:
		return f, r.Err()
	case f.IO > KeyboardDisplay:
		return f, fmt.Errorf("IO capability %v", f.IO)
	case oob > 1:
		return f, fmt.Errorf("OOB data flag 0x%02x", oob)
	case f.MaxKeySize > keySizeMax:
		return f, fmt.Errorf("maximum key size of %d octets, more than 16", f.MaxKeySize)
	}
	return f, nil
}

// pairingRequest is the central's first PDU of a pairing (Vol 3, Part H, 3.5.1).
type pairingRequest features

// pairingResponse is the peripheral's answer (Vol 3, Part H, 3.5.2).
type pairingResponse features

// pairingConfirm commits its sender to a random value (Vol 3, Part H, 3.5.3).
type pairingConfirm struct{ Value [16]byte }

// pairingRandom reveals the random value (Vol 3, Part H, 3.5.4).
type pairingRandom struct{ Value [16]byte }

// pairingFailed ends a pairing (Vol 3, Part H, 3.5.5).
type pairingFailed struct{ Reason Reason }

// encryptionInformation carries a long term key (Vol 3, Part H, 3.6.2).
type encryptionInformation struct{ LTK Key }

// centralIdentification identifies a long term key (Vol 3, Part H, 3.6.3).
type centralIdentification struct {
	EDIV uint16
	Rand [8]byte
}

// identityInformation carries an identity resolving key (Vol 3, Part H, 3.6.4).
type identityInformation struct{ IRK Key }

// identityAddressInformation carries an identity address, public or static
// random (Vol 3, Part H, 3.6.5).
type identityAddressInformation struct{ Addr hci.Addr }

// signingInformation carries a key for signatures (Vol 3, Part H, 3.6.6).
type signingInformation struct{ CSRK Key }

// securityRequest asks the central to encrypt or pair (Vol 3, Part H, 3.6.7).
type securityRequest struct{ Auth authReq }

// pairingPublicKey carries a point on P-256 (Vol 3, Part H, 3.5.6).
type pairingPublicKey struct{ X, Y [32]byte }

// pairingDHKeyCheck proves that its sender has the same key (Vol 3, Part H,
// 3.5.7).
type pairingDHKeyCheck struct{ Value [16]byte }

// pairingKeypressNotification reports that the user types (Vol 3, Part H, 3.5.8).
type pairingKeypressNotification struct{ Type uint8 } // 0 to 4

func (pairingRequest) Code() code              { return codePairingRequest }
func (pairingResponse) Code() code             { return codePairingResponse }
func (pairingConfirm) Code() code              { return codePairingConfirm }
func (pairingRandom) Code() code               { return codePairingRandom }
func (pairingFailed) Code() code               { return codePairingFailed }
func (encryptionInformation) Code() code       { return codeEncryptionInformation }
func (centralIdentification) Code() code       { return codeCentralIdentification }
func (identityInformation) Code() code         { return codeIdentityInformation }
func (identityAddressInformation) Code() code  { return codeIdentityAddressInformation }
func (signingInformation) Code() code          { return codeSigningInformation }
func (securityRequest) Code() code             { return codeSecurityRequest }
func (pairingPublicKey) Code() code            { return codePairingPublicKey }
func (pairingDHKeyCheck) Code() code           { return codePairingDHKeyCheck }
func (pairingKeypressNotification) Code() code { return codePairingKeypressNotification }
