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

// The categories of an EstablishError, for errors.Is.
var (
	// ErrNotFound: the device was not heard, or did not answer in time.
	ErrNotFound = errors.New("device not found")
	// ErrOutOfSlots: no adapter has a free connection slot.
	ErrOutOfSlots = errors.New("out of connection slots")
	// ErrAborted: the contact was lost during the connect, as by interference or
	// distance.
	ErrAborted = errors.New("connection aborted")
	// ErrConnection: any other failure to connect.
	ErrConnection = errors.New("connection failed")
	// ErrBondLost: host and device no longer have the same keys.
	ErrBondLost = errors.New("bond lost")
)

// ErrNoAdapter reports that no adapter of the Manager is up.
var ErrNoAdapter = errors.New("no adapter is ready")

// StateError reports that the state directory cannot be used.
type StateError struct {
	Dir string
	Err error
	// Remedy repairs a file that cannot be read. It is a clause without a full stop,
	// and empty if Err is an error of the operating system.
	Remedy string
	// Aside is the new path of a damaged file that can be made anew; see RepairState. It
	// is empty if the file is where it was.
	Aside string
}

// Error returns the directory, the error and the remedy.
func (e *StateError) Error() string {
	s := fmt.Sprintf("connmgr: state directory %s: %v", e.Dir, e.Err)
	if e.Aside != "" {
		s += "; it is " + e.Aside + " now"
	}
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap returns Err.
func (e *StateError) Unwrap() error { return e.Err }

// errManagerClosed ends all calls when the Manager is closed.
var errManagerClosed = fmt.Errorf("connmgr: manager closed: %w", net.ErrClosed)

// Phase is the part of an attempt that was reached.
type Phase string

// The phases of an attempt, in their order.
const (
	PhasePath     Phase = "path"     // choosing an adapter
	PhaseSlot     Phase = "slot"     // waiting for a connection slot
	PhaseDial     Phase = "dial"     // until the link is up
	PhaseSecure   Phase = "secure"   // encrypting or pairing
	PhaseDiscover Phase = "discover" // MTU and attribute table
	PhaseReady    Phase = "ready"    // the check of the program, Options.Ready
)

// Attempt is the record of one attempt that failed.
type Attempt struct {
	Address  hci.Addr // of the device; its kind is public if neither given nor heard
	Adapter  string   // "" if none could be chosen
	Phase    Phase
	Duration time.Duration
	Err      error
	Class    errclass.Class
	Backoff  time.Duration // the wait after it, unless that ended early
	// Situation holds the circumstances: the adapter that heard the device last, the
	// time since, and the security of the link. Class and its Advice depend on it.
	Situation *errclass.Situation

	linked   bool // there was a link: the device is there
	hopeless bool // no other attempt may follow
	differs  bool // the next attempt is not the same again
	try      *try // the last one of the attempt; nil if there was none
}

// EstablishError is the error of an Establish that has given up. It unwraps to its
// Category and to Err.
type EstablishError struct {
	Name     string
	Address  hci.Addr  // its kind is public if neither given nor heard
	Attempts []Attempt // all of them, in order
	Category error     // one of the Err variables; nil if the caller ended the call
	Err      error     // the last failure, or the cause of ctx
	Advice   string    // the remedy for the user; may be empty
	// Explanation is the knowledge of the Manager about the device at the end of the call.
	Explanation *Explanation
}

// Error returns the text of bleak-retry-connector. Characters of the name that could
// disturb a terminal or a log are replaced.
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

// errNoAddress ends an Establish whose Options.Device has returned no address.
var errNoAddress = errors.New("Options.Device returned a device without an address")

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

// MissingError reports that the device lacks a service or characteristic of
// Options.Require, even after its table was discovered anew.
type MissingError struct {
	Service        gatt.UUID
	Characteristic gatt.UUID // the zero UUID if the service itself is missing
	// Empty reports that the device shows no service at all, as some do while they boot.
	// Other attempts then follow, as the policy allows.
	Empty bool
}

func (e *MissingError) Error() string {
	if e.Empty {
		return fmt.Sprintf("the device shows no service at all, but %v is required", e.Service)
	}
	if e.Characteristic == (gatt.UUID{}) {
		return fmt.Sprintf("the device has no service %v", e.Service)
	}
	return fmt.Sprintf("the device has no characteristic %v in service %v", e.Characteristic, e.Service)
}

// class returns the class of the failure. The device itself has given the table: another
// attempt would read the same, unless the device is not ready to show one.
func (e *MissingError) class() errclass.Class {
	if e.Empty {
		return errclass.Class{
			Row: "empty table", Category: errclass.Connection, Budget: errclass.BudgetTransient, Delay: errclass.DelayTransient,
			Advice: "the device may be starting: wait, or switch it off and on",
		}
	}
	return errclass.Class{Row: "required attribute missing", Category: errclass.Connection}
}
