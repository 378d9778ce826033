package cli

import (
	"cmp"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/internal/ownfile"
	"github.com/moor-ble/moor/smp"
)

// errShown is an error that the command has shown itself.
var errShown = errors.New("see above")

// isSilent reports whether err needs no message: it was shown, or the reader of the
// output has gone away, as head(1) does.
func isSilent(err error) bool {
	var out *outputError
	return errors.Is(err, errShown) || errors.As(err, &out) && errors.Is(err, syscall.EPIPE)
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
		same   *sameNameError
		many   *ambiguousError
		none   *missingError
		code   att.Code
		failed *connmgr.EstablishError
		state  *connmgr.StateError
		access *accessError
		other  *otherBondError
		noChar *noCharError

		noState *noStateError
		file    *fs.PathError
	)
	switch {
	case errors.Is(err, smp.ErrInUse):
		return "end it, or name another directory with --state DIR"
	case errors.As(err, &other):
		return other.remedy()
	case errors.As(err, &state):
		return stateAdvice(state)
	case errors.As(err, &open):
		return open.Remedy
	case errors.Is(err, errNoAdapter):
		return "plug one in (moor doctor finds other reasons), name one with --adapter, or try moor --adapter sim: scan"
	case errors.As(err, &noState):
		return "name one with --state DIR"
	case errors.Is(err, errNotScanned):
		return "give it more time with --duration, or see moor doctor"
	case errors.As(err, &unseen) && unseen.heard:
		return "put it into its connectable or pairing mode, or end its connection to another host"
	case errors.As(err, &unseen) && strings.HasPrefix(unseen.device, `"`):
		return "moor scan shows the names on air; the address of a device without a name does as well"
	case errors.As(err, &same):
		return "name one of them by its address"
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
	case errors.Is(err, gatt.ErrStale):
		return "the services of the device have changed: run the command again, and see moor services for what it has now"
	case errors.As(err, &code):
		return codeAdvice(code)
	case errors.As(err, &file):
		return fileAdvice(file)
	}
	return classOf(err).Advice
}

// fileAdvice returns the remedy for a file that the command line names.
func fileAdvice(e *fs.PathError) string {
	switch {
	case errors.Is(e, ownfile.ErrUntrusted):
		return "" // the error has it
	case errors.Is(e, fs.ErrPermission), errors.Is(e, syscall.EROFS):
		return "name a file that you may read or write, in a directory that you may use"
	case isDiskFull(e):
		return "make room on the disk, or name a file elsewhere"
	case errors.Is(e, fs.ErrNotExist):
		return "check the name, and that its directory exists"
	}
	return ""
}

func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// stateAdvice returns the remedy for a state directory that cannot be used.
func stateAdvice(e *connmgr.StateError) string {
	switch {
	case e.Remedy != "":
		return e.Remedy
	case isDiskFull(e.Err):
		return "make room on the disk, or name a directory elsewhere with --state DIR, or --state none to keep nothing"
	}
	return "name a directory that you may read and write with --state DIR, or --state none to keep nothing"
}
