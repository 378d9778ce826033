package payload

import (
	"fmt"
	"math"

	"github.com/moor-ble/moor/internal/wire"
)

// Products whose illuminance is a light detector.
const (
	miNightLight   = 0x07F6
	miDoorSensor   = 0x098B
	miMotionSensor = 0x0A8D
)

// miObject is an object that is a number or a state of fixed length.
type miObject struct {
	kind   Kind
	size   int // octets
	signed bool
	digits int // the number is in units of 10^-digits
	unit   string
}

// miNumbers are the objects that need no rule of their own. Those up to 0x3000 are in
// Xiaomi's document, the others in the specifications of the products.
var miNumbers = map[uint16]miObject{
	0x0008: {kind: Armed, size: 1},
	0x000A: {Temperature, 2, true, 2, celsius},
	0x000C: {kind: Wet, size: 1},
	0x1004: {Temperature, 2, true, 1, celsius},
	0x1006: {Humidity, 2, false, 1, percent},
	0x1008: {Moisture, 1, false, 0, percent},
	0x1009: {Conductivity, 2, false, 0, siemens},
	0x100A: {Battery, 1, false, 0, percent},
	0x1010: {Formaldehyde, 2, false, 2, "mg/m³"},
	0x1012: {kind: On, size: 1},
	0x1013: {Consumable, 1, false, 0, percent},
	0x1014: {kind: Wet, size: 1},
	0x1015: {kind: Smoke, size: 1},
	0x1016: {kind: GasDetected, size: 1},
	0x1017: {Idle, 4, false, 0, second},
	0x1018: {kind: LightDetected, size: 1},
	0x101A: {Mass, 2, false, 0, gram},
	0x4802: {Humidity, 1, false, 0, percent},
	0x4803: {Battery, 1, false, 0, percent},
	0x4806: {kind: Wet, size: 1},
	0x4818: {Idle, 2, false, 0, second},
	0x483C: {kind: Occupied, size: 1},
	0x483D: {TimeOccupied, 4, false, 0, second},
	0x483E: {TimeVacant, 4, false, 0, second},
	0x4851: {TimeOccupied, 1, false, 0, minute},
	0x4852: {TimeVacant, 1, false, 0, minute},
	0x4A01: {kind: BatteryLow, size: 1},
	0x4A1A: {kind: LeftOpen, size: 1},
	0x4C02: {Humidity, 1, false, 0, percent},
	0x4C03: {Battery, 1, false, 0, percent},
	0x4E01: {kind: BatteryLow, size: 1},
}

// miFloats are the objects whose value is an IEEE 754 number of 32 bits.
var miFloats = map[uint16]miObject{
	0x4801: {kind: Temperature, unit: celsius},
	0x4805: {kind: Illuminance, unit: lux},
	0x4808: {kind: Humidity, unit: percent},
	0x4C01: {kind: Temperature, unit: celsius},
	0x4C08: {kind: Humidity, unit: percent},
}

// readMiObject reads the value of one object; known is false if the type is not. A
// value that is too short has no reading; octets behind it are ignored.
func (f *Frame) readMiObject(product, typ uint16, v *wire.Reader) (known bool) {
	before := len(f.Readings)
	defer func() {
		if v.Err() != nil {
			f.Readings, f.Problem = f.Readings[:before], CutShort
		}
	}()
	if o, ok := miNumbers[typ]; ok {
		if n := readInteger(v, o.size, o.signed); o.kind.IsState() {
			f.addState(o.kind, n != 0)
		} else {
			f.addNumber(o.kind, n, o.digits, o.unit)
		}
		return true
	}
	if o, ok := miFloats[typ]; ok {
		f.readMiFloat(o.kind, o.unit, v)
		return true
	}
	if f.readMiEvent(product, typ, v) {
		return true
	}
	return f.readMiState(product, typ, v)
}

func (f *Frame) readMiFloat(k Kind, unit string, v *wire.Reader) {
	if n, ok := fromFloat32(math.Float32frombits(v.U32())); ok {
		f.add(Reading{Kind: k, Value: n, Unit: unit})
	}
}

// readMiState reads the measurements and states that need a rule of their own.
func (f *Frame) readMiState(product, typ uint16, v *wire.Reader) (known bool) {
	switch typ {
	case 0x0003:
		f.addState(Motion, true)
	case 0x000D, 0x1015:
		f.readMiAlarm(Smoke, v)
	case 0x000E:
		f.readMiAlarm(GasDetected, v)
	case 0x000F:
		f.addState(Motion, true)
		f.addMiLight(product, v.U24(), 1)
	case 0x1005:
		f.addState(On, v.U8() != 0)
		f.addNumber(Temperature, int64(v.U8()), 0, celsius)
	case 0x1007:
		f.addMiLight(product, v.U24(), 100)
	case 0x100D:
		f.addNumber(Temperature, int64(int16(v.U16())), 1, celsius)
		f.addNumber(Humidity, int64(v.U16()), 1, percent)
	case 0x100F, 0x480C:
		f.addState(Open, v.U8() == 0)
	case 0x1019:
		f.readMiMagnet(v)
	case 0x101B:
		f.addState(Motion, v.U8() == 0)
	case 0x2000: // a thermometer for the skin
		f.addNumber(Temperature, int64(int16(v.U16())), 2, celsius)
		f.addNumber(PCBTemperature, int64(int16(v.U16())), 2, celsius)
		f.addNumber(Battery, int64(v.U8()), 0, percent)
	case 0x4804, 0x4A12: // 1 open, 2 closed
		f.addState(Open, v.U8() == 1)
	case 0x484E: // 0 is vacant, and so is 2 of one product; of others, 2 is occupied
		n := v.U8()
		f.addState(Occupied, n == 1 || n > 1 && product != miOccupancySensor)
	case 0x4A08:
		f.addState(Motion, true)
		f.readMiFloat(Illuminance, lux, v)
	case 0x4A0F:
		f.addState(Tampered, v.U8() == 1)
	default:
		return false
	}
	return true
}

// readMiAlarm reads the state of a detector: 1 is an alarm, 2 a fault.
func (f *Frame) readMiAlarm(k Kind, v *wire.Reader) {
	n := v.U8()
	f.addState(k, n == 1)
	if n == 2 {
		f.addState(ProblemState, true)
	}
}

// readMiMagnet reads the state of a door sensor. 3 is its reset.
func (f *Frame) readMiMagnet(v *wire.Reader) {
	n := v.U8()
	if n <= 2 {
		f.addState(Open, n != 1)
	}
	if n == 2 {
		f.addState(LeftOpen, true)
	}
}

// addMiLight adds an illuminance in lux. Some products send only whether there is
// light, as one of two numbers that differ from product to product.
func (f *Frame) addMiLight(product uint16, n, bright uint32) {
	switch product {
	case miNightLight, miDoorSensor, miMotionSensor:
		f.addState(LightDetected, n >= max(bright, 100))
	default:
		f.addNumber(Illuminance, int64(n), 0, lux)
	}
}

// miDimmer is a product whose button turns, and miOccupancySensor the XMOSB01XS.
const (
	miDimmer          = 0x03B6
	miOccupancySensor = 0x4683
)

// readMiEvent reads the events.
func (f *Frame) readMiEvent(product, typ uint16, v *wire.Reader) (known bool) {
	switch typ {
	case 0x0007:
		n := v.U8()
		f.addEvent(Door, nameOf(n, "open", "closed", "left open", "knock", "forced", "stuck"))
	case 0x000B:
		n := v.U8() & 0x0F
		f.addEvent(Lock, nameOf(n, "unlocked outside", "locked", "deadbolt locked", "deadbolt unlocked", "unlocked inside",
			"locked inside", "child lock on", "child lock off", "locked outside"))
	case 0x0010, 0x3003:
		f.readMiToothbrush(typ, v)
	case 0x1001:
		f.readMiButton(product, v)
	case 0x4A0C, 0x4A0D, 0x4A0E, 0x4A13:
		event := "press"
		switch typ {
		case 0x4A0D:
			event = "double press"
		case 0x4A0E:
			event = "long press"
		}
		r := Reading{Kind: Button, Text: event}
		if v.Len() > 0 && typ != 0x4A13 { // the number of the button
			r.Index = int(v.U8()) + 1
		}
		f.add(r)
	default:
		return false
	}
	return true
}

// nameOf returns the name with index n, or n in hexadecimal.
func nameOf(n uint8, names ...string) string {
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("0x%02x", n)
}

func (f *Frame) readMiToothbrush(typ uint16, v *wire.Reader) {
	f.addState(Brushing, v.U8() == 0)
	if typ == 0x3003 {
		f.addNumber(Timestamp, int64(v.U32()), 0, second)
	}
	if v.Len() > 0 {
		f.addNumber(Score, int64(v.U8()), 0, "")
	}
}

// readMiButton reads the event of a button: its number, and the kind of press. The
// dimmer sends a count in the second octet.
func (f *Frame) readMiButton(product uint16, v *wire.Reader) {
	key, n, press := v.U8(), v.U8(), v.U8()
	if product != miDimmer {
		f.add(Reading{Kind: Button, Index: int(key) + 1, Text: nameOf(press, "press", "double press", "long press", "triple press")})
		return
	}
	turned, event := int8(n), "rotate"
	switch {
	case press == 3 && key == 0:
		f.addEvent(Dimmer, "press")
		f.addNumber(Count, int64(n), 0, "")
		return
	case press == 3:
		f.addEvent(Dimmer, "long press")
		f.addNumber(Duration, int64(n), 0, second)
		return
	case press != 4:
		f.addEvent(Dimmer, nameOf(press, "press", "double press", "long press"))
		return
	case key != 0:
		turned, event = int8(key), "rotate pressed"
	}
	steps := int64(turned)
	if steps < 0 {
		steps, event = -steps, event+" left"
	} else {
		event += " right"
	}
	f.addEvent(Dimmer, event)
	f.addNumber(Steps, steps, 0, "")
}
