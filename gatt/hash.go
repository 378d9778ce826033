package gatt

import (
	"github.com/moor-ble/moor/internal/aescmac"
	"github.com/moor-ble/moor/internal/wire"
)

// databaseHash returns the Database Hash of attributes in ascending order (Vol
// 3, Part G, 7.3.1). Its octets are in the order of AES-CMAC; clients do not
// interpret them.
func databaseHash(attrs []attribute) [16]byte {
	var m []byte
	for i := range attrs {
		m = attrs[i].appendHashed(m)
	}
	return aescmac.Sum([aescmac.Size]byte{}, m)
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
