package smp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"

	"github.com/moor-ble/moor/internal/wire"
)

// Passkey is a number of six digits, 0 to 999999, that a user types or compares.
type Passkey uint32

// passkeys is the number of passkeys.
const passkeys = 1_000_000

// String returns the six digits.
func (p Passkey) String() string { return fmt.Sprintf("%06d", uint32(p)) }

// ParsePasskey reads a number of one to six digits.
func ParsePasskey(s string) (Passkey, error) {
	var p Passkey
	if s == "" {
		return 0, errNoDigits
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, errNoDigits
		}
		p = p*10 + Passkey(c-'0')
		if p >= passkeys {
			return 0, errLongPasskey
		}
	}
	return p, nil
}

// These errors do not quote the input: no log may contain a passkey.
var (
	errNoDigits    = errors.New("a passkey has one to six digits and nothing else")
	errLongPasskey = errors.New("a passkey has at most six digits")
)

// newPasskey generates a random passkey. Each pairing has its own, since Passkey Entry
// reveals the passkey to an eavesdropper.
func newPasskey() Passkey {
	n, err := rand.Int(rand.Reader, big.NewInt(passkeys))
	if err != nil {
		panic("smp: " + err.Error()) // the system's random source never fails
	}
	return Passkey(n.Uint64())
}

// block returns the passkey as a value of 16 octets.
func (p Passkey) block() [16]byte { return block(wire.AppendU32(nil, uint32(p))) }
