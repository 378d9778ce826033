package servicecache

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt"
)

// Hash is a Database Hash (Vol 3, Part G, 7.3) in the octets that the peer sent.
// Stacks disagree about their order, so two hashes are equal only if the octets are.
type Hash [16]byte

// String returns the hash as 32 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns the hash in the form of String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText parses the form of String.
func (h *Hash) UnmarshalText(b []byte) error {
	v, err := hex.DecodeString(string(b))
	if err != nil || len(v) != len(h) {
		return fmt.Errorf("servicecache: %q is not a database hash: want 32 hexadecimal digits", b)
	}
	*h = Hash(v)
	return nil
}

// Entry is the table of a peer, with the facts that tell how long it is valid.
type Entry struct {
	Profile *gatt.Profile `json:"profile"`
	// Hash is the Database Hash that the peer stated for the table; nil if the peer
	// has none.
	Hash *Hash `json:"hash,omitempty"`
	// HasServiceChanged reports whether the peer has the Service Changed
	// characteristic.
	HasServiceChanged bool `json:"has_service_changed"`
	// Bonded reports whether the peer was bonded when the entry was stored.
	Bonded bool `json:"bonded"`
	// Subscribed reports whether indications of Service Changed were enabled. A
	// bonded peer then indicates a change even at the next connection.
	Subscribed bool `json:"subscribed"`
	// MTU is the negotiated ATT_MTU; 0 if it is not known.
	MTU int `json:"mtu,omitempty"`
	// Firmware is the peer's firmware revision; empty if it is not known.
	Firmware string `json:"firmware,omitempty"`
	// Discovered is the time of the discovery of the table.
	Discovered time.Time `json:"discovered"`
}

// HashComputed reports whether Hash is the hash of the table itself, in either order
// of the octets. It is false if the computation needs more than the table: the value
// of a Characteristic Extended Properties descriptor.
//
// The key of the hash is public. A device that chooses the UUIDs of its table for that
// can have any hash.
func (e *Entry) HashComputed() bool {
	return e.Profile != nil && e.Hash != nil && e.Hash.Proves(e.Profile)
}

// Proves reports whether h is the hash of the table p, in either order of the octets
// and with or without the Client Characteristic Configuration descriptors, which
// BlueZ 5.82 leaves out.
func (h Hash) Proves(p *gatt.Profile) bool {
	equal, ok := h.compare(p)
	return ok && equal
}

// Refutes reports whether h is not the hash of the table p. A table whose hash cannot
// be computed is neither proved nor refuted.
func (h Hash) Refutes(p *gatt.Profile) bool {
	equal, ok := h.compare(p)
	return ok && !equal
}

// compare reports whether h is the hash of the table p; ok is false if that hash cannot
// be computed.
func (h Hash) compare(p *gatt.Profile) (equal, ok bool) {
	for _, p := range []*gatt.Profile{p, withoutCCCDs(p)} {
		own, ok := p.Hash()
		if !ok {
			return false, false
		}
		turned := own
		slices.Reverse(turned[:])
		if h == own || h == turned {
			return true, true
		}
	}
	return false, true
}

func withoutCCCDs(p *gatt.Profile) *gatt.Profile {
	cccd := gatt.UUID16(0x2902)
	q := p.Clone()
	for i := range q.Services {
		for j := range q.Services[i].Characteristics {
			c := &q.Services[i].Characteristics[j]
			c.Descriptors = slices.DeleteFunc(c.Descriptors, func(d gatt.Descriptor) bool { return d.UUID == cccd })
		}
	}
	return q
}

// Peer is the state of a peer at the start of a connection, as Decide needs it.
type Peer struct {
	// Bonded reports whether the link is encrypted with the keys of a bond.
	Bonded bool
	// HashRead reports whether the Database Hash was read. Hash is then the result,
	// nil if the peer has none.
	HashRead bool
	Hash     *Hash
	// ProofRead reports whether the proof was read that Prove asks for. Proved is then
	// whether it agrees with the table.
	ProofRead, Proved bool
}

// Verdict is the decision about a table from the cache.
type Verdict uint8

// The verdicts.
const (
	Rediscover Verdict = iota // drop the table and discover it anew
	Use                       // the table is valid
	ReadHash                  // read the Database Hash, then decide again
	Prove                     // read a part of the table that shows whether it is the same, then decide again
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
	case Prove:
		return "prove"
	}
	return fmt.Sprintf("verdict 0x%02x", uint8(v))
}

// Decide tells whether an entry may be used for a peer (Vol 3, Part G, 2.5.2). A
// nil entry, and one without a service, is a miss. The first rule that applies
// decides:
//
//   - The hash was read, and the entry or the peer has one: the table is valid if
//     both have the same, and the next rule but one lets the hash count.
//   - The peer was bonded then and is now, and Service Changed was enabled: the
//     table is valid, since the peer would have indicated a change.
//   - The entry has a hash: the hash must be read. A hash that was not computed from
//     the table counts only if the peer was bonded then and is now.
//   - The peer has neither Service Changed nor a hash: its table should never change,
//     but new firmware changes it. The table is valid if it is proved on this link.
//   - Otherwise the table was valid for one connection only.
func Decide(e *Entry, p Peer) Verdict {
	if e == nil || e.Profile == nil || len(e.Profile.Services) == 0 {
		return Rediscover
	}
	bonded := p.Bonded && e.Bonded
	switch {
	case p.HashRead && p.Hash != nil && e.Hash != nil && *p.Hash == *e.Hash:
		if bonded || e.HashComputed() {
			return Use
		}
	case p.HashRead && (p.Hash != nil || e.Hash != nil):
	case bonded && e.Subscribed && e.HasServiceChanged:
		return Use
	case e.Hash != nil:
		if bonded || e.HashComputed() {
			return ReadHash
		}
	case !e.HasServiceChanged && !p.ProofRead:
		return Prove
	case !e.HasServiceChanged && p.Proved:
		return Use
	}
	return Rediscover
}
