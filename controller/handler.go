package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// LinkHandler is the protocol above one link (L2CAP). The device makes one for
// every link through Config.NewLink and reaches upwards through it alone, so
// that hci knows nothing of what runs on a link.
//
// All methods are called on the device's loop: they must not block, call user
// code or keep a slice that they are given.
type LinkHandler interface {
	// ACL takes the payload of one ACL data packet. start reports whether it
	// begins an L2CAP frame (packet boundary flag 00 or 10).
	ACL(now time.Time, start bool, data []byte)
	// Event takes an event of the link that the device does not answer itself:
	// *LERemoteConnectionParameterRequest, *LELongTermKeyRequest,
	// *EncryptionChange, *EncryptionKeyRefreshComplete,
	// *LEConnectionUpdateComplete, *LEDataLengthChange, *LEPHYUpdateComplete.
	Event(now time.Time, ev hci.Event)
	// Writable says that the link has room for packets again. It is called once
	// after Room returned false.
	Writable(now time.Time)
	// Expire is called once when the time given to Link.SetDeadline has come.
	Expire(now time.Time)
	// Down is the last call. cause says why the link ended.
	Down(now time.Time, cause error)
}
