package smp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/moor-ble/moor/hci"
)

// recordVersion is the version of the files. Files of another version are refused.
const recordVersion = 1

// secret is a key in a file: hexadecimal digits, most significant octet first, as the
// specification and other stacks write keys.
type secret Key

func (s secret) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, reversed(s[:])), nil
}

func (s *secret) UnmarshalText(b []byte) error {
	k, err := hex.DecodeString(string(b))
	if err != nil || len(k) != len(s) {
		return fmt.Errorf("a key must be %d hexadecimal digits", 2*len(s))
	}
	copy(s[:], reversed(k))
	return nil
}

func (s secret) IsZero() bool { return Key(s).IsZero() }

// identityRecord is the file of the local identity.
type identityRecord struct {
	Version int      `json:"version"`
	Addr    hci.Addr `json:"address"`
	Binding string   `json:"binding"`
	IRK     secret   `json:"irk"`
}

// bondRecord is the file of a bond, and an element of an export.
type bondRecord struct {
	Version           int        `json:"version"`
	Local             hci.Addr   `json:"local"`
	Peer              hci.Addr   `json:"peer"`
	Created           time.Time  `json:"created"`
	Authenticated     bool       `json:"authenticated"`
	SecureConnections bool       `json:"secure_connections"`
	KeySize           int        `json:"key_size"`
	Central           *keyRecord `json:"central_key,omitempty"`
	Peripheral        *keyRecord `json:"peripheral_key,omitempty"`
	IRK               secret     `json:"irk,omitzero"`
	GaveIRK           bool       `json:"gave_irk,omitzero"`
	PeerCSRK          secret     `json:"peer_csrk,omitzero"`
	PeerCounter       uint32     `json:"peer_sign_counter,omitzero"`
	LocalCSRK         secret     `json:"local_csrk,omitzero"`
	LocalCounter      uint32     `json:"local_sign_counter,omitzero"`
}

type keyRecord struct {
	Key  secret `json:"ltk"`
	EDIV uint16 `json:"ediv"`
	Rand string `json:"rand"`
}

func (r *identityRecord) version() int { return r.Version }
func (r *bondRecord) version() int     { return r.Version }

func decodeRecord(b []byte, record any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(record); err != nil {
		return err
	}
	if v, ok := record.(interface{ version() int }); ok && v.version() != recordVersion {
		return errVersion(v.version())
	}
	return nil
}

func errVersion(v int) error {
	return fmt.Errorf("version %d is not supported, this program reads version %d", v, recordVersion)
}

func newBondRecord(b *Bond, local Identity) *bondRecord {
	key := func(k *LongTermKey) *keyRecord {
		if k == nil {
			return nil
		}
		return &keyRecord{Key: secret(k.Key), EDIV: k.EDIV, Rand: hex.EncodeToString(k.Rand[:])}
	}
	return &bondRecord{
		Version: recordVersion, Local: local.Addr, Peer: b.Peer, Created: b.Created.UTC().Truncate(time.Second),
		Authenticated: b.Authenticated, SecureConnections: b.SecureConnections, KeySize: b.KeySize,
		Central: key(b.Central), Peripheral: key(b.Peripheral), IRK: secret(b.IRK), GaveIRK: b.GaveIRK,
		PeerCSRK: secret(b.PeerCSRK), PeerCounter: b.PeerCounter,
		LocalCSRK: secret(b.LocalCSRK), LocalCounter: b.LocalCounter,
	}
}

// toBond validates a record as untrusted input.
func (r *bondRecord) toBond(local Identity) (*Bond, error) {
	switch {
	case r.Version != recordVersion:
		return nil, errVersion(r.Version)
	case r.Local != local.Addr:
		return nil, fmt.Errorf("the bond belongs to the local identity %v, not to %v", r.Local, local.Addr)
	case r.Peer.Identity() != r.Peer || r.Peer.Kind > hci.AddrRandom:
		return nil, fmt.Errorf("%v is not an identity address", r.Peer)
	case r.KeySize < keySizeMin || r.KeySize > keySizeMax:
		return nil, fmt.Errorf("key size of %d octets, outside 7 to 16", r.KeySize)
	}
	b := &Bond{
		Peer: r.Peer, Created: r.Created,
		Authenticated: r.Authenticated, SecureConnections: r.SecureConnections, KeySize: r.KeySize,
		IRK: Key(r.IRK), GaveIRK: r.GaveIRK, PeerCSRK: Key(r.PeerCSRK), PeerCounter: r.PeerCounter,
		LocalCSRK: Key(r.LocalCSRK), LocalCounter: r.LocalCounter,
	}
	for _, k := range [...]struct {
		from *keyRecord
		to   **LongTermKey
	}{{r.Central, &b.Central}, {r.Peripheral, &b.Peripheral}} {
		if k.from == nil {
			continue
		}
		ltk := &LongTermKey{Key: Key(k.from.Key), EDIV: k.from.EDIV}
		rand, err := hex.DecodeString(k.from.Rand)
		if err != nil || copy(ltk.Rand[:], rand) != len(rand) || len(rand) != len(ltk.Rand) {
			return nil, fmt.Errorf("rand must be %d hexadecimal digits", 2*len(ltk.Rand))
		}
		if ltk.Key.IsZero() {
			return nil, errZeroKey
		}
		*k.to = ltk
	}
	return b, nil
}

// Export writes the bonds with the peers, or all bonds if there are no peers, as JSON
// for a backup. The output contains the keys in plain text, which decrypt every link
// with these peers: protect it like passwords.
func Export(w io.Writer, s Store, peers ...hci.Addr) error {
	var out []*bondRecord
	for _, b := range s.All() {
		if len(peers) == 0 || containsAddr(peers, b.Peer) {
			out = append(out, newBondRecord(b, s.Identity()))
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "\t")
	return enc.Encode(out)
}

func containsAddr(peers []hci.Addr, a hci.Addr) bool {
	for _, p := range peers {
		if p.Identity() == a {
			return true
		}
	}
	return false
}

// Import saves the bonds that Export has written, and returns their number. It saves
// none unless all are valid and belong to the local identity of s: the peers would not
// recognize this host under another one. If Save fails, Import returns the number of
// bonds that were saved before.
func Import(r io.Reader, s Store) (int, error) {
	var in []*bondRecord
	if err := json.NewDecoder(r).Decode(&in); err != nil {
		return 0, fmt.Errorf("smp: import: %w", err)
	}
	bonds := make([]*Bond, 0, len(in))
	for i, rec := range in {
		if rec == nil {
			return 0, fmt.Errorf("smp: import: bond %d is null", i+1)
		}
		b, err := rec.toBond(s.Identity())
		if err != nil {
			return 0, fmt.Errorf("smp: import: bond %d: %w", i+1, err)
		}
		bonds = append(bonds, b)
	}
	for i, b := range bonds {
		if err := s.Save(b); err != nil {
			return i, err
		}
	}
	return len(bonds), nil
}
