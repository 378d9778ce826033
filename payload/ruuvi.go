package payload

import (
	"fmt"
	"math"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// The data formats of Ruuvi, as on docs.ruuvi.com. All numbers are big-endian. The
// greatest unsigned and the least signed number mean "not available". Data behind a
// format's end is ignored.

// decodeRuuvi decodes manufacturer data of Ruuvi; ok is false for data formats that
// have no measurements in the clear.
func decodeRuuvi(b []byte) (f Frame, ok bool) {
	r := wire.NewReader(b)
	switch r.U8() {
	case 0x03:
		f.Format = FormatRuuvi3
		f.readRuuvi3(&r)
	case 0x05:
		f.Format = FormatRuuvi5
		f.readRuuvi5(&r, true)
	case 0xC5:
		f.Format = FormatRuuviC5
		f.readRuuvi5(&r, false)
	case 0x06:
		f.Format = FormatRuuvi6
		f.readRuuvi6(&r)
	case 0xE1:
		f.Format = FormatRuuviE1
		f.readRuuviE1(&r)
	default:
		return f, false
	}
	if r.Err() != nil {
		return Frame{Format: f.Format, Problem: CutShort}, true
	}
	return f, true
}

func (f *Frame) readRuuvi3(r *wire.Reader) {
	humidity := r.U8()
	whole, hundredths := r.U8(), r.U8()
	t := int64(whole&0x7F)*100 + int64(hundredths)
	if whole&0x80 != 0 { // sign and magnitude
		t = -t
	}
	f.addNumber(Temperature, t, 2, celsius)
	f.addNumber(Humidity, int64(humidity)*5, 1, percent)
	f.addPressure(r.BE16())
	x, y, z := r.BE16(), r.BE16(), r.BE16()
	f.addNumber(Voltage, int64(r.BE16()), 3, volt)
	f.addAcceleration(AccelerationX, x)
	f.addAcceleration(AccelerationY, y)
	f.addAcceleration(AccelerationZ, z)
}

// readRuuvi5 reads format 5, or C5, which lacks the acceleration.
func (f *Frame) readRuuvi5(r *wire.Reader, acceleration bool) {
	f.readRuuviClimate(r)
	var x, y, z uint16 = 0x8000, 0x8000, 0x8000
	if acceleration {
		x, y, z = r.BE16(), r.BE16(), r.BE16()
	}
	power := r.BE16()
	if v := power >> 5; v != 0x7FF {
		f.addNumber(Voltage, 1600+int64(v), 3, volt)
	}
	if v := power & 0x1F; v != 0x1F {
		f.addNumber(TxPower, int64(v)*2-40, 0, dBm)
	}
	f.addAcceleration(AccelerationX, x)
	f.addAcceleration(AccelerationY, y)
	f.addAcceleration(AccelerationZ, z)
	if v := r.U8(); v != 0xFF {
		f.addNumber(MovementCount, int64(v), 0, "")
	}
	if v := r.BE16(); v != 0xFFFF {
		f.count(uint32(v))
	}
	f.readRuuviAddress(r)
}

func (f *Frame) readRuuvi6(r *wire.Reader) {
	f.readRuuviClimate(r)
	f.addParticles(PM25, r.BE16())
	co2, voc, nox, light := r.BE16(), r.U8(), r.U8(), r.U8()
	r.Skip(1)
	sequence, flags := r.U8(), r.U8()
	f.addAir(co2, voc, nox, flags)
	if light != 0xFF {
		// The light level is logarithmic: code 254 is 65535 lx.
		lx := math.Expm1(float64(light) * math.Log(65536) / 254)
		f.addNumber(Illuminance, int64(math.Round(lx*100)), 2, lux)
	}
	f.count(uint32(sequence))
	f.addState(Calibrating, flags&1 != 0)
	if low := r.Bytes(3); len(low) == 3 && string(low) != "\xff\xff\xff" {
		f.Device = fmt.Sprintf("%02X:%02X:%02X", low[0], low[1], low[2])
	}
}

func (f *Frame) readRuuviE1(r *wire.Reader) {
	f.readRuuviClimate(r)
	f.addParticles(PM1, r.BE16())
	f.addParticles(PM25, r.BE16())
	f.addParticles(PM4, r.BE16())
	f.addParticles(PM10, r.BE16())
	co2, voc, nox, light := r.BE16(), r.U8(), r.U8(), r.BE24()
	r.Skip(3)
	sequence, flags := r.BE24(), r.U8()
	r.Skip(5)
	f.addAir(co2, voc, nox, flags)
	if light != 0xFFFFFF {
		f.addNumber(Illuminance, int64(light), 2, lux)
	}
	if sequence != 0xFFFFFF {
		f.count(sequence)
	}
	f.addState(Calibrating, flags&1 != 0)
	f.readRuuviAddress(r)
}

// readRuuviClimate reads temperature, humidity and pressure.
func (f *Frame) readRuuviClimate(r *wire.Reader) {
	if v := int16(r.BE16()); v != math.MinInt16 {
		f.addNumber(Temperature, int64(v)*5, 3, celsius)
	}
	if v := r.BE16(); v != 0xFFFF {
		f.addNumber(Humidity, int64(v)*25, 4, percent)
	}
	if v := r.BE16(); v != 0xFFFF {
		f.addPressure(v)
	}
}

// addPressure adds a pressure in pascals above 50 kPa.
func (f *Frame) addPressure(v uint16) { f.addNumber(Pressure, int64(v)+50000, 2, hectopascal) }

// addAcceleration adds an acceleration in thousandths of standard gravity.
func (f *Frame) addAcceleration(k Kind, v uint16) {
	if v != 0x8000 {
		f.addNumber(k, int64(int16(v))*980665, 8, mps2)
	}
}

// addParticles adds a concentration in tenths of a microgram.
func (f *Frame) addParticles(k Kind, v uint16) {
	if v != 0xFFFF {
		f.addNumber(k, int64(v), 1, microgram)
	}
}

// addAir adds carbon dioxide and two indexes, whose lowest bits are in the flags.
func (f *Frame) addAir(co2 uint16, voc, nox, flags uint8) {
	if co2 != 0xFFFF {
		f.addNumber(CO2, int64(co2), 0, ppm)
	}
	if v := int64(voc)<<1 | int64(flags>>6&1); v != 0x1FF {
		f.addNumber(VOC, v, 0, "")
	}
	if v := int64(nox)<<1 | int64(flags>>7); v != 0x1FF {
		f.addNumber(NOx, v, 0, "")
	}
}

// readRuuviAddress reads the address of the device.
func (f *Frame) readRuuviAddress(r *wire.Reader) {
	if mac := readBigMAC(r); mac != (hci.MAC{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}) {
		f.Device = mac.String()
	}
}

// readBigMAC reads an address whose most significant octet comes first.
func readBigMAC(r *wire.Reader) (mac hci.MAC) {
	for i := range mac {
		mac[len(mac)-1-i] = r.U8()
	}
	return mac
}
