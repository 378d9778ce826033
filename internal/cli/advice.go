package cli

import (
	"errors"
	"strings"
	"syscall"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// quiet reports whether err is not worth a word: who read the output has gone
// away, as head(1) does.
func quiet(err error) bool {
	var out *outputError
	return errors.As(err, &out) && errors.Is(err, syscall.EPIPE)
}

// statusAdvice says what a user can do about an HCI status.
func statusAdvice(s hci.Status) string {
	switch s {
	case hci.StatusFailedToEstablish:
		return "the device advertises but did not answer: move closer, try again, or end what else it is connected to"
	case hci.StatusConnectionTimeout:
		return "the radio lost the device: move closer, or give it a longer supervision timeout"
	case hci.StatusRemoteUserTerminated, hci.StatusRemotePowerOff:
		return "the device ended the connection: it may want pairing, or be about to sleep"
	case hci.StatusRemoteLowResources, hci.StatusRejectedResources:
		return "the device has no room for one more connection: end another one of it"
	case hci.StatusConnectionLimit, hci.StatusMemoryFull:
		return "the adapter has no room for one more connection: end another one, or use a second adapter"
	case hci.StatusConnectionExists:
		return "the adapter has a connection to this device already"
	case hci.StatusAuthenticationFailure, hci.StatusKeyMissing, hci.StatusMICFailure:
		return "the keys of the two sides do not match: remove the pairing on both and pair again"
	case hci.StatusLLResponseTimeout:
		return "the device did not answer a request of the link layer: try again"
	case hci.StatusUnsupportedRemoteFeature, hci.StatusUnsupportedFeature:
		return "the device or the adapter cannot do this"
	case hci.StatusUnacceptableParameters, hci.StatusInvalidParameters, hci.StatusUnsupportedLMPValue:
		return "the other side does not take these parameters: try a wider range"
	case hci.StatusCommandDisallowed:
		return "the adapter cannot do this now: another operation may be under way"
	default:
		return ""
	}
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
		return "the device wants an encrypted link, that is, pairing first"
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

// advice says what to do about err; "" where nothing is known.
func advice(err error) string {
	var (
		open   *hcisock.OpenError
		unseen *notSeenError
		many   *ambiguousError
		none   *missingError
		code   att.Code
		status hci.Status
		device *hci.DeviceError
	)
	switch {
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
	case errors.As(err, &code):
		return codeAdvice(code)
	case errors.Is(err, hci.ErrDialTimeout):
		return "switch it on, bring it closer, or check whether the address is /public or /random: moor scan shows it"
	case errors.As(err, &status):
		return statusAdvice(status)
	case errors.As(err, &device):
		return "unplug the adapter and plug it in again, or reset it; moor doctor says more"
	case errors.Is(err, gatt.ErrStale):
		return "the device changed its services: try again"
	}
	return ""
}

// message is err without the advice that its text may end in.
func message(err error) string {
	text := err.Error()
	var open *hcisock.OpenError
	if errors.As(err, &open) && open.Remedy != "" {
		text = strings.TrimSuffix(text, "; "+open.Remedy)
	}
	return text
}
