package smp

import (
	"context"

	"github.com/moor-ble/moor/hci"
)

// Delegate asks and tells the user what a pairing needs. Its methods are
// called on a goroutine of the pairing, one after the other for each; pairings
// on several links may call at the same time. Their ctx ends with the pairing:
// its cause is an *Error, the end of the link, or ErrCanceled. An error that
// they return ends the pairing, and is wrapped in what Pair returns.
//
// A delegate that can do only some of it says so by IO; what that rules out is
// never called.
type Delegate interface {
	// IO says what the delegate can do. It is called on the loop and must not
	// wait.
	IO() IOCapability
	// Display shows a passkey, which the user is to type at the peer. It returns
	// when it is shown.
	Display(ctx context.Context, peer hci.Addr, p Passkey) error
	// Confirm asks whether the peer shows the same number. Only what the user
	// says counts: to answer by itself gives up all protection.
	Confirm(ctx context.Context, peer hci.Addr, number Passkey) (bool, error)
	// Enter asks for the passkey that the peer shows, or for one that the user
	// types at both.
	Enter(ctx context.Context, peer hci.Addr) (Passkey, error)
	// Ended is called after any of the others, when the pairing is over: err is
	// nil if it succeeded. What was shown may then be taken away.
	Ended(peer hci.Addr, err error)
}

// NoInput is a Delegate that has no user to ask: all pairings are Just Works,
// which encrypts, but does not say with whom.
type NoInput struct{}

var _ Delegate = NoInput{}

// IO returns NoInputNoOutput.
func (NoInput) IO() IOCapability { return NoInputNoOutput }

// Display is never called; it does nothing.
func (NoInput) Display(context.Context, hci.Addr, Passkey) error { return errNoUser }

// Confirm is never called; it refuses.
func (NoInput) Confirm(context.Context, hci.Addr, Passkey) (bool, error) { return false, errNoUser }

// Enter is never called; it refuses.
func (NoInput) Enter(context.Context, hci.Addr) (Passkey, error) { return 0, errNoUser }

// Ended does nothing.
func (NoInput) Ended(hci.Addr, error) {}
