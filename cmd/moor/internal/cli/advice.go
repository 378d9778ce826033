package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/internal/text"
)

// isSilent reports whether err is not worth a word: who read the output has gone
// away, as head(1) does.
func isSilent(err error) bool {
	var out *outputError
	return errors.As(err, &out) && errors.Is(err, syscall.EPIPE)
}

// codeAdvice says what a user can do about an ATT error code.
func codeAdvice(c att.Code) string {
	switch c {
	case att.CodeInvalidHandle:
		return "the device has no attribute there: see moor services"
	case att.CodeReadNotPermitted:
		return "it cannot be read; it may be there to be written, or to notify"
	case att.CodeWriteNotPermitted:
		return "it cannot be written; moor services shows what each characteristic takes"
	case att.CodeInsufficientAuthentication, att.CodeInsufficientEncryption, att.CodeEncryptionKeySizeTooShort:
		return "the device wants an encrypted link: pair with it first (moor pair), or add --pair"
	case att.CodeInsufficientAuthorization:
		return "the device wants its user to allow this"
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
		return "the device is busy with the same: try again later"
	default:
		if c.Application() {
			return "what this code means is up to the service: see its specification"
		}
		return ""
	}
}

// advice says what to do about err; "" where nothing is known. What is about
// this command line comes first, then what errclass says of all errors.
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
		return "plug one in (moor doctor says what else may be wrong), name one with --adapter, or try moor --adapter sim: scan"
	case errors.As(err, &unseen):
		return "switch it on, bring it closer, or wake it up; with /random or /public behind the address it is dialed unseen"
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

// stateAdvice says what to do about a state directory that cannot be used.
func stateAdvice(e *connmgr.StateError) string {
	switch {
	case e.Remedy != "":
		return e.Remedy
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "make room on the disk, or name a directory elsewhere with --state DIR, or --state none to keep nothing"
	}
	return "name a directory that you may read and write with --state DIR, or --state none to keep nothing"
}

// message is err without the advice that its text may end in.
func message(err error) string {
	if failed, ok := errors.AsType[*connmgr.EstablishError](err); ok {
		return establishText(failed)
	}
	text := err.Error()
	remedy := ""
	if open, ok := errors.AsType[*hcisock.OpenError](err); ok {
		remedy = open.Remedy
	}
	if state, ok := errors.AsType[*connmgr.StateError](err); ok {
		remedy = state.Remedy
	}
	if remedy != "" {
		text = strings.TrimSuffix(text, "; "+remedy)
	}
	return text
}

// establishText says that a connection was not established, and why.
func establishText(e *connmgr.EstablishError) string {
	return fmt.Sprintf("%s: no connection after %s: %v", deviceText(e.Name, e.Address), plural(len(e.Attempts), "attempt"), e.Err)
}

// deviceText writes who a device is, with the name if it has one.
func deviceText(name, address string) string {
	if name == "" || strings.EqualFold(name, address) {
		return address
	}
	return address + " (" + text.Clean(name) + ")"
}
