package gatt

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/moor-ble/moor/gatt/att"
)

// More attribute types, as 16-bit assigned numbers.
const (
	typeExtendedProperties = 0x2900
	typeUserDescription    = 0x2901
	typeSCCD               = 0x2903 // Server Characteristic Configuration
	typePresentationFormat = 0x2904
	typeAggregateFormat    = 0x2905

	typeGenericAccess           = 0x1800
	typeDeviceName              = 0x2A00
	typeAppearance              = 0x2A01
	typeAddressResolution       = 0x2AA6 // Central Address Resolution
	typeServerSupportedFeatures = 0x2B3A
)

// role marks attributes whose value depends on the client or is the server's
// own.
type role uint8

const (
	rolePlain          role = iota
	roleCCCD                // kept by the session
	roleFeatures            // Client Supported Features, kept by the session
	roleHash                // Database Hash
	roleServerFeatures      // Server Supported Features, which depend on the link
)

// attribute is one row of the table. Only the target of value changes.
type attribute struct {
	handle att.Handle
	typ    UUID
	end    att.Handle // last handle of the group that a declaration begins, else handle
	role   role

	readable bool
	writable bool // by Write Request and prepared writes
	commands bool // by Write Command
	signed   bool // by Signed Write Command
	perms    Permissions
	minLen   int
	maxLen   int

	value     *atomic.Pointer[[]byte] // the slice is replaced, never written to
	read      func(context.Context, *ReadRequest) ([]byte, error)
	write     func(context.Context, *WriteRequest) error
	subscribe func(context.Context, *SubscribeRequest) error

	char  UUID       // of a CCCD: the characteristic
	owner att.Handle // of a CCCD: the value
	queue int        // of a value: CharDef.NotifyQueue
	wait  bool       // of a value: CharDef.NotifyWait
	cccd  att.Handle // of a value: its CCCD, or HandleNone
	props Properties // of a CCCD: the bits that may be set
}

// load returns the value in the table, which must not be modified.
func (a *attribute) load() []byte {
	if v := a.value.Load(); v != nil {
		return *v
	}
	return nil
}

// store replaces the value in the table by v, which must not be modified
// afterwards.
func (a *attribute) store(v []byte) { a.value.Store(&v) }

// fixed reports whether all values have the same length.
func (a *attribute) fixed() bool { return a.minLen == a.maxLen }

// table is the current table of a server. It is built completely and then
// replaced, so that all sessions, on any loop, read it without a lock.
type table struct {
	gen     uint64          // counts the changes of which clients must learn
	changed att.HandleRange // since the previous generation
	attrs   []attribute     // ascending by handle
	profile Profile
	hash    [16]byte

	// Value handles in the Generic Attribute service; HandleNone if it has no
	// such characteristic.
	serviceChanged att.Handle
	features       att.Handle
	hashValue      att.Handle
}

// attributeAt returns the attribute with a handle, or nil.
func (t *table) attributeAt(h att.Handle) *attribute {
	i, ok := t.search(h)
	if !ok {
		return nil
	}
	return &t.attrs[i]
}

// search returns the index of the attribute with a handle, or where it would be.
func (t *table) search(h att.Handle) (i int, ok bool) {
	return sort.Find(len(t.attrs), func(i int) int { return cmp.Compare(h, t.attrs[i].handle) })
}

// within returns the attributes whose handles lie in a range.
func (t *table) within(r att.HandleRange) []attribute {
	first, _ := t.search(r.Start)
	last, found := t.search(r.End)
	if found {
		last++
	}
	return t.attrs[first:max(first, last)]
}

// inherit takes over the values of the attributes in a range that an older table
// has too.
func (t *table) inherit(old *table, r att.HandleRange) {
	attrs := t.within(r)
	for i := range attrs {
		a := &attrs[i]
		if o := old.attributeAt(a.handle); o != nil && o.typ == a.typ && o.role == a.role && !a.isDeclaration() {
			a.value = o.value
		}
	}
}

// robust reports whether clients can enable robust caching (Vol 3, Part G,
// 2.5.2.1).
func (t *table) robust() bool {
	return t.serviceChanged != att.HandleNone && t.features != att.HandleNone && t.hashValue != att.HandleNone
}

// difference returns the range around the services that differ between both
// tables; the zero range if none does.
func difference(old, now *table) att.HandleRange {
	var r att.HandleRange
	widen := func(s *Service) { r = union(r, s.Range()) }
	was := make(map[att.Handle]*Service, len(old.profile.Services))
	for i := range old.profile.Services {
		s := &old.profile.Services[i]
		was[s.Handle] = s
	}
	for i := range now.profile.Services {
		s := &now.profile.Services[i]
		o := was[s.Handle]
		if o != nil && o.End == s.End && sameAttributes(old.within(s.Range()), now.within(s.Range())) {
			delete(was, s.Handle)
			continue
		}
		widen(s)
	}
	for _, s := range was {
		widen(s)
	}
	return r
}

// sameAttributes reports whether clients discover the same attributes,
// regardless of values.
func sameAttributes(a, b []attribute) bool {
	return slices.EqualFunc(a, b, func(x, y attribute) bool {
		return x.handle == y.handle && x.typ == y.typ && slices.Equal(x.appendHashed(nil), y.appendHashed(nil))
	})
}

// union returns the smallest range around both. The zero range is empty.
func union(a, b att.HandleRange) att.HandleRange {
	switch {
	case !a.Valid():
		return b
	case !b.Valid():
		return a
	}
	return att.HandleRange{Start: min(a.Start, b.Start), End: max(a.End, b.End)}
}
