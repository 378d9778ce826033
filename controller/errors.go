package controller

import (
	"errors"
	"fmt"
	"net"

	"github.com/moor-ble/moor/hci"
)

// The errors of the package, for errors.Is.
var (
	// ErrNoAnswer means that the controller did not answer a command in time, or did
	// not report the end of a procedure that it had begun.
	ErrNoAnswer = errors.New("no answer from the controller")

	// ErrNoCredit means that the controller has answered all commands but has granted
	// no credit for another one (Vol 4, Part E, 4.4).
	ErrNoCredit = errors.New("the controller granted no credit for another command")

	// ErrNoDataCredit means that the controller has returned no buffer for data in the
	// supervision timeout of the link and 2 s, at least 6 s, although it has the link.
	// The remedy is to close the Controller and to open it again.
	ErrNoDataCredit = errors.New("the controller keeps the data of the link and reports nothing as sent")

	// ErrUnacknowledged means that the peer has acknowledged no data in that time,
	// although its link layer kept the link up.
	ErrUnacknowledged = errors.New("the peer does not acknowledge data")

	// ErrStuck means that a write to the transport took longer than
	// Config.CommandTimeout.
	ErrStuck = errors.New("the transport accepts no more packets")

	// ErrUnanswered means that a command was not sent because the controller did not
	// answer the same command before.
	ErrUnanswered = errors.New("not sent, because this controller did not answer the command before")

	// ErrReset means that the controller was reset before it answered the command. The
	// command may be sent again.
	ErrReset = errors.New("the controller was reset before it answered")

	// ErrNotSupported means that the controller lacks a command or a feature.
	ErrNotSupported = errors.New("not supported by the controller")

	// ErrNoLE means that the controller knows none of the commands that every LE
	// controller has.
	ErrNoLE = errors.New("the controller has no Bluetooth LE")

	// ErrDialTimeout means that the controller heard no connectable advertisement of
	// the peer within ConnectOptions.Timeout.
	ErrDialTimeout = errors.New("the peer was not heard in time")

	// ErrStillInitiating means that the controller has not reported the end of a
	// canceled initiation and refuses another one. The remedy is to close the
	// Controller and to open it again, which resets the controller.
	ErrStillInitiating = errors.New("the controller still runs an initiation that was canceled")

	// ErrStale means that the controller has given the handle of the link to another
	// link, so that the event about the end of this one must be lost.
	ErrStale = errors.New("the controller gave the link's handle to another link")

	// ErrEventLost is the cause of the end of a link that the controller does not
	// have any more, although no event has reported its end.
	ErrEventLost = errors.New("the controller has no such link: the event about its end was lost")

	// ErrUnknownLink means that the controller refuses to connect because it has a
	// link to the peer, but that this host could not find the link's handle.
	// The event that reported the link was probably lost. The remedy is to close the
	// Controller and to open it again, which resets the controller.
	ErrUnknownLink = errors.New("the controller has a link to the peer that this host does not know")

	// ErrUnwanted is the cause of the end of a link that came up after its caller
	// had given up, or that no caller accepted.
	ErrUnwanted = errors.New("no caller was waiting for the connection any more")

	// ErrNoCodedPHY means that the controller does not receive on the coded PHY, or not
	// with the commands in use.
	ErrNoCodedPHY = errors.New("the controller does not support the coded PHY")

	// ErrNoExtendedAdvertising means that an advertising set demands extended advertising,
	// or that there is another set already, and the controller has the legacy commands
	// alone.
	ErrNoExtendedAdvertising = errors.New("the controller has no extended advertising")

	// ErrAdvertisingEnded means that an advertising set has reached its Duration, its
	// MaxEvents or the 1.28 s of HighDuty. The error wraps the hci.Status too.
	ErrAdvertisingEnded = errors.New("advertising has ended as its options say")

	// ErrSetStopped is the end of an AdvertisingSet by its Stop.
	ErrSetStopped error = closedError("advertising set stopped")

	// ErrNoPeriodicAdvertising means that the controller cannot synchronize with periodic
	// advertising.
	ErrNoPeriodicAdvertising = errors.New("the controller does not follow periodic advertising")

	// ErrSyncLost is the end of a Sync whose controller has received nothing for
	// SyncOptions.Timeout.
	ErrSyncLost = errors.New("the periodic advertising was not heard any more")
)

// CommandError is the failure of one HCI command. Err is the [hci.Status] that the
// controller returned, or the reason why there is none: ErrNoAnswer,
// ErrUnanswered, ErrReset, the cause of a context, or the error that ended the
// Controller.
type CommandError struct {
	Op  hci.Opcode
	Err error
}

func (e *CommandError) Error() string { return fmt.Sprintf("controller: %v: %v", e.Op, e.Err) }

// Unwrap returns Err.
func (e *CommandError) Unwrap() error { return e.Err }

// ConnectError is the failure of one call of Connect or ConnectAny. Err is the
// [hci.Status] of the connection complete event, ErrDialTimeout, the cause of a
// context, a *CommandError, or the error that ended the Controller.
type ConnectError struct {
	Peer hci.Addr // the zero Addr if there were several peers
	Err  error
	// Initiation is the number of the initiation whose failure the controller has
	// reported. Calls that shared an initiation fail together and have the same
	// number. It is 0 if the controller has reported nothing, as after a timeout.
	Initiation uint64
	// Shared are the peers of all calls with that number, Peer included.
	Shared []hci.Addr
}

func (e *ConnectError) Error() string {
	if e.Peer == (hci.Addr{}) {
		return fmt.Sprintf("controller: connect: %v", e.Err)
	}
	return fmt.Sprintf("controller: connect %v: %v", e.Peer, e.Err)
}

// Unwrap returns Err.
func (e *ConnectError) Unwrap() error { return e.Err }

// DisconnectError is the reason for the end of a link. It unwraps to net.ErrClosed,
// to Reason and to Cause, if they are set.
type DisconnectError struct {
	Handle hci.Handle
	Peer   hci.Addr
	// Reason is the reason in the Disconnection Complete event (Vol 4, Part E,
	// 7.7.5). It is zero if the link ended with its Controller, or if the event
	// gave no reason.
	Reason hci.Status
	// Local reports whether this host ended the link.
	Local bool
	// Cause is the reason of this host for ending the link, or the error that
	// ended the Controller; nil if there is none.
	Cause error
}

func (e *DisconnectError) Error() string {
	switch {
	case e.Reason == 0 && e.Cause != nil:
		return fmt.Sprintf("controller: link to %v lost: %v", e.Peer, e.Cause)
	case e.Cause != nil:
		return fmt.Sprintf("controller: link to %v closed: %v", e.Peer, e.Cause)
	case e.Local:
		return fmt.Sprintf("controller: link to %v closed by this host", e.Peer)
	case e.Reason == 0: // the peer may send any reason
		return fmt.Sprintf("controller: link to %v ended without a reason", e.Peer)
	}
	return fmt.Sprintf("controller: link to %v ended: %v", e.Peer, e.Reason)
}

// Unwrap makes errors.Is find net.ErrClosed, the reason and the cause.
func (e *DisconnectError) Unwrap() []error {
	errs := []error{net.ErrClosed}
	if e.Reason != 0 {
		errs = append(errs, e.Reason)
	}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	return errs
}

// Error is the reason for the end of a Controller other than Close: the transport
// failed, an essential command got no answer, or the controller reported a fault.
// The program may open the controller again.
type Error struct {
	What string // the event in words, such as "transport read"
	Err  error  // the cause; never nil
}

func (e *Error) Error() string { return fmt.Sprintf("controller: ended: %s: %v", e.What, e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// errClosed is the reason for the end of a Controller after Close.
var errClosed = fmt.Errorf("controller: closed: %w", net.ErrClosed)

// HardwareFault is the code of a Hardware Error event (Vol 4, Part E, 7.7.16).
type HardwareFault uint8

func (f HardwareFault) Error() string { return fmt.Sprintf("hardware error 0x%02x", uint8(f)) }
