package smp

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/hci"
)

// Reason is the reason of a Pairing Failed PDU (Vol 3, Part H, 3.5.5). It implements
// error so that errors.Is can look for it; calls always return an [*Error].
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

// Error returns the name of the reason with the prefix "smp: ".
func (r Reason) Error() string { return "smp: " + r.String() }

// Error is the failure of a pairing. It unwraps to Reason, and to Err if that is set.
type Error struct {
	Reason Reason
	// Local reports whether this host ended the pairing; otherwise the peer did.
	Local bool
	// Err is the cause of a local failure: the peer's mistake, or an error of the
	// Delegate or of a context.
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

// Unwrap returns Reason, and Err if it is set.
func (e *Error) Unwrap() []error {
	if e.Err != nil {
		return []error{e.Reason, e.Err}
	}
	return []error{e.Reason}
}

// localError returns an Error with which this host ends a pairing.
func localError(r Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Local: true, Err: fmt.Errorf(format, args...)}
}

var (
	// ErrBondLost means that the peer has no key for a bond of this host. The peer was
	// reset, or another device uses its address. Errors that wrap ErrBondLost are a
	// *BondLostError.
	ErrBondLost = errors.New("the peer has lost the bond")
	// ErrNoBond means that there is no bond with the peer, so no key to encrypt with.
	ErrNoBond = errors.New("no bond with the peer")
	// ErrNoKey means that the bond has no key for this host's role on the link. In
	// legacy pairing each side distributes the key for links on which it is the
	// peripheral, and some devices distribute none (Vol 3, Part H, 2.4.2).
	ErrNoKey = errors.New("the bond has no key for this host's role: pair again and replace it")
	// ErrBondDamaged means that the bond cannot be read. Until it is removed or
	// replaced, its peer counts as bonded, so that no data reaches the peer in plain
	// text. This holds for the peer's identity address only. The key that resolves its
	// private addresses is unreadable too, so under a private address the peer is
	// unknown; a bond made under one replaces the damaged bond only if that is
	// permitted.
	ErrBondDamaged = errors.New(
		"the bond is damaged: restore it from a backup, remove it, or pair again and replace it")
	// ErrOpenBond means that this host uses a private address which the bonded peer
	// cannot resolve: the bond was made without privacy, or the peer did not ask for
	// the key. The host cannot tell whether such a peer still has the bond. As central
	// it tries to encrypt and returns this error when the peripheral reports a missing
	// key. As peripheral it does not try: the central would have to look its key up by
	// an address that it cannot resolve.
	ErrOpenBond = errors.New("the peer was not given the key to this host's private addresses: " +
		"pair again and replace the bond, or disable privacy")
	// ErrKeysDiffer means that the key of a pairing did not encrypt the link: the two sides
	// have derived different ones.
	ErrKeysDiffer = errors.New("the keys of the two sides differ")
	// ErrBonded means that there is a bond already. Pair replaces it only if
	// PairOptions.Replace is set.
	ErrBonded = errors.New("there is a bond with the peer: encrypt with it, or ask to replace it")
	// ErrWeakBond means that the bond was made without protection against a man in the
	// middle, which the caller requires. It is for callers of this package, which does
	// not return it.
	ErrWeakBond = errors.New("the bond is not protected against a man in the middle: pair again and replace it")
	// ErrTimeout means that the peer did not send the next PDU of a procedure within
	// 30 s. The link is of no more use for pairing; it takes a new one (Vol 3, Part H,
	// 3.4).
	ErrTimeout = errors.New("the peer did not answer within 30s")
	// ErrBusy means that the link is being paired or encrypted, and that the call could
	// not wait for it.
	ErrBusy = errors.New("the link is being paired or encrypted")
	// ErrCanceled means that the caller of Pair gave up. context.Cause of the
	// Delegate's context then wraps ErrCanceled.
	ErrCanceled = errors.New("canceled")
)

// SaveError reports that a bond could not be saved. The pairing is void, although the peer
// may take it for done; an older bond with the peer stays.
type SaveError struct {
	Peer hci.Addr // the identity address
	Err  error
}

func (e *SaveError) Error() string {
	return fmt.Sprintf("smp: save the bond with %v: %v", e.Peer, e.Err)
}

// Unwrap returns Err.
func (e *SaveError) Unwrap() error { return e.Err }

// InUseError names the process that uses the bonds in a directory. It unwraps to
// ErrInUse.
type InUseError struct {
	Dir     string // of the local identity
	PID     int    // 0 if it is not known
	Program string // "" if it is not known
}

func (e *InUseError) Error() string {
	switch {
	case e.PID == 0:
		return fmt.Sprintf("%s: %v", e.Dir, ErrInUse)
	case e.Program == "":
		return fmt.Sprintf("%s: process %d uses these bonds: end it first", e.Dir, e.PID)
	}
	return fmt.Sprintf("%s: process %d (%s) uses these bonds: end it first", e.Dir, e.PID, e.Program)
}

// Unwrap returns ErrInUse.
func (e *InUseError) Unwrap() error { return ErrInUse }

// BondLostError names a peer that has lost its bond. This host keeps its own side: a
// device that only poses as the peer must not be able to remove it. To replace the
// bond, pair with PairOptions.Replace.
type BondLostError struct {
	Peer hci.Addr // the identity address
	// Err is the evidence: hci.StatusKeyMissing, or an error which says that the peer
	// wants to pair.
	Err error
}

func (e *BondLostError) Error() string {
	return fmt.Sprintf("smp: %v has lost the bond (%v): pair again if it was reset; "+
		"otherwise another device may be posing as it", e.Peer, e.Err)
}

// Unwrap returns ErrBondLost and Err.
func (e *BondLostError) Unwrap() []error { return []error{ErrBondLost, e.Err} }
