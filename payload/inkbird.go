package payload

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/internal/wire"
)

// The broadcasts of Inkbird's thermometers. Inkbird publishes no document. The layouts
// are those on which receivers agree: inkbird-ble, ble_monitor and Theengs decoder.
// The data begins where others have their company identifier, so that the models are
// recognized by length, and by their name or, if a passive scan does not get it, by
// their service.

// inkbirdRooms are the names of the room thermometers.
var inkbirdRooms = []string{"IBS-P02B", "ITH-11-B", "ITH-13-B", "ITH-21-B"}

// inkbirdService is the service that the thermometers list.
const inkbirdService = 0xFFF0

// The lengths of the data of the models.
const (
	inkbirdPoolLen = 9  // IBS-TH, named sps, and IBS-TH2, named tps
	inkbirdRoomLen = 18 // inkbirdRooms
	inkbirdAirLen  = 17 // IAM-T2
	// inkbirdProbesAt is where the temperatures of barbecue thermometers begin, behind
	// an address. There are 1, 2, 4 or 6.
	inkbirdProbesAt = 10
)

// decodeInkbird decodes manufacturer data of a thermometer.
func (s *source) decodeInkbird(content []byte) (f Frame, ok bool) {
	f.Format = FormatInkbird
	probes := (len(content) - inkbirdProbesAt) / 2
	switch {
	case len(content) == inkbirdPoolLen:
		return f, f.readInkbirdPool(s, content)
	case len(content) == inkbirdAirLen:
		return f, f.readInkbirdAir(content)
	case len(content) == inkbirdRoomLen && f.readInkbirdRoom(s, content):
		return f, true
	case len(content)%2 == 0 && (probes == 1 || probes == 2 || probes == 4 || probes == 6):
		return f, f.readInkbirdProbes(content, probes, s.name())
	}
	return f, false
}

// readInkbirdPool reads a thermometer with or without an external probe. A check ends
// the values: the CRC of Modbus.
func (f *Frame) readInkbirdPool(s *source, content []byte) bool {
	humid, dry := bytes.EqualFold(s.name(), []byte("sps")), bytes.EqualFold(s.name(), []byte("tps"))
	if !humid && !dry && !s.lists(inkbirdService) {
		return false
	}
	r := wire.NewReader(content)
	t, humidity, probe := int16(r.U16()), r.U16(), r.U8()
	if check := r.U16(); check != modbusCRC(content[:5]) {
		return false
	}
	battery := r.U8()
	if humidity > 10000 || battery > 100 {
		return false
	}
	switch {
	case humid:
		f.Model = "IBS-TH"
	case dry:
		f.Model = "IBS-TH2"
	}
	reading := Reading{Kind: Temperature, Value: decimal(int64(t), 2), Unit: celsius}
	if probe != 0 {
		reading.Index = 1 // the external probe
	}
	f.add(reading)
	if humid || humidity != 0 { // 0 of a model without the sensor
		f.addNumber(Humidity, int64(humidity), 2, percent)
	}
	f.addNumber(Battery, int64(battery), 0, percent)
	return true
}

// modbusCRC returns the CRC-16 of Modbus.
func modbusCRC(b []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, v := range b {
		crc ^= uint16(v)
		for range 8 {
			low := crc & 1
			if crc >>= 1; low != 0 {
				crc ^= 0xA001
			}
		}
	}
	return crc
}

// readInkbirdRoom reads a room thermometer. Its data begins with "I$", which is no
// company.
func (f *Frame) readInkbirdRoom(s *source, content []byte) bool {
	name := s.name()
	for _, known := range inkbirdRooms {
		if strings.EqualFold(known, string(name)) {
			f.Model = known
		}
	}
	r := wire.NewReader(content)
	if other := string(r.Bytes(2)) != "I$" || !s.lists(inkbirdService); f.Model == "" && other {
		return false
	}
	r.Skip(4)
	t, humidity, battery := int16(r.U16()), r.U16(), r.U8()
	if humidity > 1000 || battery > 100 {
		return false
	}
	f.addNumber(Temperature, int64(t), 1, celsius)
	if humidity != 0 {
		f.addNumber(Humidity, int64(humidity), 1, percent)
	}
	f.addNumber(Battery, int64(battery), 0, percent)
	return true
}

// readInkbirdAir reads a monitor of carbon dioxide, whose data begins with "T2" and
// its address. Numbers are big-endian. The octet at the end is not understood.
func (f *Frame) readInkbirdAir(content []byte) bool {
	r := wire.NewReader(content)
	if string(r.Bytes(2)) != "T2" || r.BE16() != 0x0062 {
		return false
	}
	r.Skip(5)
	status := r.U8()
	t, humidity, co2 := int64(int16(r.BE16())), r.BE16(), r.BE16()
	if humidity > 1000 {
		return false
	}
	f.Model = "IAM-T2"
	if status&2 != 0 { // in °F
		f.add(Reading{Kind: Temperature, Value: float64(t-320) / 18, Unit: celsius})
	} else {
		f.addNumber(Temperature, t, 1, celsius)
	}
	f.addNumber(Humidity, int64(humidity), 1, percent)
	f.addNumber(CO2, int64(co2), 0, ppm)
	return true
}

// readInkbirdProbes reads the probes of a barbecue thermometer, iBBQ or xBBQ. A probe
// that is not plugged in has the number -1.
func (f *Frame) readInkbirdProbes(content []byte, probes int, name []byte) bool {
	if !bytes.Contains(name, []byte("BBQ")) && !bytes.Contains(name, []byte("bbq")) {
		return false
	}
	f.Model = fmt.Sprintf("iBBQ-%d", probes)
	r := wire.NewReader(content)
	r.Skip(inkbirdProbesAt)
	for i := range probes {
		if t := int16(r.U16()); t != -1 {
			f.add(Reading{Kind: Temperature, Index: i + 1, Value: decimal(int64(t), 1), Unit: celsius})
		}
	}
	return true
}
