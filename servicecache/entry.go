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
	// Bonded reports whether the table is from a link that was encrypted with the keys of a
	// bond, or on which the bond was made later.
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
// of a Characteristic Extended Properties descriptor; and if the table lacks a Client
// Characteristic Configuration that the device may have.
//
// The key of the hash is public: a table whose UUIDs are chosen for that can have any hash.
func (e *Entry) HashComputed() bool {
	return e.Profile != nil && e.Hash != nil && e.Hash.Proves(e.Profile)
}

// Proves reports whether h is the hash of the table p, in either order of the octets
// and with or without the Client Characteristic Configuration descriptors, which
// BlueZ 5.82 leaves out. Such a hash also fits a table whose descriptors were not read:
// it proves none that lacks a configuration for which there is room.
func (h Hash) Proves(p *gatt.Profile) bool {
	equal, ok := h.compare(p)
	return ok && equal
}

// Refutes reports whether h is not the hash of the table p. A table whose hash cannot
// be computed is neither proved nor refuted, nor is one that may lack configurations if
// the hash is its own.
func (h Hash) Refutes(p *gatt.Profile) bool {
	equal, ok := h.compare(p)
	return ok && !equal
}

// compare reports whether h is the hash of the table p; ok is false if that is not
// known.
func (h Hash) compare(p *gatt.Profile) (equal, ok bool) {
	for _, q := range []*gatt.Profile{p, withoutCCCDs(p)} {
		own, ok := q.Hash()
		if !ok {
			return false, false
		}
		turned := own
		slices.Reverse(turned[:])
		if h == own || h == turned {
			complete := !mayLackCCCD(p)
			return complete, complete
		}
	}
	return false, true
}

// cccd is the type of the Client Characteristic Configuration.
var cccd = gatt.UUID16(0x2902)

// mayLackCCCD reports whether a characteristic that notifies or indicates has no
// configuration, although there is a handle for it that no other descriptor has.
func mayLackCCCD(p *gatt.Profile) bool {
	for i := range p.Services {
		for j := range p.Services[i].Characteristics {
			c := &p.Services[i].Characteristics[j]
			has := slices.ContainsFunc(c.Descriptors, func(d gatt.Descriptor) bool { return d.UUID == cccd })
			if c.Properties&(gatt.PropNotify|gatt.PropIndicate) != 0 && !has && len(c.Descriptors) < int(c.End-c.Value) {
				return true
			}
		}
	}
	return false
}

func withoutCCCDs(p *gatt.Profile) *gatt.Profile {
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
	// whether the peer has the services of the table.
	ProofRead, Proved bool
}

// Verdict is the decision about a table from the cache.
type Verdict uint8

// The verdicts.
const (
	Rediscover Verdict = iota // drop the table and discover it anew
	Use                       // the table is valid
	ReadHash                  // read the Database Hash, then decide again
	Prove                     // compare the services, then decide again; see gatt.Client.ProveProfile
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
//   - The entry has a hash: the hash must be read. It counts if the peer was bonded then
//     and is now, or if it was computed from the table and the peer is not bonded: the
//     table of a peer that was not bonded may be from another device.
//   - The peer has neither Service Changed nor a hash: its table should never change,
//     but new firmware changes it. The table is valid if it is proved on this link: all
//     services before its first use, and each attribute before the first use of that.
//   - Otherwise the table was valid for one connection only.
func Decide(e *Entry, p Peer) Verdict {
	if e == nil || e.Profile == nil || len(e.Profile.Services) == 0 {
		return Rediscover
	}
	bonded := p.Bonded && e.Bonded
	counts := bonded || !p.Bonded && e.HashComputed()
	switch {
	case p.HashRead && p.Hash != nil && e.Hash != nil && *p.Hash == *e.Hash:
		if counts {
			return Use
		}
	case p.HashRead && (p.Hash != nil || e.Hash != nil):
	case bonded && e.Subscribed && e.HasServiceChanged:
		return Use
	case e.Hash != nil:
		if counts {
			return ReadHash
		}
	case !e.HasServiceChanged && !p.ProofRead:
		return Prove
	case !e.HasServiceChanged && p.Proved:
		return Use
	}
	return Rediscover
}
