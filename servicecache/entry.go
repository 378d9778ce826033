package servicecache

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt"
)

// Hash is a Database Hash in the order of octets in which the peer gave it. Stacks
// do not agree on that order.
type Hash [16]byte

// Proves reports whether h is the hash of the table p, in either order of octets.
func (h Hash) Proves(p *gatt.Profile) bool {
	own, ok := p.Hash()
	return ok && h.equals(own)
}

// Refutes reports whether h is not the hash of the table p. A table with a
// Characteristic Extended Properties descriptor is neither proved nor refuted, since
// its hash cannot be computed.
func (h Hash) Refutes(p *gatt.Profile) bool {
	own, ok := p.Hash()
	return ok && !h.equals(own)
}

func (h Hash) equals(own [16]byte) bool {
	turned := own
	slices.Reverse(turned[:])
	return h == own || h == turned
}

// String returns the hash as 32 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes h as String does.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (h *Hash) UnmarshalText(b []byte) error {
	v, err := hex.DecodeString(string(b))
	if err != nil || len(v) != len(h) {
		return fmt.Errorf("servicecache: %q is not a database hash: want 32 hexadecimal digits", b)
	}
	*h = Hash(v)
	return nil
}

// Entry is what is known of a peer's table.
type Entry struct {
	Profile *gatt.Profile `json:"profile"`
	// Hash is the Database Hash that the peer gave both before and after the
	// table was discovered; nil if it has none.
	Hash *Hash `json:"hash,omitempty"`
	// HasServiceChanged reports whether the peer has the Service Changed
	// characteristic. Without it, its table never changes.
	HasServiceChanged bool `json:"has_service_changed"`
	// Bonded reports whether the peer was bonded when this was stored.
	Bonded bool `json:"bonded"`
	// Subscribed reports whether Service Changed was enabled as well. A bonded
	// peer then tells of a change even at the next connection.
	Subscribed bool `json:"subscribed"`
	// MTU is the ATT MTU that was agreed on; 0 if not known.
	MTU int `json:"mtu,omitempty"`
	// Firmware is the firmware revision that the peer stated; may be empty.
	Firmware string `json:"firmware,omitempty"`
	// Discovered is when the table was read from the peer.
	Discovered time.Time `json:"discovered"`
}

// Peer is what is known of a peer at the start of a connection.
type Peer struct {
	// Bonded reports whether the link is encrypted with the keys of a bond.
	Bonded bool
	// HashRead reports whether the Database Hash was asked for; Hash is then what
	// came back, nil if the peer has none.
	HashRead bool
	Hash     *Hash
}

// Verdict is what to do with a table from the cache.
type Verdict uint8

// The verdicts.
const (
	Rediscover Verdict = iota // drop it and discover
	Use                       // it is right
	ReadHash                  // read the Database Hash, then decide again
)

// String returns the verdict in lower case, or the number of an unknown one.
func (v Verdict) String() string {
	switch v {
	case Rediscover:
		return "rediscover"
	case Use:
		return "use"
	case ReadHash:
		return "read hash"
	}
	return fmt.Sprintf("verdict 0x%02x", uint8(v))
}

// Decide says whether an entry may be used for a peer (Vol 3, Part G, 2.5.2). A
// nil entry is a miss. In this order:
//
//   - the hash was read: the table is right if it is the one stored with it, be
//     it none on both sides and the next two rules allow it;
//   - bonded then and now, with Service Changed enabled: the peer would have told
//     of a change;
//   - no Service Changed and no hash: the table never changes;
//   - a hash is stored: reading it again decides;
//   - else the table was good for one connection only.
func Decide(e *Entry, p Peer) Verdict {
	if e == nil || e.Profile == nil {
		return Rediscover
	}
	if p.HashRead && (p.Hash != nil || e.Hash != nil) {
		if p.Hash != nil && e.Hash != nil && *p.Hash == *e.Hash {
			return Use
		}
		return Rediscover
	}
	switch {
	case p.Bonded && e.Bonded && e.Subscribed && e.HasServiceChanged:
		return Use
	case !e.HasServiceChanged && e.Hash == nil:
		return Use
	case e.Hash != nil:
		return ReadHash
	}
	return Rediscover
}
