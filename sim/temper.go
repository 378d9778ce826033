package sim

import (
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

// Temper is the misbehavior of a device: the ways in which a RawPeer, a Device
// or a Peripheral deviates from a well-behaved peripheral. It is plain data. The
// zero Temper is well behaved.
//
// A Temper is part of the device's configuration, or set by Air.SetTemper. Its
// times count from the moment at which it takes effect: from the creation of the
// device, or from the call of SetTemper.
type Temper struct {
	// Rules are reactions to what the central does. The first rule that matches
	// an occurrence decides; later rules do not see it.
	Rules []Rule
	// Advertising changes the device's advertising at given times. The entries
	// must be in ascending order of At.
	Advertising []AdvChange
	// ParamRequests are the device's own requests for connection parameters.
	ParamRequests []ParamRequest
	// SecurityRequests are sent on every link.
	SecurityRequests []SecurityRequest
	// Notifications are sent on every link, whether or not the central has
	// subscribed.
	Notifications []Notification
}

// Rule is a reaction to something that the central does. The zero value of a
// field does not restrict the rule.
type Rule struct {
	// On is the occurrence, Do the reaction.
	On Trigger
	Do Reaction

	// Opcode and Handle restrict OnRequest and OnSubscribe. Without Opcode,
	// OnRequest matches all requests but no commands. Handle is the attribute
	// handle that the PDU names first: of a range, its start.
	Opcode att.Opcode
	Handle att.Handle
	// Below restricts OnLink and OnParams to links whose connection interval is shorter.
	Below time.Duration
	// From and Until are the times at which the rule is in force, From included.
	// Until 0 means for ever.
	From, Until time.Duration
	// Times is the number of occurrences on which the rule acts; 0 means all. The
	// first Skip occurrences pass.
	Times, Skip int
	// Chance is the probability, 0 to 1, with which the rule acts. 0 means 1. An
	// occurrence on which it does not act does not count for Times.
	Chance float64

	// Delay is the time from the occurrence to the reaction.
	Delay time.Duration
	// Status is the reason of HangUp, 0x13 by default, or of Refuse on the link
	// layer: 0x06 (key missing) of OnEncryption, 0x1A (unsupported) otherwise.
	Status hci.Status
	// Code is the error code of Refuse to an ATT request. 0 is sent as it is.
	Code att.Code
	// ErrorHandle is the handle in the error of Refuse. Default: the handle that
	// the request names, or 0 if it names none.
	ErrorHandle att.Handle
	// PDU is the ATT PDU of SendFirst and SendInstead, with its opcode.
	PDU []byte
}

// Trigger is an occurrence on a link to which a Rule reacts.
type Trigger uint8

// The triggers. HangUp, FallSilent, Crash and Stall of OnPHY and OnParams act when
// the update takes effect, so that the central sees the update succeed.
const (
	// OnLink is the start of a link. It allows HangUp, FallSilent, Crash and Stall,
	// as every trigger does.
	OnLink Trigger = iota
	// OnRequest is an ATT PDU of the central. It allows all reactions.
	OnRequest
	// OnSubscribe is a Write Request with one of the values 0x0001, 0x0002 and
	// 0x0003, as it is sent to a CCCD. It allows all reactions.
	OnSubscribe
	// OnDataLength is a data length update. It allows Ignore and Refuse too.
	OnDataLength
	// OnPHY is a PHY update. Ignore and Refuse act on the request, the others
	// after a change of the PHY.
	OnPHY
	// OnParams is a connection update. There is no answer that could be left out
	// or refused.
	OnParams
	// OnEncryption is the start of encryption. It allows Ignore and Refuse too.
	OnEncryption
	// OnSecurityRefused is the central's Pairing Failed after a Security Request
	// of the Temper.
	OnSecurityRefused
)

// Reaction is the action of a device on a Trigger.
type Reaction uint8

// The reactions.
const (
	// Answer is the proper answer, after Delay.
	Answer Reaction = iota
	// HangUp ends the link with Status as the reason. The occurrence itself has
	// no effect and no answer.
	HangUp
	// FallSilent lets no packet through in either direction. Both sides end the
	// link by supervision timeout.
	FallSilent
	// Crash makes the device forget the link without a packet, as a device that
	// restarts does. It may advertise again at once; the central ends the link by
	// supervision timeout.
	Crash
	// Stall makes the device acknowledge no data of the central any more. The link
	// stays up, and the central's controller reports no completed packets.
	Stall
	// Ignore gives no answer, ever.
	Ignore
	// Refuse answers with an error: Code to an ATT request, Status on the link
	// layer.
	Refuse
	// AnswerTwice sends the proper answer to an ATT request twice.
	AnswerTwice
	// SendFirst sends PDU and then the proper answer.
	SendFirst
	// SendInstead sends PDU in place of the proper answer. The occurrence itself
	// has no effect.
	SendInstead
)

// AdvChange is a state of a device's advertising that begins at a time. It
// replaces the state before; the zero state is advertising as configured.
type AdvChange struct {
	At time.Duration
	// Off stops advertising.
	Off bool
	// NotConnectable makes connectable advertising non-connectable.
	NotConnectable bool
	// Interval replaces the advertising interval. 0: as configured.
	Interval time.Duration
}

// ParamRequest is a device's request for connection parameters, sent After the
// start of every link and then every Every, if that is not 0.
type ParamRequest struct {
	After, Every time.Duration
	Params       hci.ConnParams
	// LinkLayer sends it as a connection parameter request of the link layer.
	// Default: as L2CAP Connection Parameter Update Request.
	LinkLayer bool
}

// SecurityRequest is an SMP Security Request, sent After the start of every link.
type SecurityRequest struct {
	After time.Duration
	// AuthReq is its octet of authentication requirements. Default: 0x01, bonding.
	AuthReq uint8
}

// Notification is a value that a device sends After the start of every link and
// then every Every, if that is not 0.
type Notification struct {
	After, Every time.Duration
	Handle       att.Handle
	Value        []byte
	// Indicate sends it as an indication, which the device does not wait to be
	// confirmed.
	Indicate bool
}

// SetTemper gives a device a temper in place of the one that it has. Links that
// exist keep theirs.
func (a *Air) SetTemper(n Node, t Temper) {
	r := n.radio()
	a.post(func() { r.setTemper(t) })
}
