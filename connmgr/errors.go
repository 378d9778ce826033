package connmgr

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
)

// What an Establish that has given up means, for errors.Is.
var (
	// ErrNotFound: the device was not heard, or did not answer in time.
	ErrNotFound = errors.New("device not found")
	// ErrOutOfSlots: no adapter has a free connection.
	ErrOutOfSlots = errors.New("out of connection slots")
	// ErrAborted: the contact broke while the link was made, as by interference
	// or distance.
	ErrAborted = errors.New("connection aborted")
	// ErrConnection: any other failure to connect.
	ErrConnection = errors.New("connection failed")
	// ErrBondLost: the two sides do not have the same keys any more.
	ErrBondLost = errors.New("bond lost")
)

// ErrNoAdapter says that no adapter of the Manager works at the moment.
var ErrNoAdapter = errors.New("no adapter is ready")

// StateError says that the state directory cannot be used.
type StateError struct {
	Dir string
	Err error
	// Remedy says what to do about a file that cannot be understood, as a clause
	// without a full stop; empty where the system refused, as Err says.
	Remedy string
}

// Error returns all of it, the remedy last.
func (e *StateError) Error() string {
	s := fmt.Sprintf("connmgr: state directory %s: %v", e.Dir, e.Err)
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap returns Err.
func (e *StateError) Unwrap() error { return e.Err }

// errManagerClosed ends everything when the Manager is closed.
var errManagerClosed = fmt.Errorf("connmgr: manager closed: %w", net.ErrClosed)

// Phase is how far an attempt came.
type Phase string

// The phases of an attempt, in their order.
const (
	PhasePath     Phase = "path"     // choosing an adapter
	PhaseSlot     Phase = "slot"     // waiting for a free connection
	PhaseDial     Phase = "dial"     // until the link is up
	PhaseSecure   Phase = "secure"   // encrypting or pairing
	PhaseDiscover Phase = "discover" // MTU and attribute table
	PhaseSettle   Phase = "settle"   // connection parameters for the time after
)

// Attempt is the record of one attempt that failed.
type Attempt struct {
	Adapter  string // where it was made; "" if none could be chosen
	Phase    Phase
	Duration time.Duration
	Err      error
	Class    errclass.Class
	Backoff  time.Duration // the wait after it that its class asks for
}

// EstablishError is what Establish returns when it gives up. It unwraps to the
// error of its category (ErrNotFound and so on) and to the last attempt's.
type EstablishError struct {
	Name     string
	Address  hci.Addr  // its kind is public if it was neither given nor heard
	Attempts []Attempt // all of them; the last one decided
	Category error     // one of the Err variables; nil if the caller ended it
	Err      error     // the last failure, or the cause of ctx
	Advice   string    // what the user may do; may be empty
}

// Error returns the text that bleak-retry-connector's users know. What could
// disturb a terminal or a log in the name is replaced.
func (e *EstablishError) Error() string {
	s := fmt.Sprintf("%s - %s: Failed to connect after %d attempt(s): %v", text.Clean(e.Name), e.Address.MAC, len(e.Attempts), e.Err)
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// Unwrap makes errors.Is find the category and the cause.
func (e *EstablishError) Unwrap() []error {
	if e.Category == nil {
		return []error{e.Err}
	}
	return []error{e.Category, e.Err}
}

// categoryError returns the Err variable of a category.
func categoryError(c errclass.Category) error {
	switch c {
	case errclass.NotFound:
		return ErrNotFound
	case errclass.OutOfSlots:
		return ErrOutOfSlots
	case errclass.Aborted:
		return ErrAborted
	case errclass.BondLost:
		return ErrBondLost
	case errclass.Canceled, errclass.None:
		return nil
	case errclass.Connection, errclass.Fatal:
		return ErrConnection
	}
	return ErrConnection
}

// MissingError says that a table lacks what Options.Require names, even after
// it was discovered anew.
type MissingError struct {
	Service        gatt.UUID
	Characteristic gatt.UUID // the zero UUID if the service itself is missing
}

func (e *MissingError) Error() string {
	if e.Characteristic == (gatt.UUID{}) {
		return fmt.Sprintf("the device has no service %v", e.Service)
	}
	return fmt.Sprintf("the device has no characteristic %v in service %v", e.Characteristic, e.Service)
}
