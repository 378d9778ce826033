package gatt

import (
	"slices"

	"github.com/moor-ble/moor/internal/aescmac"
	"github.com/moor-ble/moor/internal/wire"
)

// databaseHash returns the Database Hash of attributes in ascending order (Vol
// 3, Part G, 7.3.1), as its value is sent.
func databaseHash(attrs []attribute) [16]byte {
	var m []byte
	for i := range attrs {
		m = attrs[i].appendHashed(m)
	}
	return sumHash(m)
}

// sumHash returns the Database Hash of its input m. It is a number of 128 bits (Vol 3,
// Part G, 7.3), so that its least significant octet is sent first (Vol 3, Part G, 2.4). The
// result of AES-CMAC begins with the most significant one, and BlueZ 5.82 sends it so.
func sumHash(m []byte) [16]byte {
	sum := aescmac.Sum([aescmac.Size]byte{}, m)
	slices.Reverse(sum[:])
	return sum
}

// appendHashed appends the input that an attribute adds to the hash: handle,
// type and value of a declaration; handle and type of another descriptor of the
// specification; nothing for any other attribute.
func (a *attribute) appendHashed(m []byte) []byte {
	t, ok := a.typ.Short()
	if !ok {
		return m
	}
	switch t {
	case typePrimaryService, typeSecondaryService, typeInclude, typeCharacteristic, typeExtendedProperties:
		m = wire.AppendU16(wire.AppendU16(m, uint16(a.handle)), t)
		return append(m, a.load()...)
	case typeUserDescription, typeCCCD, typeSCCD, typePresentationFormat, typeAggregateFormat:
		return wire.AppendU16(wire.AppendU16(m, uint16(a.handle)), t)
	}
	return m
}
