package smp

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Key is a secret of 16 octets, least significant first. Formatting, JSON and logs show
// "(secret)" in its place. Convert it to [16]byte to read its octets.
type Key [16]byte

const redacted = "(secret)"

// String returns "(secret)".
func (Key) String() string { return redacted }

// Format writes "(secret)", whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns "(secret)".
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes "(secret)".
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// IsZero reports whether all octets are zero, which means that there is no key.
func (k Key) IsZero() bool { return equal(k, Key{}) }

// LongTermKey encrypts links. EDIV and Rand identify it to the peer; both are zero with
// LE Secure Connections.
type LongTermKey struct {
	Key  Key
	EDIV uint16
	Rand [8]byte
}

// Format writes "(secret)". Without it fmt would bypass the methods of Key when it
// reports a wrong verb.
func (LongTermKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// Bond holds the keys that a pairing made, and the facts of that pairing.
type Bond struct {
	// Peer is the peer's identity address, or the address that it paired with if it
	// distributed none.
	Peer    hci.Addr
	Created time.Time

	Authenticated     bool // the pairing was protected against a man in the middle
	SecureConnections bool
	KeySize           int // octets, 7 to 16

	// Central is the key for links on which this host is the central, Peripheral the
	// key for links on which it is the peripheral. With LE Secure Connections both are
	// the same key; after legacy pairing either may be nil.
	Central, Peripheral *LongTermKey

	// IRK resolves the peer's private addresses; zero if the peer has none.
	IRK Key
	// GaveIRK reports whether the peer has the key that resolves this host's private
	// addresses. Without the key most peers do not recognize this host under one. Some
	// peers do not ask for it.
	GaveIRK bool
	// PeerCSRK verifies the peer's signatures and LocalCSRK makes this host's; zero if
	// none was distributed. The counters are those of the next signature: lower values
	// are no longer valid.
	PeerCSRK, LocalCSRK       Key
	PeerCounter, LocalCounter uint32

	// Damaged is why the bond cannot be read; it wraps ErrBondDamaged. Such a bond has
	// no keys, and serves only to prevent plain text with its peer. nil means that the
	// bond is intact.
	Damaged error
}

// keyFor returns this host's key for a role; nil if there is none.
func (b *Bond) keyFor(r hci.Role) *LongTermKey {
	if r == hci.RoleCentral {
		return b.Central
	}
	return b.Peripheral
}

// sameKeys reports whether two bonds have the same long term keys.
func (b *Bond) sameKeys(o *Bond) bool {
	return b.Central.sameKey(o.Central) && b.Peripheral.sameKey(o.Peripheral)
}

// noKeyError returns why the bond has no key for a role.
func (b *Bond) noKeyError() error {
	if b.Damaged != nil {
		return b.Damaged
	}
	return fmt.Errorf("%v: %w", b.Peer, ErrNoKey)
}

// keySecurity returns the Security of a link that is encrypted with the bond.
func (b *Bond) keySecurity() Security {
	return Security{
		Encrypted: true, Authenticated: b.Authenticated, SecureConnections: b.SecureConnections,
		KeySize: b.KeySize, Bonded: true,
	}
}

// Identity identifies this host to bonded peers, whatever address it uses.
type Identity struct {
	Addr hci.Addr // public or static random
	IRK  Key      // generates and resolves its private addresses
}

// Security is how a link is protected. The zero value is a link in plain text with a
// peer without a bond. The packages gatt and l2cap have types of their own for it,
// since they do not know of this package.
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

// Level is a level of LE security mode 1 (Vol 3, Part C, 10.2.1).
type Level uint8

// The four levels.
const (
	LevelNone          Level = 1 // no encryption
	LevelEncrypted     Level = 2 // encryption without protection against a man in the middle
	LevelAuthenticated Level = 3 // encryption with protection against a man in the middle
	LevelSecure        Level = 4 // as level 3, by LE Secure Connections with a key of 16 octets
)

// String returns "none", "encrypted", "authenticated", "secure", or "level 7".
func (l Level) String() string {
	switch l {
	case LevelNone:
		return "none"
	case LevelEncrypted:
		return "encrypted"
	case LevelAuthenticated:
		return "authenticated"
	case LevelSecure:
		return "secure"
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// Level returns the security level of s.
func (s Security) Level() Level {
	switch {
	case !s.Encrypted:
		return LevelNone
	case !s.Authenticated:
		return LevelEncrypted
	case !s.SecureConnections || s.KeySize < keySizeMax:
		return LevelAuthenticated
	}
	return LevelSecure
}

// atLeast reports whether s protects a link no less than o does. Only a bond of which
// this is true may replace another one.
func (s Security) atLeast(o Security) bool {
	return (s.Authenticated || !o.Authenticated) &&
		(s.SecureConnections || !o.SecureConnections) && s.KeySize >= o.KeySize
}
