package smp

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Key is a secret of 16 octets, least significant first. It never shows itself:
// formatting, JSON and logs have "(secret)" in its place. Convert it to [16]byte
// to get at its octets.
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

// IsZero reports whether all octets are zero, which is no key.
func (k Key) IsZero() bool { return equal(k, Key{}) }

// LongTermKey encrypts links. EDIV and Rand name it to the peer; both are zero
// with LE Secure Connections.
type LongTermKey struct {
	Key  Key
	EDIV uint16
	Rand [8]byte
}

// Format writes "(secret)": fmt looks past the methods of Key where it reports a
// verb that does not fit.
func (LongTermKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// Bond is what is kept of a pairing.
type Bond struct {
	// Peer is the identity address of the peer; if it told none, the address that
	// it paired with.
	Peer    hci.Addr
	Created time.Time

	Authenticated     bool // there was protection against a man in the middle
	SecureConnections bool
	KeySize           int // octets, 7 to 16

	// Central is the key for links on which this host is the central, Peripheral
	// for those on which it is the peripheral. With LE Secure Connections both
	// are the same; with legacy pairing each may be missing, nil.
	Central, Peripheral *LongTermKey

	// IRK resolves the peer's private addresses; zero if it has none.
	IRK Key
	// GaveIRK reports whether the peer was given what resolves this host's own
	// private addresses. Without it most peers take this host for a stranger under
	// one. Not all want it.
	GaveIRK bool
	// PeerCSRK checks the peer's signatures and LocalCSRK makes ours; zero if none
	// was distributed. The counters are the next ones: lower ones are no longer
	// valid.
	PeerCSRK, LocalCSRK       Key
	PeerCounter, LocalCounter uint32

	// Damaged says why the bond cannot be read, if so: it has no keys then, and
	// stands for the fact that the peer must not be talked to without. It wraps
	// ErrBondDamaged. nil: all is well.
	Damaged error
}

// keyFor returns the key for a role.
func (b *Bond) keyFor(r hci.Role) *LongTermKey {
	if r == hci.RoleCentral {
		return b.Central
	}
	return b.Peripheral
}

// sameKeys reports whether two bonds have the same keys to encrypt links.
func (b *Bond) sameKeys(o *Bond) bool {
	return b.Central.sameKey(o.Central) && b.Peripheral.sameKey(o.Peripheral)
}

// noKeyError says why there is no key for a role.
func (b *Bond) noKeyError() error {
	if b.Damaged != nil {
		return b.Damaged
	}
	return fmt.Errorf("%v: %w", b.Peer, ErrNoKey)
}

// keySecurity returns what a link encrypted with the bond has.
func (b *Bond) keySecurity() Security {
	return Security{
		Encrypted: true, Authenticated: b.Authenticated, SecureConnections: b.SecureConnections,
		KeySize: b.KeySize, Bonded: true,
	}
}

// Identity is who a host or a device is whatever address it uses.
type Identity struct {
	Addr hci.Addr // public or static random
	IRK  Key      // makes and resolves its private addresses
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

// Level is LE security mode 1, level 1 to 4 (Vol 3, Part C, 10.2.1).
type Level uint8

// The levels.
const (
	LevelNone          Level = 1 // no encryption
	LevelEncrypted     Level = 2
	LevelAuthenticated Level = 3 // encrypted, and protected against a man in the middle
	LevelSecure        Level = 4 // the same by LE Secure Connections with a key of 16 octets
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

// Level returns the level that s amounts to.
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

// atLeast reports whether a link with s is protected no worse than one with o:
// a bond may only be replaced by one of which this is true.
func (s Security) atLeast(o Security) bool {
	return (s.Authenticated || !o.Authenticated) && (s.SecureConnections || !o.SecureConnections) && s.KeySize >= o.KeySize
}
