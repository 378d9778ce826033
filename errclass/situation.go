package errclass

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// Phase is the step of a connection in which an error occurred.
type Phase uint8

// The phases, in their order.
const (
	PhaseUnknown  Phase = iota // not known
	PhaseSlot                  // choosing an adapter and waiting for a free connection
	PhaseDial                  // until the link is up
	PhaseSecure                // encrypting or pairing
	PhaseMTU                   // exchanging the MTU
	PhaseDiscover              // reading the attribute table
	PhaseSettle                // changing the parameters or the PHY of the link
	PhaseUse                   // after Establish has returned
)

// String returns the phase in lower case.
func (p Phase) String() string {
	return name(int(p), "phase", "unknown", "slot", "dial", "secure", "mtu", "discover", "settle", "use")
}

// Situation holds the caller's knowledge about a failure besides its error. One
// status has different meanings in different situations, and needs different advice.
type Situation struct {
	// Phase is the step in which the error occurred.
	Phase Phase
	// Adapter is the name of the adapter that was used; "" if there was none.
	Adapter string
	// Elapsed is the duration of the attempt.
	Elapsed time.Duration
	// Encrypted reports whether the link was encrypted with the keys of a bond, or
	// this host had begun to encrypt it with them.
	Encrypted bool
	// SecurityRefused reports whether this host refused a Security Request of the
	// device on this link.
	SecurityRefused bool
	// Cached reports whether the link uses an attribute table from a cache.
	Cached bool
	// Heard is the last advertisement of the device.
	Heard Heard
}

// Heard describes the last advertisement that an adapter received from a device. In
// the zero Heard, no adapter has received one.
type Heard struct {
	// Adapter is the name of the adapter that heard the device last; "" if none
	// has heard it.
	Adapter string
	// Ago is the time since then.
	Ago time.Duration
	// Connectable reports whether that advertisement was connectable.
	Connectable bool
	// Other is the address under which the device is heard, where its kind is not
	// the one that was asked for; otherwise the zero Addr.
	Other hci.Addr
}

// heardLately is the age up to which an advertisement says where a device is: three
// times the longest interval of legacy advertising, 10.24 s.
const heardLately = 30 * time.Second

// lately reports whether an adapter has heard the device lately.
func (h *Heard) lately() bool { return h.Adapter != "" && h.Ago <= heardLately }
