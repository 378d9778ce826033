package controller

import (
	"errors"
	"fmt"
	"net"

	"github.com/moor-ble/moor/hci"
)

// ErrNoAnswer says that the controller did not answer a command in time, or
// did not report the end of a procedure that it had begun.
var ErrNoAnswer = errors.New("no answer from the controller")

// ErrNoCredit says that the controller answered all commands and yet left this
// host without a credit to send another one (Vol 4, Part E, 4.4).
var ErrNoCredit = errors.New("the controller granted no credit for another command")

// ErrStuck says that the transport did not take a packet within
// Config.CommandTimeout, so that it was closed.
var ErrStuck = errors.New("the transport takes no more packets")

// ErrUnanswered says that a command was not sent because the controller left
// the same command without an answer before.
var ErrUnanswered = errors.New("not sent, because this controller did not answer the command before")

// ErrNotSupported says that the controller lacks a command or feature.
var ErrNotSupported = errors.New("not supported by the controller")

// ErrDialTimeout says that no connectable advertisement of the peer was heard
// in the time given to an attempt to connect.
var ErrDialTimeout = errors.New("the peer was not heard in time")

// ErrStillInitiating says that the controller has never reported the end of an
// initiation that was canceled, and takes no other. A reset helps, that is, to
// close the Controller and open it again.
var ErrStillInitiating = errors.New("the controller goes on with an initiation that was canceled")

// ErrStale says that a handle is in use again by another link, so that the
// event about the end of this one must have been lost.
var ErrStale = errors.New("the controller gave the link's handle to another link")

// ErrEventLost is the cause of the end of a link that the controller does not
// have any more, although no event reported the end.
var ErrEventLost = errors.New("the controller has no such link: the event about its end was lost")

// ErrUnknownLink says that the controller refuses to connect because it has a
// link to the peer, and that this host could not find out the link's handle. The
// event about the link must have been lost. A reset helps, that is, to close the
// Controller and open it again.
var ErrUnknownLink = errors.New("the controller has a link to the peer that this host does not know")

// CommandError is the failure of one HCI command. Err is the [Status] that the
// controller gave, or why the command did not get one: ErrNoAnswer,
// ErrUnanswered, a context's cause, or what ended the device.
type CommandError struct {
	Op  hci.Opcode
	Err error
}

func (e *CommandError) Error() string { return fmt.Sprintf("controller: %v: %v", e.Op, e.Err) }

// Unwrap returns Err.
func (e *CommandError) Unwrap() error { return e.Err }

// ConnectError is the failure of one attempt to connect. Err is the Status of
// the connection complete event, ErrDialTimeout, a context's cause, a
// *CommandError, or what ended the device.
type ConnectError struct {
	Peer hci.Addr // the zero Addr where several peers were awaited
	Err  error
	// Initiation tells failures apart that the controller reported: dials that
	// shared an initiation fail by one event, and have one number. It is 0 where
	// the controller reported nothing, as after a timeout.
	Initiation uint64
}

func (e *ConnectError) Error() string {
	if e.Peer == (hci.Addr{}) {
		return fmt.Sprintf("controller: connect: %v", e.Err)
	}
	return fmt.Sprintf("controller: connect %v: %v", e.Peer, e.Err)
}

// Unwrap returns Err.
func (e *ConnectError) Unwrap() error { return e.Err }

// DisconnectError says why a link ended. It unwraps to net.ErrClosed, to the
// Reason, and to the Cause if there is one.
type DisconnectError struct {
	Handle hci.Handle
	Peer   hci.Addr
	// Reason is the reason of the Disconnection Complete event (Vol 4, Part E,
	// 7.7.5); zero if the link ended with its device, or for no stated reason.
	Reason hci.Status
	// Local reports whether this host asked for the end.
	Local bool
	// Cause is what made this host end the link, or what ended the device.
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
	case e.Reason == 0: // whoever ended it may say anything
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

// Error says why a Controller ended other than by Close: the transport
// failed, an essential command got no answer, or the controller reported a
// fault. The adapter may be opened again.
type Error struct {
	What string // what happened, in words
	Err  error  // the cause; never nil
}

func (e *Error) Error() string { return fmt.Sprintf("controller: device ended: %s: %v", e.What, e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// errClosed is what ends a Controller by Close.
var errClosed = fmt.Errorf("controller: device closed: %w", net.ErrClosed)

// HardwareFault is the code of a Hardware Error event (Vol 4, Part E, 7.7.16).
type HardwareFault uint8

func (f HardwareFault) Error() string { return fmt.Sprintf("hardware error 0x%02x", uint8(f)) }
