package cli

import (
	"cmp"
	"errors"
	"syscall"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci/hcisock"
)

// isSilent reports whether err needs no message: the reader of the output has gone
// away, as head(1) does.
func isSilent(err error) bool {
	var out *outputError
	return errors.As(err, &out) && errors.Is(err, syscall.EPIPE)
}

// codeAdvice returns the remedy for an ATT error code; "" if there is none.
func codeAdvice(c att.Code) string {
	switch c {
	case att.CodeInvalidHandle:
		return "the device has no attribute there: see moor services"
	case att.CodeReadNotPermitted:
		return "it cannot be read: moor services shows whether it can be written or subscribed to"
	case att.CodeWriteNotPermitted:
		return "it cannot be written; moor services shows what each characteristic takes"
	case att.CodeInsufficientAuthentication, att.CodeInsufficientEncryption, att.CodeEncryptionKeySizeTooShort:
		return "the device requires an encrypted link: pair with it first (moor pair), or add --pair"
	case att.CodeInsufficientAuthorization:
		return "the device requires its user to allow this"
	case att.CodeInvalidAttributeValueLength:
		return "the value has the wrong length for this attribute"
	case att.CodeValueNotAllowed, att.CodeOutOfRange:
		return "the device does not take this value"
	case att.CodeRequestNotSupported:
		return "the device does not know this kind of request"
	case att.CodeInsufficientResources, att.CodePrepareQueueFull:
		return "the device is short of memory: try again, or with a shorter value"
	case att.CodeCCCDImproperlyConfigured:
		return "subscribe to it first: see moor notify"
	case att.CodeProcedureAlreadyInProgress:
		return "the device is busy with the same procedure: try again later"
	default:
		if c.Application() {
			return "the service defines the meaning of this code: see its specification"
		}
		return ""
	}
}

// advice returns the remedy for err; "" if there is none. A remedy in terms of the
// command line comes before that of errclass.
func advice(err error) string {
	var (
		open   *hcisock.OpenError
		unseen *notSeenError
		many   *ambiguousError
		none   *missingError
		code   att.Code
		failed *connmgr.EstablishError
		state  *connmgr.StateError
		access *accessError
		noChar *noCharError
	)
	switch {
	case errors.As(err, &state):
		return stateAdvice(state)
	case errors.As(err, &open):
		return open.Remedy
	case errors.Is(err, errNoAdapter):
		return "plug one in (moor doctor finds other reasons), name one with --adapter, or try moor --adapter sim: scan"
	case errors.As(err, &unseen):
		return "switch it on, bring it closer, or wake it up; with /random or /public after the address, moor connects without having seen it"
	case errors.As(err, &many):
		return "name one of them by its handle"
	case errors.As(err, &none):
		return "moor services shows what it has"
	case errors.As(err, &noChar):
		return cmp.Or(meantUUID(noChar.arg.Handle), "moor services shows what it has")
	case errors.As(err, &access) && access.of.Service == nil && errors.Is(err, att.CodeInvalidHandle) && meantUUID(access.of.Handle) != "":
		return meantUUID(access.of.Handle)
	case errors.Is(err, gatt.ErrNotSubscribable):
		return "moor services shows which do ([notify] or [indicate]); moor read reads it"
	case errors.Is(err, controller.ErrDialTimeout):
		return "switch it on, bring it closer, or check whether the address is /public or /random: moor scan shows it"
	case pairAdvice(err) != "":
		return pairAdvice(err)
	case errors.As(err, &failed):
		return failed.Advice
	case errors.As(err, &code):
		return codeAdvice(code)
	}
	return errclass.Of(err).Advice
}

// stateAdvice returns the remedy for a state directory that cannot be used.
func stateAdvice(e *connmgr.StateError) string {
	switch {
	case e.Remedy != "":
		return e.Remedy
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "make room on the disk, or name a directory elsewhere with --state DIR, or --state none to keep nothing"
	}
	return "name a directory that you may read and write with --state DIR, or --state none to keep nothing"
}
