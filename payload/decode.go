package payload

import (
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// The 16-bit UUIDs of service data, and the company identifiers of manufacturer
// data.
const (
	serviceEnvironment = 0x181A // Environmental Sensing, which ATC_MiThermometer uses
	serviceBTHome      = 0xFCD2
	serviceXiaomi      = 0xFE95
	serviceEddystone   = 0xFEAA

	companyApple  = 0x004C
	companyXiaomi = 0x038F
	companyRuuvi  = 0x0499
)

// Decode returns the payloads in an advertisement and its scan response, one of which
// may be nil; nil if they have none in a known format. Device is the address of the
// device: nonces contain it, and keys are found by it. The frames alias neither data
// nor response.
//
// Decode does not remember anything: a device that repeats a payload gets the same
// frame again.
func Decode(device hci.Addr, data, response hci.AdvData, keys *Keys) []Frame {
	s := source{mac: device.MAC, keys: keys, data: data, response: response}
	for _, part := range [...]hci.AdvData{data, response} {
		for typ, content := range part.All() {
			switch typ {
			case hci.ADServiceData16:
				s.decodeServiceData(content)
			case hci.ADManufacturer:
				s.decodeManufacturerData(content)
			default:
			}
		}
	}
	return s.frames
}

// source is the advertisement that is decoded, and the frames found so far.
type source struct {
	mac            hci.MAC
	keys           *Keys
	data, response hci.AdvData
	frames         []Frame
}

// addFrame adds a frame, if there is one.
func (s *source) addFrame(f Frame, ok bool) {
	if ok {
		f.numberReadings()
		s.frames = append(s.frames, f)
	}
}

func (s *source) decodeServiceData(content []byte) {
	r := wire.NewReader(content)
	switch r.U16() {
	case serviceBTHome:
		s.addFrame(s.decodeBTHome(r.Rest()))
	case serviceEnvironment:
		s.addFrame(s.decodeATC(content))
	case serviceXiaomi:
		s.addFrame(s.decodeMiBeacon(r.Rest()))
	case serviceEddystone:
		s.addFrame(decodeEddystone(r.Rest()))
	}
}

func (s *source) decodeManufacturerData(content []byte) {
	r := wire.NewReader(content)
	switch r.U16() {
	case companyRuuvi:
		if f, ok := decodeRuuvi(r.Rest()); ok {
			s.addFrame(f, true)
			return
		}
	case companyXiaomi:
		s.addFrame(s.decodeMiBeacon(r.Rest()))
		return
	case companyApple:
		s.addFrame(decodeIBeacon(r.Rest()))
		return
	}
	// Govee and Inkbird have no company identifier: Govee takes those of others, and
	// Inkbird puts values there.
	if f, ok := s.decodeInkbird(content); ok {
		s.addFrame(f, true)
		return
	}
	s.addFrame(s.decodeGovee(content))
}

// name returns the name in the advertisement or scan response, as it is on air.
func (s *source) name() []byte {
	var short []byte
	for _, part := range [...]hci.AdvData{s.response, s.data} {
		for typ, content := range part.All() {
			switch {
			case typ == hci.ADName && len(content) > 0:
				return content
			case typ == hci.ADShortName && short == nil:
				short = content
			}
		}
	}
	return short
}

// lists reports whether the advertisement or the scan response lists a service.
func (s *source) lists(service uint16) bool {
	u := uuid.From16(service)
	return s.data.HasService(u) || s.response.HasService(u)
}
