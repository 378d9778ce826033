package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// LinkHandler is the protocol above one link, L2CAP. Config.NewLink returns one for
// each link. It is the only way from this package to the layers above.
//
// All methods run on the loop. They must not block, must not call user code, and
// must not keep a slice that they are passed.
type LinkHandler interface {
	// ACL handles the payload of one ACL data packet. start reports whether it
	// begins an L2CAP frame (packet boundary flag 00 or 10).
	ACL(now time.Time, start bool, data []byte)
	// Event handles an event of the link. Two are requests that the handler must
	// answer: *hci.LERemoteConnectionParameterRequest, with
	// [Link.ReplyParamRequest], and *hci.LELongTermKeyRequest, with
	// [Link.ProvideKey] or [Link.RefuseKey]. The others are information, such as
	// *hci.EncryptionChange. An event is valid during the call only.
	Event(now time.Time, ev hci.Event)
	// Writable is called once after [Link.Room] has returned false, as soon as the
	// link has room again.
	Writable(now time.Time)
	// Expire is called once at the time set by [Link.SetDeadline].
	Expire(now time.Time)
	// Down is the last call. cause is the reason for the end of the link, a
	// *DisconnectError.
	Down(now time.Time, cause error)
}
