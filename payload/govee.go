package payload

import (
	"bytes"
	"slices"

	"github.com/moor-ble/moor/internal/wire"
)

// The broadcasts of Govee's thermometers. Govee publishes no document. The layouts
// are those on which receivers agree: govee-ble, ble_monitor and Theengs decoder. The
// company identifiers are mostly not Govee's own, so that a model is recognized by
// its identifier or name, and the length of the data.

// goveeTail ends data to which the firmware has glued an AD structure by mistake; the
// structure has goveeTailLen octets.
var goveeTail = []byte("INTELLI_ROCKS")

const goveeTailLen = 25

// companyNokia is the company identifier in the data of several models.
const companyNokia = 0x0001

// goveeModel is a row of the table of models. A payload has its length, and a company
// or a service of the model, or a name that contains one of its names.
type goveeModel struct {
	model     string
	length    int // without the company identifier
	companies []uint16
	service   uint16
	names     []string
	read      func(f *Frame, r *wire.Reader) bool
}

// decodeGovee decodes manufacturer data of a thermometer.
func (s *source) decodeGovee(content []byte) (f Frame, ok bool) {
	if len(content) > goveeTailLen && bytes.Contains(content, goveeTail) {
		content = content[:len(content)-goveeTailLen]
	}
	for i := range goveeModels {
		m := &goveeModels[i]
		if len(content) != m.length+2 {
			continue
		}
		r := wire.NewReader(content)
		model := s.matchGovee(m, r.U16())
		if model == "" {
			continue
		}
		if f, ok = m.readModel(model, r.Rest()); ok {
			return f, true
		}
	}
	return f, false
}

// readModel reads the data of a model. It is apart, so that only data of a known model
// costs memory.
func (m *goveeModel) readModel(model string, b []byte) (f Frame, ok bool) {
	f = Frame{Format: FormatGovee, Model: model}
	r := wire.NewReader(b)
	return f, m.read(&f, &r) && r.Err() == nil
}

// matchGovee returns the model of the device, "" if m is not. The name is more exact
// than the company.
func (s *source) matchGovee(m *goveeModel, company uint16) string {
	name := s.name()
	for _, known := range m.names {
		// As in GVH5075_2762, Govee_H5074_5FF4, GV5140303A and B51782BC8.
		if i := bytes.Index(name, []byte(known)); i > 0 && bytes.IndexByte([]byte("HVB"), name[i-1]) >= 0 {
			return "H" + known
		}
	}
	if company == companyNokia && len(name) > 0 && bytes.IndexByte([]byte("GB"), name[0]) < 0 {
		return "" // in use by others, too
	}
	if slices.Contains(m.companies, company) || m.service != 0 && s.lists(m.service) {
		return m.model
	}
	return ""
}

// goveeModels is the table of models. More exact rows come first.
var goveeModels = []goveeModel{
	{model: "H5072/H5075", length: 6, companies: []uint16{0xEC88}, names: []string{"5072", "5075", "5129"}, read: (*Frame).readGoveePacked1},
	{model: "H5106", length: 6, names: []string{"5106"}, read: (*Frame).readGoveeAir},
	{length: 6, names: []string{"5100", "5101", "5102", "5103", "5104", "5105", "5108", "5110", "5174", "5177", "5179"}, read: (*Frame).readGoveePacked2},
	{model: "H5074", length: 7, companies: []uint16{0xEC88}, names: []string{"5074"}, read: (*Frame).readGoveeWords1},
	{length: 8, names: []string{"5112"}, read: (*Frame).readGovee5112},
	{length: 8, names: []string{"5140"}, read: (*Frame).readGovee5140},
	{model: "H5108", length: 8, companies: []uint16{companyNokia}, names: []string{"5108"}, read: (*Frame).readGoveePacked2},
	{model: "H5179", length: 9, companies: []uint16{0x8801}, names: []string{"5179"}, read: (*Frame).readGoveeWords4},
	{model: "H5178", length: 9, companies: []uint16{companyNokia}, names: []string{"5178"}, read: (*Frame).readGovee5178},
	{model: "H5051", length: 9, companies: []uint16{0xEC88}, names: []string{"5051", "5052", "5071"}, read: (*Frame).readGoveeWords1},
	{model: "H5181", length: 14, companies: []uint16{0xF861, 0x388A, 0xEA42, 0xAAA2, 0xD14B}, service: 0x8151, names: []string{"5181"}, read: (*Frame).readGoveeProbe1},
	{model: "H5183", length: 14, companies: []uint16{0x67DD, 0xE02F, 0xF79F}, service: 0x8351, names: []string{"5183"}, read: (*Frame).readGoveeProbe1},
	{model: "H5182", length: 17, companies: []uint16{0x2730}, service: 0x8251, names: []string{"5182"}, read: (*Frame).readGoveeProbes2},
	{model: "H5184", length: 17, companies: []uint16{0x1B36}, service: 0x8451, names: []string{"5184"}, read: (*Frame).readGoveeProbes4},
	{model: "H5185", length: 20, companies: []uint16{0x4A32, 0x0332, 0x4C32}, service: 0x8551, names: []string{"5185"}, read: (*Frame).readGovee5185},
	{model: "H5191", length: 20, companies: []uint16{0xAC63}, service: 0x9151, names: []string{"5191"}, read: (*Frame).readGovee5191},
	{model: "H5198", length: 20, companies: []uint16{0x3022}, service: 0x9851, names: []string{"5198"}, read: (*Frame).readGovee5198},
	{model: "H5055", length: 20, service: 0x5550, names: []string{"5055"}, read: (*Frame).readGovee5055},
}
