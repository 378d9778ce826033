package gatt

import (
	"github.com/moor-ble/moor/internal/aescmac"
	"github.com/moor-ble/moor/internal/wire"
)

// databaseHash returns the Database Hash of attributes that stand in ascending
// order (Vol 3, Part G, 7.3.1). Its octets are in the order of AES-CMAC, as
// clients must not look into it anyway.
func databaseHash(attrs []attribute) [16]byte {
	var m []byte
	for i := range attrs {
		m = attrs[i].appendHashed(m)
	}
	return aescmac.Sum([aescmac.Size]byte{}, m)
}

// appendHashed appends what an attribute adds to the input of the hash: handle,
// type and value of declarations; handle and type of other descriptors of the
// profile; nothing for all others.
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
