package servicecache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
)

// A record is a line of text, then JSON, so that any text viewer shows it:
//
//	moor-gatt-cache <version> <kind> <SHA-256 of the rest, in hex>
const (
	magic = "moor-gatt-cache"
	// version 1 had descriptors in its tables that nobody had asked for. version 2 called
	// tables those of a bonded peer that were from before the bond, or from another peer.
	version = 3
	// maxRecord bounds a record, in octets. A table of all 65535 handles is smaller.
	maxRecord = 16 << 20
)

// Kinds of record.
const (
	kindTable = "table"
	kindPeer  = "peer"
)

// errVersion says that another version of this package wrote a record: a miss, but
// no damage.
var errVersion = errors.New("record of another version")

// peerRecord is the record of a peer: its entry, with the digest of the table in
// place of the table.
type peerRecord struct {
	Table             string    `json:"table"`
	Hash              *Hash     `json:"hash,omitempty"`
	HasServiceChanged bool      `json:"has_service_changed"`
	Bonded            bool      `json:"bonded"`
	Subscribed        bool      `json:"subscribed"`
	MTU               int       `json:"mtu,omitempty"`
	Firmware          string    `json:"firmware,omitempty"`
	Discovered        time.Time `json:"discovered"`
}

func (p *peerRecord) entry(table *gatt.Profile) *Entry {
	return &Entry{
		Profile: table, Hash: p.Hash, HasServiceChanged: p.HasServiceChanged, Bonded: p.Bonded,
		Subscribed: p.Subscribed, MTU: p.MTU, Firmware: p.Firmware, Discovered: p.Discovered,
	}
}

func encode(kind string, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("servicecache: encode %s: %w", kind, err)
	}
	body = append(body, '\n')
	if len(body) > maxRecord {
		return nil, fmt.Errorf("servicecache: a %s of %d octets is too large to store: at most %d are allowed", kind, len(body), maxRecord)
	}
	return fmt.Appendf(nil, "%s %d %s %s\n%s", magic, version, kind, digest(body), body), nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// decode checks a record and reads it into v.
func decode(kind string, b []byte, v any) error {
	head, body, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return errors.New("record without a first line")
	}
	var gotMagic, gotKind, sum string
	var gotVersion int
	if _, err := fmt.Sscanf(string(head), "%s %d %s %s", &gotMagic, &gotVersion, &gotKind, &sum); err != nil || gotMagic != magic {
		return fmt.Errorf("record begins with %.40q", head)
	}
	switch {
	case gotVersion != version:
		return fmt.Errorf("version %d: %w", gotVersion, errVersion)
	case gotKind != kind:
		return fmt.Errorf("record is a %q, want a %s", gotKind, kind)
	case sum != digest(body):
		return errors.New("record does not match its checksum")
	case string(head) != fmt.Sprintf("%s %d %s %s", magic, version, kind, sum):
		return fmt.Errorf("record begins with %.40q", head)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

func decodeTable(b []byte) (*gatt.Profile, error) {
	var p gatt.Profile
	if err := decode(kindTable, b, &p); err != nil {
		return nil, err
	}
	if err := checkHandles(&p); err != nil {
		return nil, err
	}
	return &p, nil
}

// checkHandles checks the order that users of a table depend on: handles ascend,
// and lie within their service and characteristic.
func checkHandles(p *gatt.Profile) error {
	last := att.HandleNone
	next := func(h, within, end att.Handle) error {
		if h <= last || h < within || h > end {
			return fmt.Errorf("servicecache: handle %s follows %s in %s-%s", h, last, within, end)
		}
		last = h
		return nil
	}
	for i := range p.Services {
		s := &p.Services[i]
		if err := next(s.Handle, att.HandleMin, att.HandleMax); err != nil {
			return err
		}
		if s.End < s.Handle {
			return fmt.Errorf("servicecache: service %s ends at %s", s.Handle, s.End)
		}
		for _, inc := range s.Includes {
			if err := next(inc.Handle, s.Handle, s.End); err != nil {
				return err
			}
		}
		for j := range s.Characteristics {
			c := &s.Characteristics[j]
			if err := errors.Join(next(c.Handle, s.Handle, s.End), next(c.Value, s.Handle, s.End)); err != nil {
				return err
			}
			if c.End < c.Value || c.End > s.End {
				return fmt.Errorf("servicecache: characteristic %s ends at %s", c.Handle, c.End)
			}
			for _, d := range c.Descriptors {
				if err := next(d.Handle, c.Handle, c.End); err != nil {
					return err
				}
			}
			last = max(last, c.End)
		}
		last = max(last, s.End)
	}
	return nil
}
