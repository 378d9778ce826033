package smp

import (
	"context"

	"github.com/moor-ble/moor/hci"
)

// Delegate is the user interface of pairings. A pairing calls it on a goroutine of its
// own, one method after the other; pairings on several links may call at the same
// time. The context that the methods get ends with the pairing. Its cause is the error
// of the pairing, which wraps an *Error, the end of the link, or ErrCanceled. An error
// that a method returns ends the pairing, and Pair wraps it.
//
// A pairing calls only the methods that the result of IO permits.
type Delegate interface {
	// IO returns the capability of the user interface. It is called on the loop and must not
	// wait.
	IO() IOCapability
	// Display shows a passkey for the user to type at the peer. It returns as soon as
	// the passkey is shown.
	Display(ctx context.Context, peer hci.Addr, p Passkey) error
	// Confirm asks the user whether the peer shows the same number. The answer must be
	// the user's: an automatic one gives up all protection.
	Confirm(ctx context.Context, peer hci.Addr, number Passkey) (bool, error)
	// Enter asks for the passkey that the peer shows, or for a passkey that the user
	// types at both devices.
	Enter(ctx context.Context, peer hci.Addr) (Passkey, error)
	// Ended is called when the pairing has ended, if another method was called before.
	// err is nil if the pairing succeeded. It is time to hide what was shown.
	Ended(peer hci.Addr, err error)
}

// NoInput is a Delegate without a user. All pairings are then Just Works, which
// encrypts the link without proving who the peer is.
type NoInput struct{}

var _ Delegate = NoInput{}

// IO returns NoInputNoOutput.
func (NoInput) IO() IOCapability { return NoInputNoOutput }

// Display returns an error. It is never called.
func (NoInput) Display(context.Context, hci.Addr, Passkey) error { return errNoUser }

// Confirm returns an error. It is never called.
func (NoInput) Confirm(context.Context, hci.Addr, Passkey) (bool, error) { return false, errNoUser }

// Enter returns an error. It is never called.
func (NoInput) Enter(context.Context, hci.Addr) (Passkey, error) { return 0, errNoUser }

// Ended does nothing.
func (NoInput) Ended(hci.Addr, error) {}
