package errclass_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/moor-ble/moor/errclass"
)

const (
	ms = time.Millisecond
	s  = time.Second
)

// TestUpstream holds the Upstream treatment against what bleak-retry-connector
// does with each error: the wait, the budget, the error at the end.
func TestUpstream(t *testing.T) {
	const (
		none = errclass.BudgetNone
		o    = errclass.BudgetTimeout
		c    = errclass.BudgetConnect
		tr   = errclass.BudgetTransient
	)
	const (
		ab = errclass.Aborted
		sl = errclass.OutOfSlots
		nf = errclass.NotFound
		ce = errclass.Connection
	)
	for _, tt := range []struct {
		kind    errclass.Kind
		text    string
		backoff time.Duration
		budget  errclass.Budget
		final   errclass.Category
		advice  bool
	}{
		{errclass.KindDBus, "[org.bluez.Error.Failed] le-connection-abort-by-local", 250 * ms, tr, ab, true},
		{errclass.KindBleak, "le-connection-abort-by-local", 250 * ms, tr, ab, true},
		{errclass.KindDBus, "[org.bluez.Error.Failed] br-connection-canceled", 250 * ms, tr, ab, true},
		{errclass.KindBleak, "ESP_GATT_CONN_FAIL_ESTABLISH", 500 * ms, tr, ab, true},
		{errclass.KindBleak, "ESP_GATT_CONN_TERMINATE_PEER_USER", 250 * ms, tr, ab, true},
		{errclass.KindBleak, "ESP_GATT_CONN_TERMINATE_LOCAL_HOST", 250 * ms, tr, ab, true},
		{errclass.KindBleak, "ESP_GATT_CONN_TIMEOUT", 500 * ms, c, ab, true},
		{errclass.KindBleak, "ESP_GATT_ERROR", s, c, ab, true},
		{errclass.KindBleak, "ESP_GATT_CONN_CONN_CANCEL", 4 * s, tr, sl, true},
		{errclass.KindBleak, "No backend with an available connection slot that can reach address X was found", 4 * s, tr, sl, true},
		{errclass.KindBleak, "out of connection slots", 4 * s, tr, sl, true},
		{errclass.KindDeviceNotFound, "gone", 4 * s, tr, nf, true},
		{errclass.KindNotFound, "gone", 4 * s, tr, ce, false},
		{errclass.KindNotFound, "device not found", 4 * s, tr, nf, true},
		{errclass.KindBleak, "Characteristic 2a19 not found", 100 * ms, c, nf, true},
		{errclass.KindDBus, "[org.freedesktop.DBus.Error.UnknownObject] ", 250 * ms, c, nf, true},
		{errclass.KindBleak, "[org.freedesktop.DBus.Error.UnknownObject] ", 100 * ms, c, nf, true},
		{errclass.KindDBus, "[org.bluez.Error.InProgress] Operation already in progress", 250 * ms, c, ce, false},
		{errclass.KindDBus, "[org.bluez.Error.NotReady] Resource Not Ready", 250 * ms, c, ce, false},
		{errclass.KindDBus, "[org.bluez.Error.Failed] le-connection-timeout", 250 * ms, c, ce, false},
		{errclass.KindDBus, "[org.bluez.Error.Failed] le-connection-concurrent-connection-limit", 250 * ms, c, ce, false},
		{errclass.KindDBus, "[org.bluez.Error.Failed] le-connection-unknown", 250 * ms, c, ce, false},
		{errclass.KindBleak, "ESP_GATT_CONN_LMP_TIMEOUT", 100 * ms, c, ce, false},
		{errclass.KindBleak, "ESP_GATT_CONN_UNKNOWN", 100 * ms, c, ce, false},
		{errclass.KindBleak, "Disconnected", 0, c, ce, false},
		{errclass.KindBleak, "failed to discover services, device disconnected", 100 * ms, c, ce, false},
		{errclass.KindTimeout, "", 250 * ms, o, nf, false},
		{errclass.KindKey, "services", 100 * ms, tr, ce, false},
		{errclass.KindEOF, "", 250 * ms, tr, ce, false},
		{errclass.KindBrokenPipe, "", 0, tr, ce, false},
		{errclass.KindAttribute, "", 100 * ms, c, ce, false},
		{errclass.KindBleak, "anything", 100 * ms, c, ce, false},
		{errclass.KindOther, "", 0, none, errclass.Fatal, false},
	} {
		t.Run(fmt.Sprintf("%v %s", tt.kind, tt.text), func(t *testing.T) {
			err := fmt.Errorf("connecting: %w", &errclass.RemoteError{Kind: tt.kind, Text: tt.text})
			got := errclass.Upstream.Of(err)
			if got.Backoff != tt.backoff || got.Budget != tt.budget || got.Category != tt.final || (got.Advice != "") != tt.advice {
				t.Errorf("got wait %v, %v, %v, advice %q; want wait %v, %v, %v, advice %v",
					got.Backoff, got.Budget, got.Category, got.Advice, tt.backoff, tt.budget, tt.final, tt.advice)
			}
			if got.Kind != tt.kind {
				t.Errorf("kind is %v", got.Kind)
			}
			if got.Row == errclass.Unclassified || errclass.Of(err).Row != got.Row {
				t.Errorf("rows %q and %q", got.Row, errclass.Of(err).Row)
			}
		})
	}
}

// TestUpstreamOperation has the waits of the decorator that repeats a single
// operation where establishing a connection does not wait.
func TestUpstreamOperation(t *testing.T) {
	for kind, want := range map[errclass.Kind]errclass.Delay{
		errclass.KindBrokenPipe:     errclass.DelayStack,
		errclass.KindEOF:            errclass.DelayStack,
		errclass.KindTimeout:        errclass.DelayStack,
		errclass.KindDeviceNotFound: errclass.DelayOutOfSlots,
		errclass.KindBleak:          errclass.DelayShort,
		errclass.KindKey:            errclass.DelayShort,
	} {
		if got := errclass.Upstream.Of(&errclass.RemoteError{Kind: kind}).OpDelay; got != want {
			t.Errorf("%v: got %v, want %v", kind, got, want)
		}
	}
}

// TestWordsOfPlainErrors finds the words in errors that have no type.
func TestWordsOfPlainErrors(t *testing.T) {
	for text, want := range map[string]errclass.Category{
		"proxy: ESP_GATT_CONN_FAIL_ESTABLISH":                    errclass.Aborted,
		"org.bluez.Error.Failed: le-connection-abort-by-local":   errclass.Aborted,
		"no free connection slot":                                errclass.OutOfSlots,
		"org.freedesktop.DBus.Error.UnknownObject":               errclass.NotFound,
		"device not found":                                       errclass.NotFound,
		"Disconnected":                                           errclass.Connection,
		"org.freedesktop.DBus.Error.NoReply: gave up":            errclass.Connection,
		"org.bluez.Error.Failed: le-connection-invalid-argument": errclass.Connection,
	} {
		err := errors.New(text)
		for _, tr := range []errclass.Treatment{errclass.Default, errclass.Upstream} {
			if got := tr.Of(err); got.Category != want || got.Row == errclass.Unclassified {
				t.Errorf("%v %q: got %v by row %q, want %v", tr, text, got.Category, got.Row, want)
			}
		}
	}
	for _, tr := range []errclass.Treatment{errclass.Default, errclass.Upstream} {
		got := tr.Of(errors.New("something else"))
		if got.Row != errclass.Unclassified || got.Budget != errclass.BudgetConnect || got.Backoff != 100*ms || got.Category != errclass.Connection {
			t.Errorf("%v, of an unknown error: %+v", tr, got)
		}
	}
}
