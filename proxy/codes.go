package proxy

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

// Numbers of errors, as clients name them: those of ATT, of HCI, and of the Bluetooth
// stack of ESP32.
const (
	codeNotConnected = -1
	codeBusy         = 0x84
	codeGATTError    = 0x85
	codeOutOfSlots   = 0x100
)

// passedOn are the reasons of HCI that clients know under the same number. Others collide
// with error codes of ATT.
var passedOn = []hci.Status{
	hci.StatusConnectionTimeout, hci.StatusRemoteUserTerminated, hci.StatusLocalHostTerminated,
	hci.StatusLLResponseTimeout, hci.StatusFailedToEstablish,
}

// codeOfEnd returns the number with which the end of a link, or of the attempt to make
// one, is told: 0 if the client asked for it.
func codeOfEnd(err error) int32 {
	switch {
	case errors.Is(err, errAsked):
		return 0
	case errors.Is(err, errClientLeft), errors.Is(err, errUnsubscribed), errors.Is(err, context.Canceled):
		return int32(hci.StatusLocalHostTerminated)
	case errors.Is(err, connmgr.ErrOutOfSlots):
		return codeOutOfSlots
	}
	for _, status := range passedOn {
		if errors.Is(err, status) {
			return int32(status)
		}
	}
	return codeGATTError
}

// codeOf returns the number with which an operation has failed; 0 for none.
func codeOf(err error) int32 {
	var code *att.Error
	var ended *controller.DisconnectError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int32(code.Code)
	case errors.As(err, &ended):
		return codeNotConnected
	}
	if bare, ok := errors.AsType[att.Code](err); ok {
		return int32(bare)
	}
	return codeGATTError
}
