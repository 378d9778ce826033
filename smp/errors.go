package smp

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/hci"
)

// Reason says why a pairing failed (Vol 3, Part H, 3.5.5). It is an error so
// that errors.Is can ask for it; what calls return is always an [*Error].
type Reason uint8

// The reasons of Vol 3, Part H, Table 3.7.
const (
	ReasonPasskeyEntryFailed         Reason = 0x01
	ReasonOOBNotAvailable            Reason = 0x02
	ReasonAuthenticationRequirements Reason = 0x03
	ReasonConfirmValueFailed         Reason = 0x04
	ReasonPairingNotSupported        Reason = 0x05
	ReasonEncryptionKeySize          Reason = 0x06
	ReasonCommandNotSupported        Reason = 0x07
	ReasonUnspecified                Reason = 0x08
	ReasonRepeatedAttempts           Reason = 0x09
	ReasonInvalidParameters          Reason = 0x0A
	ReasonDHKeyCheckFailed           Reason = 0x0B
	ReasonNumericComparisonFailed    Reason = 0x0C
	ReasonBREDRPairingInProgress     Reason = 0x0D
	ReasonCrossTransportNotAllowed   Reason = 0x0E
	ReasonKeyRejected                Reason = 0x0F
	ReasonBusy                       Reason = 0x10
)

// String returns the name of the reason in lower case, or "reason 0x7f".
func (r Reason) String() string {
	switch r {
	case ReasonPasskeyEntryFailed:
		return "passkey entry failed"
	case ReasonOOBNotAvailable:
		return "out of band data not available"
	case ReasonAuthenticationRequirements:
		return "authentication requirements"
	case ReasonConfirmValueFailed:
		return "confirm value failed"
	case ReasonPairingNotSupported:
		return "pairing not supported"
	case ReasonEncryptionKeySize:
		return "encryption key size"
	case ReasonCommandNotSupported:
		return "command not supported"
	case ReasonUnspecified:
		return "unspecified reason"
	case ReasonRepeatedAttempts:
		return "repeated attempts"
	case ReasonInvalidParameters:
		return "invalid parameters"
	case ReasonDHKeyCheckFailed:
		return "DHKey check failed"
	case ReasonNumericComparisonFailed:
		return "numeric comparison failed"
	case ReasonBREDRPairingInProgress:
		return "BR/EDR pairing in progress"
	case ReasonCrossTransportNotAllowed:
		return "cross-transport key derivation not allowed"
	case ReasonKeyRejected:
		return "key rejected"
	case ReasonBusy:
		return "busy"
	}
	return fmt.Sprintf("reason 0x%02x", uint8(r))
}

// Error returns the name of the reason behind the package's prefix.
func (r Reason) Error() string { return "smp: " + r.String() }

// Error is the failure of a pairing. It unwraps to the Reason, and to Err if
// there is one.
type Error struct {
	Reason Reason
	// Local reports whether this host found the failure; otherwise the peer did.
	Local bool
	// Err has details of a local failure: what the peer did wrong, or what the
	// delegate or a context said.
	Err error
}

func (e *Error) Error() string {
	switch {
	case !e.Local:
		return fmt.Sprintf("smp: pairing refused by the peer: %s", e.Reason.String())
	case e.Err != nil:
		return fmt.Sprintf("smp: pairing failed: %s: %v", e.Reason.String(), e.Err)
	}
	return fmt.Sprintf("smp: pairing failed: %s", e.Reason.String())
}

// Unwrap makes errors.Is find the reason and the details.
func (e *Error) Unwrap() []error {
	if e.Err != nil {
		return []error{e.Reason, e.Err}
	}
	return []error{e.Reason}
}

// localError returns a failure that this host has found, with details.
func localError(r Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Local: true, Err: fmt.Errorf(format, args...)}
}

var (
	// ErrBondLost says that the peer has no key for a bond that this host keeps:
	// it was reset, or is another device with the same address. Errors that wrap
	// it are a *BondLostError.
	ErrBondLost = errors.New("the peer has lost the bond")
	// ErrNoBond says that there is no key to encrypt with.
	ErrNoBond = errors.New("no bond with the peer")
	// ErrNoKey says that there is a bond, but without a key for this host's role
	// on the link. In legacy pairing each side gives out the key for links on which
	// it is the peripheral, and some give none (Vol 3, Part H, 2.4.2).
	ErrNoKey = errors.New("the bond has no key for this host's role: pair again and replace it")
	// ErrBondDamaged says that a bond cannot be read. Until it is removed or
	// replaced, its peer counts as bonded, so that nothing is said to it in plain
	// text. That is so under its identity address alone: the key to its private
	// addresses cannot be read either, and under one of these it is a stranger,
	// whose new bond does not replace the damaged one unasked.
	ErrBondDamaged = errors.New("the bond is damaged: put it back from a backup, remove it, or pair again and replace it")
	// ErrOpenBond says that this host uses a private address on the link, and that
	// the peer of the bond has not been given the key to know it by that: the bond
	// was made without private addresses, or the peer did not want the key. So it
	// does not show whether it has lost the bond. A peripheral is tried, and has
	// said that it has no key; a central is not, since all that it could find its
	// key by is the address.
	ErrOpenBond = errors.New("the peer was not given the key to this host's private addresses: pair again and replace the bond, or use none")
	// ErrBonded says that there is a bond already, which Pair does not replace
	// unless asked to.
	ErrBonded = errors.New("there is a bond with the peer: encrypt with it, or ask to replace it")
	// ErrWeakBond says that the bond was made without protection against a man in
	// the middle, which is asked for.
	ErrWeakBond = errors.New("the bond is not protected against a man in the middle: pair again and replace it")
	// ErrTimeout says that the peer was silent for 30 s in a procedure. Nothing
	// more can be done on the link; a new one is needed (Vol 3, Part H, 3.4).
	ErrTimeout = errors.New("the peer did not answer within 30s")
	// ErrBusy says that another procedure of a kind that does not go together
	// with the one asked for is under way.
	ErrBusy = errors.New("the link is being paired or encrypted")
	// ErrCanceled is the cause of a delegate's context when the pairing was
	// given up by its caller, or with the link.
	ErrCanceled = errors.New("canceled")
)

// BondLostError says which peer has lost its bond, and how that showed. The bond
// is kept: a device that only pretends to be the peer must not be able to
// remove it. To go on, pair with PairOptions.Replace.
type BondLostError struct {
	Peer hci.Addr // the identity address
	Err  error    // hci.StatusKeyMissing, or that the peer wants to pair instead
}

func (e *BondLostError) Error() string {
	return fmt.Sprintf("smp: %v has lost the bond (%v): pair again if it was reset, beware if it was not", e.Peer, e.Err)
}

// Unwrap makes errors.Is find ErrBondLost and the sign of it.
func (e *BondLostError) Unwrap() []error { return []error{ErrBondLost, e.Err} }
