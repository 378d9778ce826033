// Package assigned has the names of the numbers that the Bluetooth SIG assigns: UUIDs
// of services, characteristics, descriptors and members, company identifiers,
// appearance values and versions of the Core specification.
//
// The tables are text files under tables, which gen/gen.py writes. Its sources, both
// under the MIT license, are the SIG's own lists as published in the PyPI package
// bluetooth-sig 0.6.0 (June 2026), and well-known 128-bit UUIDs of vendors from
// bluetooth-numbers 1.1.2.
package assigned

import (
	_ "embed" // the tables
	"fmt"
	"strings"

	"github.com/moor-ble/moor/uuid"
)

//go:generate python3 gen/gen.py

// The tables: sorted, a line for each number with its digits and then its name.
var (
	//go:embed tables/services.txt
	services string
	//go:embed tables/characteristics.txt
	characteristics string
	//go:embed tables/descriptors.txt
	descriptors string
	//go:embed tables/members.txt
	members string
	//go:embed tables/vendor_services.txt
	vendorServices string
	//go:embed tables/vendor_characteristics.txt
	vendorCharacteristics string
	//go:embed tables/companies.txt
	companies string
	//go:embed tables/appearances.txt
	appearances string
	//go:embed tables/versions.txt
	versions string
)

// Service returns the name of a service, "" if it is not known. The name of a UUID
// that the SIG has assigned to a member is that of the member.
func Service(u uuid.UUID) string { return nameOf(u, vendorServices, services, members) }

// Characteristic returns the name of a characteristic, "" if it is not known.
func Characteristic(u uuid.UUID) string {
	return nameOf(u, vendorCharacteristics, characteristics, members)
}

// Descriptor returns the name of a descriptor or of a declaration, "" if it is
// not known.
func Descriptor(u uuid.UUID) string { return nameOf(u, "", descriptors) }

// UUID returns the name of u as a service, a characteristic or a descriptor; "" if it
// is not known.
func UUID(u uuid.UUID) string {
	for _, of := range []func(uuid.UUID) string{Service, Characteristic, Descriptor} {
		if n := of(u); n != "" {
			return n
		}
	}
	return ""
}

// FindAttribute returns the UUID of the characteristic or descriptor with a name, in letters of
// either case; ok is false if none has it. It reads the tables line by line.
func FindAttribute(name string) (u uuid.UUID, ok bool) {
	if name == "" {
		return u, false
	}
	for _, t := range []struct {
		table string
		width int // of the key, in digits
	}{{characteristics, 4}, {descriptors, 4}, {vendorCharacteristics, 32}} {
		for line := range strings.Lines(t.table) {
			if line = strings.TrimSuffix(line, "\n"); len(line) > t.width && strings.EqualFold(line[t.width:], name) {
				u, err := uuid.Parse(line[:t.width])
				return u, err == nil
			}
		}
	}
	return u, false
}

// Company returns the name of a company identifier, "" if it is not known.
func Company(id uint16) string { return findName(companies, key16(id)) }

// Appearance returns the name of an appearance value, such as "Sports Watch". For an
// unknown value of a known category it returns the name of the category, otherwise ""
// (Assigned Numbers, 2.6: the category is in the upper 10 bits).
func Appearance(v uint16) string {
	if n := findName(appearances, key16(v)); n != "" {
		return n
	}
	return findName(appearances, key16(v&^0x3F))
}

// Version returns the version of the Core specification with the assigned number v,
// such as "5.4"; "" if it is not known.
func Version(v uint8) string { return findName(versions, key16(uint16(v))) }

// nameOf looks u up in the tables of short UUIDs if u has a short form, otherwise in
// the table of long ones.
func nameOf(u uuid.UUID, long string, short ...string) string {
	v, ok := u.Short()
	if !ok {
		return findName(long, fmt.Sprintf("%X", u[:]))
	}
	for _, table := range short {
		if n := findName(table, key16(v)); n != "" {
			return n
		}
	}
	return ""
}

func key16(v uint16) string { return fmt.Sprintf("%04X", v) }

// findName searches the sorted lines of table for the one that begins with key, and
// returns the rest of that line. It halves the text, not a list of lines, so that a
// table takes no memory besides its text.
func findName(table, key string) string {
	for table != "" {
		start := strings.LastIndexByte(table[:len(table)/2], '\n') + 1
		line, after, _ := strings.Cut(table[start:], "\n")
		switch {
		case strings.HasPrefix(line, key):
			return line[len(key):]
		case line < key:
			table = after
		default:
			table = table[:start]
		}
	}
	return ""
}
