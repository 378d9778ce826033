package gatt

import "github.com/moor-ble/moor/gatt/att"

// Security is how a link is protected. The zero value is a link in plain text with a
// peer without a bond.
type Security struct {
	Encrypted         bool
	Authenticated     bool // the key was made with protection against a man in the middle
	SecureConnections bool // the key was made by LE Secure Connections
	KeySize           int  // octets of the key, 7 to 16; 0 if the link is not encrypted
	// Bonded reports whether there is a bond with the peer. On an encrypted link it
	// reports whether the bond's key is in use: a new key is not the bond's until the
	// pairing that made it has saved it.
	Bonded bool
}

// Require is what an attribute asks of the link. The zero value asks nothing;
// each of the others asks for encryption too. Only Authentication alone can be
// had without: a signed write has it, if the key that signed came from pairing
// with protection against a man in the middle.
type Require struct {
	Encryption        bool
	Authentication    bool
	SecureConnections bool
	KeySize           int // least octets of the encryption key, 7 to 16; 0: any
}

// Permissions says what the link must have for an attribute to be used; whether
// it can be used at all is a matter of its properties. Authorization, which is
// the program's to decide, is done by handlers: they return
// att.CodeInsufficientAuthorization.
type Permissions struct {
	Read      Require
	Write     Require
	Subscribe Require // to write the Client Characteristic Configuration
}

// check returns the error for a link that does not do, 0 for one that does
// (Vol 3, Part C, 10.3.1).
//
//	link                              error
//	not encrypted, no key kept        Insufficient Authentication
//	not encrypted, key kept           Insufficient Encryption
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

// checkSigned reports whether a signature does for a write on a link that is not
// encrypted (LE security mode 2, Vol 3, Part C, 10.2.2). It says who writes and
// hides nothing, so that it is no substitute for encryption of some strength.
func (q Require) checkSigned(authenticated bool) bool {
	return q == (Require{}) || q == (Require{Authentication: true}) && authenticated
}
