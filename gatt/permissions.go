package gatt

import "github.com/moor-ble/moor/gatt/att"

// Security is the current protection of a link. The zero value is an unencrypted
// link to a peer that is not bonded.
type Security struct {
	Encrypted         bool
	Authenticated     bool // the key is from a pairing with protection against a man in the middle
	SecureConnections bool // the key is from LE Secure Connections
	KeySize           int  // octets of the encryption key, 7 to 16
	// Bonded reports, on an unencrypted link, that a key for the peer is stored,
	// so that encryption needs no pairing. On an encrypted link it reports that
	// the stored key is in use, which is false while a new pairing has not been
	// stored.
	Bonded bool
}

// Require is the protection that an attribute requires. The zero value requires
// nothing; any other value requires encryption. There is one exception: a signed
// write satisfies Authentication alone if the signing key is from a pairing with
// protection against a man in the middle.
type Require struct {
	Encryption        bool
	Authentication    bool
	SecureConnections bool
	KeySize           int // shortest encryption key in octets, 7 to 16; 0 means any
}

// Permissions is the protection that a link must have for an access to an
// attribute. Properties decide which accesses exist at all. Authorization is up
// to the program's handlers, which return att.CodeInsufficientAuthorization.
type Permissions struct {
	Read      Require
	Write     Require
	Subscribe Require // to write the Client Characteristic Configuration
}

// check returns the error for a link without the required protection, 0 if the
// link has it (Vol 3, Part C, 10.3.1).
//
//	link                              error
//	not encrypted, no key stored      Insufficient Authentication
//	not encrypted, key stored         Insufficient Encryption
//	encrypted, key not as strong      Insufficient Authentication
//	encrypted, key too short          Encryption Key Size Too Short
func (q Require) check(s Security) att.Code {
	if q == (Require{}) {
		return 0
	}
	switch {
	case !s.Encrypted && !s.Bonded:
		return att.CodeInsufficientAuthentication
	case !s.Encrypted:
		return att.CodeInsufficientEncryption
	case q.Authentication && !s.Authenticated, q.SecureConnections && !s.SecureConnections:
		return att.CodeInsufficientAuthentication
	case s.KeySize < q.KeySize:
		return att.CodeEncryptionKeySizeTooShort
	}
	return 0
}

// checkSigned reports whether a signature suffices for a write on an unencrypted
// link (LE security mode 2, Vol 3, Part C, 10.2.2). A signature authenticates
// the sender but does not hide the value, so it cannot replace encryption.
func (q Require) checkSigned(authenticated bool) bool {
	return q == (Require{}) || q == (Require{Authentication: true}) && authenticated
}
