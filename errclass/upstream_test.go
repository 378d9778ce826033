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

// upstreamTests has the treatment of each error by bleak-retry-connector 4.6: the
// wait, the budget, the final error, and whether that has an advice.
var upstreamTests = []struct {
	kind    errclass.Kind
	text    string
	backoff time.Duration
	budget  errclass.Budget
	final   errclass.Category
	advice  bool
}{
	{errclass.KindDBus, "[org.bluez.Error.Failed] le-connection-abort-by-local", 250 * ms, errclass.BudgetTransient, errclass.Aborted, true},
	{errclass.KindBleak, "le-connection-abort-by-local", 250 * ms, errclass.BudgetTransient, errclass.Aborted, true},
	{errclass.KindDBus, "[org.bluez.Error.Failed] br-connection-canceled", 250 * ms, errclass.BudgetTransient, errclass.Aborted, true},
	{errclass.KindBleak, "ESP_GATT_CONN_FAIL_ESTABLISH", 500 * ms, errclass.BudgetTransient, errclass.Aborted, true},
	{errclass.KindBleak, "ESP_GATT_CONN_TERMINATE_PEER_USER", 250 * ms, errclass.BudgetTransient, errclass.Aborted, true},
	{errclass.KindBleak, "ESP_GATT_CONN_TERMINATE_LOCAL_HOST", 250 * ms, errclass.BudgetTransient, errclass.Aborted, true},
	{errclass.KindBleak, "ESP_GATT_CONN_TIMEOUT", 500 * ms, errclass.BudgetConnect, errclass.Aborted, true},
	{errclass.KindBleak, "ESP_GATT_ERROR", s, errclass.BudgetConnect, errclass.Aborted, true},
	{errclass.KindBleak, "ESP_GATT_CONN_CONN_CANCEL", 4 * s, errclass.BudgetTransient, errclass.OutOfSlots, true},
	{errclass.KindBleak, "No backend with an available connection slot that can reach address X was found", 4 * s, errclass.BudgetTransient, errclass.OutOfSlots, true},
	{errclass.KindBleak, "out of connection slots", 4 * s, errclass.BudgetTransient, errclass.OutOfSlots, true},
	{errclass.KindDeviceNotFound, "gone", 4 * s, errclass.BudgetTransient, errclass.NotFound, true},
	{errclass.KindNotFound, "gone", 4 * s, errclass.BudgetTransient, errclass.Connection, false},
	{errclass.KindNotFound, "device not found", 4 * s, errclass.BudgetTransient, errclass.NotFound, true},
	{errclass.KindBleak, "Characteristic 2a19 not found", 100 * ms, errclass.BudgetConnect, errclass.NotFound, true},
	{errclass.KindDBus, "[org.freedesktop.DBus.Error.UnknownObject] ", 250 * ms, errclass.BudgetConnect, errclass.NotFound, true},
	{errclass.KindBleak, "[org.freedesktop.DBus.Error.UnknownObject] ", 100 * ms, errclass.BudgetConnect, errclass.NotFound, true},
	{errclass.KindDBus, "[org.bluez.Error.InProgress] Operation already in progress", 250 * ms, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindDBus, "[org.bluez.Error.NotReady] Resource Not Ready", 250 * ms, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindDBus, "[org.bluez.Error.Failed] le-connection-timeout", 250 * ms, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindDBus, "[org.bluez.Error.Failed] le-connection-concurrent-connection-limit", 250 * ms, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindDBus, "[org.bluez.Error.Failed] le-connection-unknown", 250 * ms, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindBleak, "ESP_GATT_CONN_LMP_TIMEOUT", 100 * ms, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindBleak, "ESP_GATT_CONN_UNKNOWN", 100 * ms, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindBleak, "Disconnected", 0, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindBleak, "failed to discover services, device disconnected", 100 * ms, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindTimeout, "", 250 * ms, errclass.BudgetTimeout, errclass.NotFound, false},
	{errclass.KindKey, "services", 100 * ms, errclass.BudgetTransient, errclass.Connection, false},
	{errclass.KindEOF, "", 250 * ms, errclass.BudgetTransient, errclass.Connection, false},
	{errclass.KindBrokenPipe, "", 0, errclass.BudgetTransient, errclass.Connection, false},
	{errclass.KindAttribute, "", 100 * ms, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindBleak, "anything", 100 * ms, errclass.BudgetConnect, errclass.Connection, false},
	{errclass.KindOther, "", 0, errclass.BudgetNone, errclass.Fatal, false},
}

// TestUpstream checks the Upstream treatment against upstreamTests.
func TestUpstream(t *testing.T) {
	for _, tt := range upstreamTests {
		t.Run(fmt.Sprintf("%v %s", tt.kind, tt.text), func(t *testing.T) {
			err := fmt.Errorf("connecting: %w", &errclass.RemoteError{Kind: tt.kind, Text: tt.text})
			got := errclass.Upstream46.Of(err)
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

// TestUpstreamOperation checks the waits of the decorator that repeats a single
// operation, also where establishing a connection does not wait.
func TestUpstreamOperation(t *testing.T) {
	for kind, want := range map[errclass.Kind]errclass.Delay{
		errclass.KindBrokenPipe:     errclass.DelayStack,
		errclass.KindEOF:            errclass.DelayStack,
		errclass.KindTimeout:        errclass.DelayStack,
		errclass.KindDeviceNotFound: errclass.DelayOutOfSlots,
		errclass.KindBleak:          errclass.DelayShort,
		errclass.KindKey:            errclass.DelayShort,
	} {
		if got := errclass.Upstream46.Of(&errclass.RemoteError{Kind: kind}).OpDelay; got != want {
			t.Errorf("%v: got %v, want %v", kind, got, want)
		}
	}
}

// TestWordsOfPlainErrors checks that words are found in errors without a type.
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
		for _, tr := range []errclass.Treatment{errclass.Default, errclass.Upstream46} {
			if got := tr.Of(err); got.Category != want || got.Row == errclass.Unclassified {
				t.Errorf("%v %q: got %v by row %q, want %v", tr, text, got.Category, got.Row, want)
			}
		}
	}
	for _, tr := range []errclass.Treatment{errclass.Default, errclass.Upstream46} {
		got := tr.Of(errors.New("something else"))
		if got.Row != errclass.Unclassified || got.Budget != errclass.BudgetConnect || got.Backoff != 100*ms || got.Category != errclass.Connection {
			t.Errorf("%v, of an unknown error: %+v", tr, got)
		}
	}
}

// TestUpstream47 checks the differences of version 4.7.1 from 4.6: a TimeoutError
// with words about slots is out of slots, with a wait of 4 s, though it still counts
// as a timeout; ESP_GATT_CONN_CONN_CANCEL is an aborted connection, with an advice
// by the duration of the attempt.
func TestUpstream47(t *testing.T) {
	const (
		rejected = "the remote radio refused the connection at once: see its log, restart it, or update its firmware"
		silent   = "the remote radio gave up waiting for the device: bring the device closer, or add a radio near it"
		slots    = "no free connection, or the device is out of reach: end other connections or add an adapter"
		missing  = "the device is no longer heard: check that it is on and advertises, bring it closer, or scan again"
	)
	for _, tt := range []struct {
		kind    errclass.Kind
		text    string
		elapsed time.Duration
		backoff time.Duration
		budget  errclass.Budget
		final   errclass.Category
		advice  string
	}{
		{errclass.KindTimeout, "No free BLE connection slot became available", 0, 4 * s, errclass.BudgetTimeout, errclass.OutOfSlots, slots},
		{errclass.KindTimeout, "no available connection", 0, 4 * s, errclass.BudgetTimeout, errclass.OutOfSlots, slots},
		{errclass.KindTimeout, "ESP_GATT_CONN_CONN_CANCEL", 0, 250 * ms, errclass.BudgetTimeout, errclass.NotFound, ""},
		{errclass.KindTimeout, "", 0, 250 * ms, errclass.BudgetTimeout, errclass.NotFound, ""},
		{errclass.KindBleak, "ESP_GATT_CONN_CONN_CANCEL", 0, 4 * s, errclass.BudgetTransient, errclass.Aborted, rejected},
		{errclass.KindBleak, "ESP_GATT_CONN_CONN_CANCEL", 8*s - 1, 4 * s, errclass.BudgetTransient, errclass.Aborted, rejected},
		{errclass.KindBleak, "ESP_GATT_CONN_CONN_CANCEL", 8 * s, 4 * s, errclass.BudgetTransient, errclass.Aborted, silent},
		{errclass.KindDBus, "ESP_GATT_CONN_CONN_CANCEL", 0, 250 * ms, errclass.BudgetTransient, errclass.Aborted, rejected},
		{errclass.KindBleak, "device not found: ESP_GATT_CONN_CONN_CANCEL", 0, 4 * s, errclass.BudgetTransient, errclass.NotFound, missing},
		{errclass.KindBleak, "connection slot; ESP_GATT_CONN_CONN_CANCEL", 0, 4 * s, errclass.BudgetTransient, errclass.OutOfSlots, slots},
		{errclass.KindBleak, "out of connection slots", 0, 4 * s, errclass.BudgetTransient, errclass.OutOfSlots, slots},
		{errclass.KindDeviceNotFound, "gone", 0, 4 * s, errclass.BudgetTransient, errclass.NotFound, missing},
	} {
		err := fmt.Errorf("connecting: %w", &errclass.RemoteError{Kind: tt.kind, Text: tt.text})
		got := errclass.Upstream47.Classify(err, &errclass.Situation{Elapsed: tt.elapsed})
		if got.Backoff != tt.backoff || got.Budget != tt.budget || got.Category != tt.final || got.Advice != tt.advice {
			t.Errorf("%v %q after %v: got wait %v, %v, %v, advice %q; want wait %v, %v, %v, advice %q", tt.kind, tt.text, tt.elapsed,
				got.Backoff, got.Budget, got.Category, got.Advice, tt.backoff, tt.budget, tt.final, tt.advice)
		}
	}
	// Version 4.6 does neither.
	timeout := errclass.Upstream46.Of(&errclass.RemoteError{Kind: errclass.KindTimeout, Text: "No free BLE connection slot became available"})
	if timeout.Category != errclass.NotFound || timeout.Backoff != 250*ms {
		t.Errorf("4.6: %+v", timeout)
	}
	for _, tt := range upstreamTests {
		if tt.text == "ESP_GATT_CONN_CONN_CANCEL" {
			continue
		}
		err := &errclass.RemoteError{Kind: tt.kind, Text: tt.text}
		if got, want := errclass.Upstream47.Of(err), errclass.Upstream46.Of(err); got != want {
			t.Errorf("%v %q: got %+v, want that of 4.6: %+v", tt.kind, tt.text, got, want)
		}
	}
}
