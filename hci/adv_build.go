package hci

import (
	"fmt"

	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// maxADContent is the longest content of an AD structure in octets. Its length octet
// counts the type octet too.
const maxADContent = 254

// AppendAD appends one AD structure. It truncates content to 254 octets.
func AppendAD(b []byte, typ ADType, content []byte) []byte {
	content = content[:min(len(content), maxADContent)]
	return append(append(b, uint8(len(content)+1), uint8(typ)), content...)
}

// AdvFields holds the fields of advertising data to build. A field with its zero
// value is omitted.
type AdvFields struct {
	Flags        uint8 // such as FlagGeneralDiscoverable | FlagNoBREDR
	Services     []uuid.UUID
	ServiceData  []ServiceData
	Manufacturer []ManufacturerData
	TxPower      *int8  // dBm
	Appearance   uint16 // Assigned Numbers, 2.6
	Name         string // the complete name
	ShortName    string // the beginning of the name, if the complete name does not fit
}

// Append appends the fields as AD structures in the order of the struct. UUIDs of 16
// bits are one list, all others a second one. It returns an error if the structures
// need more than limit octets (31 for legacy advertising), or if a field does not
// fit an AD structure at all.
func (f *AdvFields) Append(b []byte, limit int) ([]byte, error) {
	w := adWriter{b: b}
	if f.Flags != 0 {
		w.appendStructure(ADFlags, []byte{f.Flags})
	}
	var short, long []byte
	for _, u := range f.Services {
		if u.WireLen() == 2 {
			short = u.AppendWire(short)
		} else {
			long = u.AppendWire(long)
		}
	}
	if short != nil {
		w.appendStructure(ADServices16, short)
	}
	if long != nil {
		w.appendStructure(ADServices128, long)
	}
	for _, s := range f.ServiceData {
		typ := ADServiceData128
		if s.UUID.WireLen() == 2 {
			typ = ADServiceData16
		}
		w.appendStructure(typ, append(s.UUID.AppendWire(nil), s.Data...))
	}
	for _, m := range f.Manufacturer {
		w.appendStructure(ADManufacturer, append(wire.AppendU16(nil, m.Company), m.Data...))
	}
	if f.TxPower != nil {
		w.appendStructure(ADTxPower, []byte{uint8(*f.TxPower)})
	}
	if f.Appearance != 0 {
		w.appendStructure(ADAppearance, wire.AppendU16(nil, f.Appearance))
	}
	if f.ShortName != "" {
		w.appendStructure(ADShortName, []byte(f.ShortName))
	}
	if f.Name != "" {
		w.appendStructure(ADName, []byte(f.Name))
	}
	if w.err == nil && len(w.b)-len(b) > limit {
		w.err = fmt.Errorf("hci: advertising data needs %d octets, %d can be sent: shorten the name or move fields to the scan response", len(w.b)-len(b), limit)
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.b, nil
}

type adWriter struct {
	b   []byte
	err error
}

func (w *adWriter) appendStructure(typ ADType, content []byte) {
	if len(content) > maxADContent && w.err == nil {
		w.err = fmt.Errorf("hci: %d octets do not fit an AD structure of type 0x%02x, which takes %d", len(content), uint8(typ), maxADContent)
	}
	w.b = AppendAD(w.b, typ, content)
}
