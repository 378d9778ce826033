package gatt

import (
	"slices"

	"github.com/moor-ble/moor/internal/wire"
)

// withGeneric puts the services that every server has (Vol 3, Part C, 12, and
// Part G, 7) before those of the program, unless they are among them. They come
// first so that their handles, which clients cache the longest, do not change
// with the program's services.
func (c *ServerConfig) withGeneric(defs []ServiceDef) []ServiceDef {
	has := func(u UUID) bool {
		return slices.ContainsFunc(defs, func(d ServiceDef) bool { return d.UUID == u })
	}
	var all []ServiceDef
	if !c.DisableGAP && !has(UUID16(typeGenericAccess)) {
		all = append(all, c.genericAccess())
	}
	if !c.DisableGATT && !has(UUID16(typeGenericAttribute)) {
		all = append(all, genericAttribute())
	}
	return append(all, defs...)
}

func (c *ServerConfig) genericAccess() ServiceDef {
	d := ServiceDef{UUID: UUID16(typeGenericAccess), Characteristics: []CharDef{
		{UUID: UUID16(typeDeviceName), Properties: PropRead, Value: []byte(c.Name)},
		{UUID: UUID16(typeAppearance), Properties: PropRead, Value: wire.AppendU16(nil, c.Appearance), MinLen: 2, MaxLen: 2},
	}}
	if c.AddressResolution {
		d.Characteristics = append(d.Characteristics, CharDef{
			UUID: UUID16(typeAddressResolution), Properties: PropRead, Value: []byte{1}, MinLen: 1, MaxLen: 1,
		})
	}
	return d
}

func genericAttribute() ServiceDef {
	return ServiceDef{UUID: UUID16(typeGenericAttribute), Characteristics: []CharDef{
		{UUID: UUID16(typeServiceChanged), Properties: PropIndicate},
		{UUID: UUID16(typeClientSupportedFeatures), Properties: PropRead | PropWrite},
		{UUID: UUID16(typeDatabaseHash), Properties: PropRead},
		// The only server feature of the specification, enhanced bearers, depends
		// on the link: see PeerInfo.Enhanced.
		{UUID: UUID16(typeServerSupportedFeatures), Properties: PropRead, Value: []byte{0}},
	}}
}
