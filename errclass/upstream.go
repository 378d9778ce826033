package errclass

import (
	"slices"
	"strings"
	"time"
)

// The sets of words that upstream looks for in an error. A word may be in several.
var (
	abortWords = []string{
		"le-connection-abort-by-local", "br-connection-canceled", "ESP_GATT_CONN_FAIL_ESTABLISH",
		"ESP_GATT_CONN_TERMINATE_PEER_USER", "ESP_GATT_CONN_TERMINATE_LOCAL_HOST",
	}
	slotWords   = []string{"available connection", "connection slot"}
	mediumWords = []string{"ESP_GATT_CONN_TIMEOUT", "ESP_GATT_CONN_FAIL_ESTABLISH"}
	longWords   = []string{"ESP_GATT_ERROR"}
)

const (
	unknownObject      = "org.freedesktop.DBus.Error.UnknownObject"
	connectionCanceled = "ESP_GATT_CONN_CONN_CANCEL"
)

func contains(text string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// upstream is bleak-retry-connector, in one of two versions.
type upstream struct {
	v47     bool          // 4.7.1, otherwise 4.6
	elapsed time.Duration // the duration of the attempt
}

// treat treats an error as upstream does, where wait, count and final error are
// three decisions, each with its own order.
func (u upstream) treat(k Kind, text string) treatment {
	t := treatment{budget: u.budget(k, text)}
	t.opDelay = u.delay(k, text)
	t.delay = t.opDelay
	switch k {
	case KindBrokenPipe, KindOther:
		t.delay = DelayNone // establishing waits for neither, repeating an operation does
	case KindKey:
		t.action = Rediscover
	default:
	}
	t.category, t.advice = u.final(k, text)
	return t
}

// full reports whether the words speak of slots.
func (u upstream) full(text string) bool {
	return contains(text, slotWords) || !u.v47 && strings.Contains(text, connectionCanceled)
}

func (u upstream) budget(k Kind, text string) Budget {
	switch k {
	case KindOther:
		return BudgetNone
	case KindTimeout:
		return BudgetTimeout
	case KindKey, KindBrokenPipe, KindEOF, KindDeviceNotFound, KindNotFound:
		return BudgetTransient
	default:
	}
	if contains(text, abortWords) || u.full(text) || strings.Contains(text, connectionCanceled) {
		return BudgetTransient
	}
	return BudgetConnect
}

func (u upstream) delay(k Kind, text string) Delay {
	switch k {
	case KindTimeout:
		if u.v47 && u.full(text) {
			return DelayOutOfSlots
		}
		return DelayStack
	case KindDBus, KindEOF, KindBrokenPipe:
		return DelayStack
	case KindDeviceNotFound, KindNotFound:
		return DelayOutOfSlots
	case KindKey, KindAttribute, KindOther:
		return DelayShort
	default:
	}
	switch {
	case u.full(text), strings.Contains(text, connectionCanceled):
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

func (u upstream) final(k Kind, text string) (Category, string) {
	switch {
	case k == KindOther:
		return Fatal, ""
	case k == KindTimeout && u.v47 && u.full(text):
		return OutOfSlots, adviceSlots
	case k == KindTimeout:
		return NotFound, ""
	case k == KindDeviceNotFound, strings.Contains(text, "not found"):
		return NotFound, adviceMissing
	case !k.bleak():
		return Connection, ""
	case u.full(text):
		return OutOfSlots, adviceSlots
	case strings.Contains(text, connectionCanceled):
		return Aborted, canceledAdvice(u.elapsed)
	case contains(text, abortWords), contains(text, mediumWords), contains(text, longWords):
		return Aborted, adviceRadio
	case strings.Contains(text, unknownObject):
		return NotFound, adviceMissing
	}
	return Connection, ""
}
