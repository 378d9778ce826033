package payload

import "github.com/moor-ble/moor/internal/wire"

// The functions read the data after the company identifier, and return false for data
// that no thermometer sends. Numbers of the room thermometers are packed or
// little-endian, those of the meat thermometers big-endian, except of the H5055.

// readGoveePacked1 reads packed values behind one octet.
func (f *Frame) readGoveePacked1(r *wire.Reader) bool {
	r.Skip(1)
	return f.readGoveePacked(r, 0)
}

// readGoveePacked2 reads packed values behind the octets 1 and 1. Other companies use
// the same company identifier.
func (f *Frame) readGoveePacked2(r *wire.Reader) bool {
	return r.U16() == 0x0101 && f.readGoveePacked(r, 0)
}

// readGoveePacked reads temperature and humidity in one number, and the battery.
func (f *Frame) readGoveePacked(r *wire.Reader, index int) bool {
	packed, battery := r.BE24(), r.U8()
	if battery&0x80 == 0 { // else the sensor has failed
		f.addGoveeClimate(packed, index)
	}
	f.addNumber(Battery, int64(battery&0x7F), 0, percent)
	return battery&0x7F <= 100
}

// addGoveeClimate adds the values of a packed number: a sign bit, and tenths of degrees
// times 1000 plus tenths of a percent. A temperature outside of -40 to 100 °C is no
// temperature.
func (f *Frame) addGoveeClimate(packed uint32, index int) {
	n := int64(packed & 0x7FFFFF)
	t := n / 1000
	if packed&0x800000 != 0 {
		t = -t
	}
	if t < -400 || t > 1000 {
		return
	}
	f.add(Reading{Kind: Temperature, Index: index, Value: decimal(t, 1), Unit: celsius})
	if index <= 1 { // further probes have no humidity
		f.add(Reading{Kind: Humidity, Index: index, Value: decimal(n%1000, 1), Unit: percent})
	}
}

// readGoveeWords1 reads separate values behind one octet.
func (f *Frame) readGoveeWords1(r *wire.Reader) bool {
	r.Skip(1)
	return f.readGoveeWords(r)
}

// readGoveeWords4 reads separate values behind four octets.
func (f *Frame) readGoveeWords4(r *wire.Reader) bool {
	r.Skip(4)
	return f.readGoveeWords(r)
}

func (f *Frame) readGoveeWords(r *wire.Reader) bool {
	f.addNumber(Temperature, int64(int16(r.U16())), 2, celsius)
	humidity, battery := r.U16(), r.U8()
	f.addNumber(Humidity, int64(humidity), 2, percent)
	f.addNumber(Battery, int64(battery), 0, percent)
	return humidity <= 10000 && battery <= 100
}

// readGoveeAir reads a packed number with particles in its last three digits.
func (f *Frame) readGoveeAir(r *wire.Reader) bool {
	if r.U16() != 0x0101 {
		return false
	}
	packed := r.BE32()
	n := int64(packed & 0x7FFFFFFF)
	t := n / 1000000
	if packed&0x80000000 != 0 {
		t = -t
	}
	f.addNumber(Temperature, t, 1, celsius)
	f.addNumber(Humidity, n%1000000/1000, 1, percent)
	f.addNumber(PM25, n%1000, 0, microgram)
	return true
}

// readGovee5112 reads one of two probes, which the last octet names.
func (f *Frame) readGovee5112(r *wire.Reader) bool {
	r.Skip(2)
	values := r.Sub(4)
	r.Skip(1)
	switch r.U8() {
	case 0x41:
		return f.readGoveePacked(&values, 1)
	case 0x82:
		return f.readGoveePacked(&values, 2)
	}
	return false
}

// readGovee5140 reads packed values and carbon dioxide.
func (f *Frame) readGovee5140(r *wire.Reader) bool {
	r.Skip(2)
	packed, co2 := r.BE24(), r.BE16()
	if failed := r.U8() != 0; !failed {
		f.addGoveeClimate(packed, 0)
		f.addNumber(CO2, int64(co2), 0, ppm)
	}
	return true
}

// readGovee5178 reads the values of the display, or of the sensor outdoors.
func (f *Frame) readGovee5178(r *wire.Reader) bool {
	if r.U16() != 0x0101 {
		return false
	}
	sensor := r.U8()
	if sensor == 1 {
		f.Model += " outdoor"
	}
	return sensor <= 1 && f.readGoveePacked(r, 0)
}

// readGoveeProbe reads a probe and its alarm. A probe that is not plugged in has no
// temperature.
func (f *Frame) readGoveeProbe(r *wire.Reader, index int) {
	f.addProbe(Temperature, index, int16(r.BE16()), 2)
	f.addProbe(AlarmHigh, index, int16(r.BE16()), 2)
}

// addProbe adds a temperature of a probe in units of 10^-digits; negative ones are
// none.
func (f *Frame) addProbe(k Kind, index int, n int16, digits int) {
	if n >= 0 {
		f.add(Reading{Kind: k, Index: index, Value: decimal(int64(n), digits), Unit: celsius})
	}
}

func (f *Frame) readGoveeProbe1(r *wire.Reader) bool {
	r.Skip(8)
	f.readGoveeProbe(r, 1)
	return true
}

func (f *Frame) readGoveeProbes2(r *wire.Reader) bool {
	r.Skip(8)
	f.readGoveeProbe(r, 1)
	r.Skip(1)
	f.readGoveeProbe(r, 2)
	return true
}

// readGoveeProbes4 reads the first or the second pair of four probes.
func (f *Frame) readGoveeProbes4(r *wire.Reader) bool {
	r.Skip(6)
	first := goveePair(r.U8())
	r.Skip(1)
	f.readGoveeProbe(r, first)
	r.Skip(1)
	f.readGoveeProbe(r, first+1)
	return first != 0
}

// goveePair returns the number of the first probe of a pair; 0 if there is none.
func goveePair(octet uint8) int {
	switch octet & 0x3F {
	case 1:
		return 1
	case 2:
		return 3
	}
	return 0
}

func (f *Frame) readGovee5185(r *wire.Reader) bool {
	r.Skip(8)
	f.readGoveeProbe(r, 1)
	r.Skip(2)
	f.readGoveeProbe(r, 2)
	return true
}

// readGovee5191 reads a probe that measures the air around it, too, without a number.
func (f *Frame) readGovee5191(r *wire.Reader) bool {
	r.Skip(8)
	f.readGoveeProbe(r, 1)
	r.Skip(2)
	f.addProbe(Temperature, 0, int16(r.BE16()), 2)
	return true
}

func (f *Frame) readGovee5198(r *wire.Reader) bool {
	r.Skip(6)
	first := goveePair(r.U8())
	r.Skip(1)
	for i := range 2 {
		f.readGoveeProbe(r, first+i)
		f.addProbe(AlarmLow, first+i, int16(r.BE16()), 2)
	}
	return first != 0
}

// readGovee5055 reads a pair of six probes, in whole degrees. The high bits of an octet
// name the pair, and a bit for each probe tells whether it is plugged in.
func (f *Frame) readGovee5055(r *wire.Reader) bool {
	r.Skip(2)
	battery := r.U8() & 0x7F
	probes := r.U8()
	pair := int(probes >> 6)
	r.Skip(1)
	for i := range 2 {
		index := 2*pair + i + 1
		t, low, high := int16(r.U16()), int16(r.U16()), int16(r.U16())
		if pair < 3 && probes>>(index-1)&1 != 0 {
			f.add(Reading{Kind: Temperature, Index: index, Value: float64(t), Unit: celsius})
			f.addProbe(AlarmHigh, index, high, 0)
			f.addProbe(AlarmLow, index, low, 0)
		}
		if i == 0 {
			r.Skip(1)
		}
	}
	f.addNumber(Battery, int64(battery), 0, percent)
	return pair < 3 && battery <= 100
}
