package errclass

import (
	"slices"
	"strings"
)

// Kind is the class of an error in bleak-retry-connector's world.
type Kind uint8

// The kinds. The zero Kind says nothing but the text.
const (
	KindBleak          Kind = iota // BleakError
	KindDBus                       // BleakDBusError, a BleakError
	KindDeviceNotFound             // BleakDeviceNotFoundError, a BleakError
	KindNotFound                   // BleakNotFoundError, a BleakError
	KindTimeout                    // TimeoutError
	KindKey                        // KeyError: services changed under the caller
	KindBrokenPipe                 // BrokenPipeError
	KindEOF                        // EOFError
	KindAttribute                  // AttributeError
	KindOther                      // anything else, which is not retried
)

// String returns the name of the Python class.
func (k Kind) String() string {
	return name(int(k), "kind", "BleakError", "BleakDBusError", "BleakDeviceNotFoundError", "BleakNotFoundError", "TimeoutError",
		"KeyError", "BrokenPipeError", "EOFError", "AttributeError", "other")
}

// bleak reports whether k derives from BleakError.
func (k Kind) bleak() bool { return k <= KindNotFound }

// RemoteError is an error of which only the words are known, as a radio behind
// a network or another stack reports it.
type RemoteError struct {
	Kind Kind
	Text string
}

// Error returns the text, or the kind where there is none.
func (e *RemoteError) Error() string {
	if e.Text == "" {
		return e.Kind.String()
	}
	return e.Text
}

// What the words of an error decide upstream, in the sets that it has. The same
// word may be in several.
var (
	abortWords = []string{
		"le-connection-abort-by-local", "br-connection-canceled", "ESP_GATT_CONN_FAIL_ESTABLISH",
		"ESP_GATT_CONN_TERMINATE_PEER_USER", "ESP_GATT_CONN_TERMINATE_LOCAL_HOST",
	}
	slotWords   = []string{"ESP_GATT_CONN_CONN_CANCEL", "available connection", "connection slot"}
	mediumWords = []string{"ESP_GATT_CONN_TIMEOUT", "ESP_GATT_CONN_FAIL_ESTABLISH"}
	longWords   = []string{"ESP_GATT_ERROR"}
)

const unknownObject = "org.freedesktop.DBus.Error.UnknownObject"

func contains(text string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// upstream treats an error as bleak-retry-connector does. Wait, count and final
// error are three decisions there, each with its own order.
func upstream(k Kind, text string) treatment {
	t := treatment{budget: upstreamBudget(k, text)}
	t.opDelay = upstreamDelay(k, text)
	t.delay = t.opDelay
	switch k {
	case KindBrokenPipe, KindOther:
		t.delay = DelayNone // establishing waits for neither, repeating an operation does
	case KindKey:
		t.action = Rediscover
	default:
	}
	t.category, t.advice = upstreamFinal(k, text)
	return t
}

func upstreamBudget(k Kind, text string) Budget {
	switch k {
	case KindOther:
		return BudgetNone
	case KindTimeout:
		return BudgetTimeout
	case KindKey, KindBrokenPipe, KindEOF, KindDeviceNotFound, KindNotFound:
		return BudgetTransient
	default:
	}
	if contains(text, abortWords) || contains(text, slotWords) {
		return BudgetTransient
	}
	return BudgetConnect
}

func upstreamDelay(k Kind, text string) Delay {
	switch k {
	case KindDBus, KindEOF, KindBrokenPipe, KindTimeout:
		return DelayStack
	case KindDeviceNotFound, KindNotFound:
		return DelayOutOfSlots
	case KindKey, KindAttribute, KindOther:
		return DelayShort
	default:
	}
	switch {
	case contains(text, slotWords):
		return DelayOutOfSlots
	case contains(text, mediumWords):
		return DelayMedium
	case contains(text, longWords):
		return DelayLong
	case contains(text, abortWords):
		return DelayTransient
	case strings.Contains(text, "Disconnected"):
		return DelayNone
	}
	return DelayShort
}

func upstreamFinal(k Kind, text string) (Category, string) {
	switch {
	case k == KindOther:
		return Fatal, ""
	case k == KindTimeout:
		return NotFound, ""
	case k == KindDeviceNotFound, strings.Contains(text, "not found"):
		return NotFound, adviceMissing
	case !k.bleak():
		return Connection, ""
	case contains(text, slotWords):
		return OutOfSlots, adviceSlots
	case contains(text, abortWords), contains(text, mediumWords), contains(text, longWords):
		return Aborted, adviceAborted
	case strings.Contains(text, unknownObject):
		return NotFound, adviceMissing
	}
	return Connection, ""
}
