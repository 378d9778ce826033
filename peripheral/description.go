package peripheral

import (
	"time"

	"github.com/moor-ble/moor/uuid"
)

// Description describes a peripheral. The zero value of each field is its default.
// Validate, which New calls, checks the whole of it.
type Description struct {
	// Name is advertised, and is the Device Name in the table. Appearance is a value of
	// the Assigned Numbers, 2.6.
	Name       string
	Appearance uint16
	// Address is the own address; default a static random one that the Name determines.
	// Rotation is the lifetime of a resolvable private address, 1 s to 1 h; default
	// 15 min.
	Address  Address
	Rotation time.Duration
	// Advertising describes the advertisements.
	Advertising Advertising
	// Services are the table, behind Generic Access and Generic Attribute. NoGATT leaves
	// the latter out: the peripheral has then neither Service Changed nor a Database Hash.
	Services []Service
	NoGATT   bool
	// Pairing describes the pairings that the peripheral accepts; default none.
	Pairing Pairing
	// Links is the number of centrals that may be connected at a time, 1 to 32; default 1.
	Links int
}

// Advertising describes advertisements. Legacy advertising has room for 31 octets, and
// for 31 more in the scan response; extended advertising for 245, or for 1650 with
// NonConnectable, and has no scan response.
type Advertising struct {
	// Off disables advertising, NonConnectable connections.
	Off            bool
	NonConnectable bool
	// Interval is the advertising interval, 20 ms to 10.24 s; default 100 ms.
	Interval time.Duration
	// Extended advertises with the packets of Bluetooth 5, which older scanners do not
	// receive. Coded does so on LE Coded PHY, with a longer range.
	Extended, Coded bool
	// Sets are further advertising sets, which nobody connects to.
	Sets []AdvertisingSet
	// Services are the advertised services; default those of the table with 16-bit UUIDs
	// as far as there is room. NoServices advertises none.
	Services   []uuid.UUID
	NoServices bool
	// NoName leaves out the name. A name that does not fit into the advertising data
	// moves to the scan response.
	NoName       bool
	ServiceData  []ServiceData
	Manufacturer []ManufacturerData
	// TxPower is the advertised transmit power in dBm; nil leaves it out.
	TxPower *int8
}

// AdvertisingSet describes an advertising set beside the first one. Its fields are those of
// Advertising; Name is advertised, default none.
type AdvertisingSet struct {
	Name            string
	Interval        time.Duration
	Extended, Coded bool
	Services        []uuid.UUID
	ServiceData     []ServiceData
	Manufacturer    []ManufacturerData
	TxPower         *int8
}

// ServiceData is service data in an advertisement.
type ServiceData struct {
	UUID uuid.UUID
	Data Octets
}

// ManufacturerData is manufacturer specific data in an advertisement. Company is the
// number of the Assigned Numbers, 7.
type ManufacturerData struct {
	Company uint16
	Data    Octets
}

// Service describes a service of the table.
type Service struct {
	UUID            uuid.UUID
	Secondary       bool
	Includes        []uuid.UUID // services of the table
	Characteristics []Characteristic
}

// Characteristic describes a characteristic.
type Characteristic struct {
	UUID uuid.UUID
	// Name is the name for Engine.SetValue and in an Event; it must be unique. It becomes
	// a Characteristic User Description. Default: the UUID, without that descriptor.
	Name string
	// Properties are the ways of access. Default: read, and write for Echo; notify for a
	// value that moves.
	Properties []Property
	// Format is the layout of the value, and Scale the worth of its last digit: a Value of
	// 21.5 with a Scale of 0.01 is 2150. The defaults are those of the Bluetooth SIG for some
	// well-known characteristics, otherwise text and 1.
	Format Format
	Scale  float64
	// Value is the first value, in the Format. Text that begins with 0x is octets in
	// hexadecimal; for a number it is the number. MinLength and MaxLength bound the octets of a value that
	// centrals write; MaxLength 0 means 512.
	Value                string
	MinLength, MaxLength int
	// Behavior moves the value.
	Behavior Behavior
	// Security is the protection that all accesses demand; the other three replace it
	// for one kind of access.
	Security                                    Security
	ReadSecurity, WriteSecurity, NotifySecurity Security
	Descriptors                                 []Descriptor
}

// Descriptor describes a descriptor. The Client Characteristic Configuration and a User
// Description for the name need none.
type Descriptor struct {
	UUID     uuid.UUID
	Format   Format
	Value    string
	Writable bool
}

// Behavior moves a value.
type Behavior struct {
	Kind BehaviorKind
	// Every is the time between two values of Counter, Ramp, RandomWalk and Command;
	// default 1 s, shortest 1 ms.
	Every time.Duration
	// From and To are the bounds of Counter, Ramp and RandomWalk, which begin at From; a
	// Counter begins again there, a Ramp turns. Step is the change, of RandomWalk at most.
	// The defaults are 0, 100 (0 if From is negative) and 1.
	From, To, Step float64
	// Script are the values of Script, and Repeat begins them again.
	Script []Moment
	Repeat bool
	// Run is the command of Command; see Options.Run.
	Run string
}

// Moment is a value of a script.
type Moment struct {
	// After is the time since the moment before, or since the start.
	After time.Duration
	Value string
}

// Pairing describes the pairings that a peripheral accepts.
type Pairing struct {
	Method PairingMethod
	// Passkey is the passkey of Passkey, six digits; default a new one for each pairing,
	// which Options.Passkey shows.
	Passkey string
	// Legacy accepts centrals without LE Secure Connections.
	Legacy bool
}
