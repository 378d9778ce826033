package payload

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Reading is one value that a device broadcasts: a measurement, a state, an event or
// a text.
type Reading struct {
	Kind Kind
	// Index tells readings of one kind apart, such as the probes of a thermometer,
	// from 1; 0 if there is only one.
	Index int
	// Value is the number of a measurement; of a state, 1 for true and 0 for false.
	Value float64
	// Unit is the unit of Value, in SI symbols, such as "°C"; empty if Value is a plain
	// number or a state.
	Unit string
	// Text is the content of an event or text, instead of Value. A device may send
	// any characters in it, also those that move a cursor.
	Text string
}

// Kind is the kind of a reading, in the form of a JSON value.
type Kind string

// Kinds of measurements.
const (
	Acceleration    Kind = "acceleration"
	AccelerationX   Kind = "acceleration_x"
	AccelerationY   Kind = "acceleration_y"
	AccelerationZ   Kind = "acceleration_z"
	AlarmHigh       Kind = "alarm_high" // temperature above which the device sounds an alarm
	AlarmLow        Kind = "alarm_low"
	Battery         Kind = "battery" // charge
	Channel         Kind = "channel"
	CO2             Kind = "co2"
	Conductivity    Kind = "conductivity"
	Consumable      Kind = "consumable" // remaining
	Count           Kind = "count"
	Current         Kind = "current"
	DeviceType      Kind = "device_type" // a number of the vendor
	DewPoint        Kind = "dew_point"
	Direction       Kind = "direction"
	Distance        Kind = "distance"
	Duration        Kind = "duration"
	Energy          Kind = "energy"
	Formaldehyde    Kind = "formaldehyde"
	Gas             Kind = "gas" // volume consumed
	Gyroscope       Kind = "gyroscope"
	Humidity        Kind = "humidity" // relative
	Idle            Kind = "idle"     // time since the last motion
	Illuminance     Kind = "illuminance"
	LightLevel      Kind = "light_level" // 0 dark, 1 twilight, 2 bright
	Mass            Kind = "mass"
	Moisture        Kind = "moisture"
	MovementCount   Kind = "movement_count"
	NOx             Kind = "nox" // index
	PM1             Kind = "pm1"
	PM10            Kind = "pm10"
	PM25            Kind = "pm2.5"
	PM4             Kind = "pm4"
	Power           Kind = "power"
	Precipitation   Kind = "precipitation"
	Pressure        Kind = "pressure"
	Revision        Kind = "settings_revision"
	Rotation        Kind = "rotation"
	RotationalSpeed Kind = "rotational_speed"
	Score           Kind = "score"
	SentCount       Kind = "sent_count" // advertisements since the start
	Speed           Kind = "speed"
	Steps           Kind = "steps" // of the event before
	Temperature     Kind = "temperature"
	Timestamp       Kind = "timestamp" // since 1970, UTC
	TxPower         Kind = "tx_power"
	TVOC            Kind = "tvoc"
	Uptime          Kind = "uptime"
	UVIndex         Kind = "uv_index"
	VOC             Kind = "voc" // index
	Voltage         Kind = "voltage"
	Volume          Kind = "volume"
	VolumeFlowRate  Kind = "volume_flow_rate"
	VolumeStorage   Kind = "volume_storage"
	Water           Kind = "water" // volume consumed
	TimeOccupied    Kind = "time_occupied"
	TimeVacant      Kind = "time_vacant"
	PCBTemperature  Kind = "pcb_temperature"
)

// Kinds of states: the Value is 1 if the name of the kind applies.
const (
	Armed           Kind = "armed"
	BatteryCharging Kind = "battery_charging"
	BatteryLow      Kind = "battery_low"
	Brushing        Kind = "brushing"
	Calibrating     Kind = "calibrating" // the readings are not accurate yet
	CarbonMonoxide  Kind = "carbon_monoxide"
	Cold            Kind = "cold"
	Connected       Kind = "connected"
	DoorOpen        Kind = "door_open"
	GarageDoorOpen  Kind = "garage_door_open"
	GasDetected     Kind = "gas_detected"
	GenericState    Kind = "generic"
	Heat            Kind = "heat"
	LeftOpen        Kind = "left_open"
	LightDetected   Kind = "light"
	Motion          Kind = "motion"
	Moving          Kind = "moving"
	Occupied        Kind = "occupied"
	On              Kind = "on"
	Open            Kind = "open"
	Output          Kind = "output" // of the device, switched by its own trigger
	PluggedIn       Kind = "plugged_in"
	Present         Kind = "present"
	ProblemState    Kind = "problem"
	Running         Kind = "running"
	Safe            Kind = "safe"
	Smoke           Kind = "smoke"
	Sound           Kind = "sound"
	Tampered        Kind = "tampered"
	Unlocked        Kind = "unlocked"
	Vibration       Kind = "vibration"
	Wet             Kind = "wet"
	WindowOpen      Kind = "window_open"
)

// Kinds of events and texts: the content is in Text.
const (
	Button   Kind = "button"
	Command  Kind = "command"
	Dimmer   Kind = "dimmer"
	Door     Kind = "door"
	Firmware Kind = "firmware"
	Lock     Kind = "lock"
	Raw      Kind = "raw" // hexadecimal
	Text     Kind = "text"
)

// The units of readings.
const (
	celsius     = "°C"
	percent     = "%"
	volt        = "V"
	hectopascal = "hPa"
	lux         = "lx"
	ppm         = "ppm"
	microgram   = "µg/m³"
	mps2        = "m/s²"
	second      = "s"
	minute      = "min"
	dBm         = "dBm"
	gram        = "g"
	siemens     = "µS/cm"
)

// IsState reports whether readings of this kind are true or false.
func (k Kind) IsState() bool {
	switch k {
	case Armed, BatteryCharging, BatteryLow, Brushing, Calibrating, CarbonMonoxide, Cold, Connected, DoorOpen,
		GarageDoorOpen, GasDetected, GenericState, Heat, LeftOpen, LightDetected, Motion, Moving, Occupied, On, Open,
		Output, PluggedIn, Present, ProblemState, Running, Safe, Smoke, Sound, Tampered, Unlocked, Vibration, Wet,
		WindowOpen:
		return true
	default:
		return false
	}
}

// String returns the reading for people: "21.5 °C", "battery 87 %", "door open: no".
// It quotes a Text that is not printable.
func (r Reading) String() string {
	label := strings.ReplaceAll(string(r.Kind), "_", " ")
	if r.Index != 0 {
		label += " " + strconv.Itoa(r.Index)
	}
	switch {
	case r.Text != "":
		q := strconv.Quote(r.Text)
		if q == `"`+r.Text+`"` {
			q = r.Text
		}
		return label + ": " + q
	case r.Kind.IsState() && r.Value != 0:
		return label + ": yes"
	case r.Kind.IsState():
		return label + ": no"
	}
	s := strconv.FormatFloat(r.Value, 'f', -1, 64)
	if r.Unit != "" {
		s += " " + r.Unit
	}
	byUnit := r.Kind == Temperature || r.Kind == Humidity || r.Kind == Pressure || r.Kind == Voltage
	if byUnit && r.Index == 0 { // the unit tells the kind
		return s
	}
	return label + " " + s
}

// MarshalJSON writes an object with the keys kind, value and unit, and index if
// there is one. The value is a number, true or false for a state, and a string for
// an event or text.
func (r Reading) MarshalJSON() ([]byte, error) {
	j := struct {
		Kind  Kind   `json:"kind"`
		Index int    `json:"index,omitempty"`
		Value any    `json:"value"`
		Unit  string `json:"unit"`
	}{r.Kind, r.Index, r.Value, r.Unit}
	switch {
	case r.Text != "":
		j.Value = strings.ToValidUTF8(r.Text, "\uFFFD")
	case r.Kind.IsState():
		j.Value = r.Value != 0
	}
	return json.Marshal(j)
}

// decimal returns n*10^-digits. Both operands of the division are exact, so the
// result is the float64 nearest to the decimal number.
func decimal(n int64, digits int) float64 { return float64(n) / math.Pow10(digits) }

// fromFloat32 returns the shortest decimal number that rounds to v as a float32: the
// number that the firmware had. ok is false for infinities and for no number.
func fromFloat32(v float32) (f float64, ok bool) {
	f = float64(v)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, false
	}
	f, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	return f, err == nil
}
