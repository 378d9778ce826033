package peripheral

import (
	"fmt"

	"github.com/moor-ble/moor/hci"
)

// Address is the own address of a peripheral. The zero Address is a static random
// address that is derived from the name, so that it is the same wherever the description
// runs.
type Address struct {
	// Addr is a static random or a public address in place of the derived one. A public
	// address is that of a simulated controller; a real controller must have it.
	Addr hci.Addr
	// Public selects the public address of the controller, whichever it is.
	Public bool
	// Resolvable uses resolvable private addresses; the identity is Addr or the derived one.
	Resolvable bool
}

// String returns the form that UnmarshalText reads.
func (a Address) String() string {
	switch {
	case a.Resolvable:
		return "resolvable"
	case a.Public:
		return "public"
	case a.Addr == hci.Addr{}:
		return "static"
	}
	return a.Addr.String()
}

// MarshalText returns the form of String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads public, static, resolvable, or an address with or without its kind.
// Without the kind, an address whose two highest bits are set is static random.
func (a *Address) UnmarshalText(b []byte) error {
	switch string(b) {
	case "public":
		*a = Address{Public: true}
		return nil
	case "static", "random":
		*a = Address{}
		return nil
	case "resolvable":
		*a = Address{Resolvable: true}
		return nil
	}
	addr, known, err := hci.ParseAddrKind(string(b))
	if err != nil {
		return fmt.Errorf("address %q: write public, static, resolvable, or an address such as C0:FF:EE:00:00:01", b)
	}
	if !known {
		addr.Kind = hci.AddrPublic
		if (hci.Addr{MAC: addr.MAC, Kind: hci.AddrRandom}).IsStatic() {
			addr.Kind = hci.AddrRandom
		}
	}
	if addr.Kind == hci.AddrRandom && !addr.IsStatic() {
		return fmt.Errorf("address %q is random and not static: the first octet of a static address is C0 to FF", b)
	}
	*a = Address{Addr: addr}
	return nil
}

// Own returns the address that the description means; the zero Addr is the public address
// of the controller.
func (d *Description) Own() hci.Addr {
	if d.Address.Addr != (hci.Addr{}) || d.Address.Public {
		return d.Address.Addr
	}
	h := uint64(14695981039346656037)
	for _, c := range []byte(d.Name) { // FNV-1a
		h = (h ^ uint64(c)) * 1099511628211
	}
	a := hci.Addr{Kind: hci.AddrRandom}
	for i := range a.MAC {
		a.MAC[i] = byte(h >> (8 * i))
	}
	a.MAC[5] |= 0xC0
	return a
}
