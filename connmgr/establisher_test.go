package connmgr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
)

// bleak is an error as bleak-retry-connector sees it.
func bleak(k errclass.Kind, text string) error { return &errclass.RemoteError{Kind: k, Text: text} }

var (
	plain     = bleak(errclass.KindBleak, "boom")
	abort     = bleak(errclass.KindDBus, "[org.bluez.Error.Failed] le-connection-abort-by-local")
	timeout   = bleak(errclass.KindTimeout, "")
	services  = bleak(errclass.KindKey, "services changed")
	pipe      = bleak(errclass.KindBrokenPipe, "")
	eof       = bleak(errclass.KindEOF, "")
	slots4    = bleak(errclass.KindBleak, "No backend with an available connection slot")
	espCancel = bleak(errclass.KindBleak, "ESP_GATT_CONN_CONN_CANCEL")
	gone      = bleak(errclass.KindDBus, "org.freedesktop.DBus.Error.UnknownObject")
	missing   = bleak(errclass.KindDeviceNotFound, "device vanished")
)

// outcome is what one run of an establisher came to.
type outcome struct {
	err      error
	attempts int
	took     time.Duration
}

// run plays errs, one an attempt, the last one for ever; nil succeeds.
func run(t *testing.T, p Policy, errs ...error) outcome {
	t.Helper()
	var o outcome
	e := testEstablisher(p)
	e.try = func(context.Context, int) (*Client, Attempt) {
		err := errs[min(o.attempts, len(errs)-1)]
		o.attempts++
		if err == nil {
			return &Client{}, Attempt{}
		}
		return nil, Attempt{Err: err}
	}
	begin := time.Now()
	_, o.err = e.makeAttempts(t.Context())
	o.took = time.Since(begin)
	return o
}

func testEstablisher(p Policy) *establisher {
	return &establisher{
		name: "kettle", address: hci.Addr{MAC: hci.MAC{0xFF, 0xEE, 0xDD, 0xCC, 0xBB, 0xAA}}, policy: p,
		emit: func(Event) {}, log: func(string, ...any) {},
	}
}

func times(n int, err error, then ...error) []error {
	var errs []error
	for range n {
		errs = append(errs, err)
	}
	return append(errs, then...)
}

const ms = time.Millisecond

// TestUpstreamPolicy holds the cases of bleak-retry-connector's own tests, and
// the rows of its classification, with its counts and waits. The last failure
// pays its wait, too.
func TestUpstreamPolicy(t *testing.T) {
	for _, c := range []struct {
		name     string
		errs     []error
		want     error
		attempts int
		took     time.Duration
	}{
		{"works first time", []error{nil}, nil, 1, 0},
		{"fails", []error{plain}, ErrConnection, 4, 400 * ms},
		{"times out", []error{timeout}, ErrNotFound, 4, 1000 * ms},
		{"has transient error", times(8, abort, nil), nil, 9, 8 * 250 * ms},
		{"has transient error had advice", []error{abort}, ErrAborted, 9, 9 * 250 * ms},
		{"broken pipe", times(8, pipe, nil), nil, 9, 0},
		{"EOF", times(8, eof, nil), nil, 9, 8 * 250 * ms},
		{"EOF exhausts retries", []error{eof}, ErrConnection, 9, 9 * 250 * ms},
		{"services changed", times(8, services, nil), nil, 9, 8 * 100 * ms},
		{"out of slots", []error{slots4}, ErrOutOfSlots, 9, 36 * time.Second},
		{"ESP32 connection canceled", []error{espCancel}, ErrOutOfSlots, 9, 36 * time.Second},
		{"device disappeared", []error{gone}, ErrNotFound, 4, 1000 * ms},
		{"device disappeared and reappears", []error{missing}, ErrNotFound, 9, 36 * time.Second},
		{"one unknown error", []error{plain, nil}, nil, 2, 100 * ms},
		{"all paths", []error{timeout, services, pipe, eof, abort, nil}, nil, 6, (250 + 100 + 0 + 250 + 250) * ms},
		{"mixed budgets", append(times(3, plain), abort), ErrAborted, 12, (300 + 9*250) * ms},
		{"mixed, connect error last", append(times(8, abort), plain), ErrConnection, 12, (8*250 + 4*100) * ms},
		{"fatal is not retried", []error{bleak(errclass.KindOther, "ValueError")}, ErrConnection, 1, 0},
		{"ESP32 fail to establish", []error{bleak(errclass.KindBleak, "ESP_GATT_CONN_FAIL_ESTABLISH")}, ErrAborted, 9, 9 * 500 * ms},
		{"ESP32 connection timeout", []error{bleak(errclass.KindBleak, "ESP_GATT_CONN_TIMEOUT")}, ErrAborted, 4, 4 * 500 * ms},
		{"ESP32 GATT error", []error{bleak(errclass.KindBleak, "ESP_GATT_ERROR")}, ErrAborted, 4, 4 * time.Second},
		{"ESP32 peer hung up", []error{bleak(errclass.KindBleak, "ESP_GATT_CONN_TERMINATE_PEER_USER")}, ErrAborted, 9, 9 * 250 * ms},
		{"ESP32 local host", []error{bleak(errclass.KindBleak, "ESP_GATT_CONN_TERMINATE_LOCAL_HOST")}, ErrAborted, 9, 9 * 250 * ms},
		{"br-connection-canceled", []error{bleak(errclass.KindDBus, "br-connection-canceled")}, ErrAborted, 9, 9 * 250 * ms},
		{"in progress", []error{bleak(errclass.KindDBus, "[org.bluez.Error.InProgress] Operation already in progress")}, ErrConnection, 4, 4 * 250 * ms},
		{"disconnected", []error{bleak(errclass.KindBleak, "Disconnected")}, ErrConnection, 4, 0},
		{"text not found", []error{bleak(errclass.KindBleak, "characteristic not found")}, ErrNotFound, 4, 400 * ms},
		{"LMP timeout", []error{bleak(errclass.KindBleak, "ESP_GATT_CONN_LMP_TIMEOUT")}, ErrConnection, 4, 400 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := run(t, Upstream46Policy(), c.errs...)
				check(t, o, c.want, c.attempts, c.took)
			})
		})
	}
}

// TestUpstreamVersions holds the failures that the presets treat otherwise.
func TestUpstreamVersions(t *testing.T) {
	noSlot := bleak(errclass.KindTimeout, "No free BLE connection slot became available")
	for _, c := range []struct {
		name     string
		policy   Policy
		err      error
		want     error
		attempts int
		took     time.Duration
	}{
		{"4.6: timeout without a slot", Upstream46Policy(), noSlot, ErrNotFound, 4, 4 * 250 * ms},
		{"4.7: timeout without a slot", Upstream47Policy(), noSlot, ErrOutOfSlots, 4, 16 * time.Second},
		{"4.6: canceled by the proxy", Upstream46Policy(), espCancel, ErrOutOfSlots, 9, 36 * time.Second},
		{"4.7: canceled by the proxy", Upstream47Policy(), espCancel, ErrAborted, 9, 36 * time.Second},
		{"4.7: fails", Upstream47Policy(), plain, ErrConnection, 4, 400 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				check(t, run(t, c.policy, c.err), c.want, c.attempts, c.took)
			})
		})
	}
}

func check(t *testing.T, o outcome, want error, attempts int, took time.Duration) {
	t.Helper()
	if !errors.Is(o.err, want) || (o.err == nil) != (want == nil) || o.attempts != attempts || o.took != took {
		t.Errorf("%d attempts in %v: %v\nwant %d in %v: %v", o.attempts, o.took, o.err, attempts, took, want)
	}
	var e *EstablishError
	if want != nil && (!errors.As(o.err, &e) || len(e.Attempts) != attempts) {
		t.Errorf("error %v does not carry its %d attempts", o.err, attempts)
	}
}

// TestMaxAttempts: 0 allows one attempt of any kind, 1 still all transients.
func TestMaxAttempts(t *testing.T) { synctest.Test(t, testMaxAttempts) }

func testMaxAttempts(t *testing.T) {
	p := Upstream46Policy()
	p.MaxAttempts = 0
	check(t, run(t, p, abort), ErrAborted, 1, 250*ms)
	check(t, run(t, p, plain), ErrConnection, 1, 100*ms)
	p.MaxAttempts = 1
	check(t, run(t, p, abort), ErrAborted, 9, 9*250*ms)
	check(t, run(t, p, plain), ErrConnection, 1, 100*ms)
}

func TestErrorText(t *testing.T) { synctest.Test(t, testErrorText) }

func testErrorText(t *testing.T) {
	o := run(t, Upstream46Policy(), abort)
	want := "kettle - AA:BB:CC:DD:EE:FF: Failed to connect after 9 attempt(s): " +
		"[org.bluez.Error.Failed] le-connection-abort-by-local: " + errclass.Upstream46.Of(abort).Advice
	if o.err.Error() != want || errclass.Upstream46.Of(abort).Advice == "" {
		t.Errorf("got  %v\nwant %s", o.err, want)
	}
	o = run(t, Upstream46Policy(), plain)
	if want := "kettle - AA:BB:CC:DD:EE:FF: Failed to connect after 4 attempt(s): boom"; o.err.Error() != want {
		t.Errorf("got  %v\nwant %s", o.err, want)
	}
}

// TestSafetyTimeout: an attempt that hangs is cut and counts as a timeout.
func TestSafetyTimeout(t *testing.T) { synctest.Test(t, testSafetyTimeout) }

func testSafetyTimeout(t *testing.T) {
	for _, c := range []struct {
		p    Policy
		took time.Duration
	}{
		{Upstream46Policy(), 4 * (60*time.Second + 250*ms)},
		{DefaultPolicy(), 4*60*time.Second + 3*250*ms},
	} {
		e := testEstablisher(c.p)
		n := 0
		e.try = func(ctx context.Context, _ int) (*Client, Attempt) {
			n++
			<-ctx.Done()
			return nil, Attempt{Err: context.Cause(ctx)}
		}
		begin := time.Now()
		_, err := e.makeAttempts(t.Context())
		check(t, outcome{err, n, time.Since(begin)}, categoryError(c.p.classify(safetyError{}, nil).Category), 4, c.took)
	}
}

func ended(reason hci.Status) error { return &controller.DisconnectError{Reason: reason} }
func dialError(err error) error     { return &controller.ConnectError{Err: err} }
func refused(st hci.Status) error {
	return &controller.ConnectError{Err: &controller.CommandError{Op: hci.OpLECreateConnection, Err: st}}
}

// TestDefaultPolicy holds the same failures by their true reasons. No wait
// follows the last failure.
func TestDefaultPolicy(t *testing.T) {
	for _, c := range []struct {
		name     string
		errs     []error
		want     error
		attempts int
	}{
		{"works first time", []error{nil}, nil, 1},
		{"not heard", []error{dialError(controller.ErrDialTimeout)}, ErrNotFound, 4},
		{"supervision timeout", []error{ended(hci.StatusConnectionTimeout)}, ErrAborted, 4},
		{"peer hung up", []error{ended(hci.StatusRemoteUserTerminated)}, ErrAborted, 9},
		{"full controller", []error{refused(hci.StatusConnectionLimit)}, ErrOutOfSlots, 9},
		{"key missing", []error{ended(hci.StatusKeyMissing)}, ErrBondLost, 1},
		{"authentication failure", []error{ended(hci.StatusAuthenticationFailure)}, ErrBondLost, 1},
		{"MIC failure", []error{ended(hci.StatusMICFailure)}, ErrBondLost, 1},
		{"invalid parameters", []error{refused(hci.StatusInvalidParameters)}, ErrConnection, 1},
		{"required characteristic missing", []error{&MissingError{}}, ErrConnection, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := DefaultPolicy()
				// Redials within an attempt are played as often as they are allowed.
				class := p.classify(c.errs[0], nil)
				var errs []error
				for _, err := range c.errs {
					errs = append(errs, times(1+p.classify(err, nil).Redial.Times, err)...)
				}
				tries := 0
				e := testEstablisher(p)
				e.try = func(context.Context, int) (*Client, Attempt) {
					err := errs[min(tries, len(errs)-1)]
					tries++
					if err == nil {
						return &Client{}, Attempt{}
					}
					return nil, Attempt{Err: err}
				}
				begin := time.Now()
				_, err := e.makeAttempts(t.Context())
				want := time.Duration(c.attempts-1)*p.Backoffs.For(class.Delay) + time.Duration(c.attempts*class.Redial.Times)*class.Redial.Wait
				check(t, outcome{err, tries / (1 + class.Redial.Times), time.Since(begin)}, c.want, c.attempts, want)
			})
		})
	}
}

// TestOutageIsNotCounted: what the end of an adapter costs is time. An outage of more
// than a minute ends the Establish, after waits of 0.25, 0.5, 1, 2 and then 4 s.
func TestOutageIsNotCounted(t *testing.T) { synctest.Test(t, testOutageIsNotCounted) }

func testOutageIsNotCounted(t *testing.T) {
	p := DefaultPolicy()
	p.MaxAttempts, p.MaxTransients = 1, 1
	closed := fmt.Errorf("controller: closed: %w", net.ErrClosed)
	for _, err := range []error{
		&controller.Error{What: "transport read", Err: io.EOF},
		fmt.Errorf("%w: %w", ErrNoAdapter, syscall.ENODEV),
		fmt.Errorf("%w: %w", ErrNoAdapter, resetError(controller.ErrNoDataCredit)),
		dialError(closed),
		&controller.DisconnectError{Cause: closed},
		&controller.DisconnectError{Cause: &controller.Error{What: "transport read", Err: io.EOF}},
	} {
		check(t, run(t, p, err), ErrConnection, 20, 63750*ms)
		check(t, run(t, p, append(times(3, err), nil)...), nil, 4, 1750*ms)
		check(t, run(t, p, append(times(3, err), plain)...), ErrConnection, 4, 1750*ms)
	}
	check(t, run(t, p, &controller.DisconnectError{Reason: hci.StatusLocalHostTerminated, Local: true, Cause: closed}), ErrConnection, 1, 0)
}

// TestFailedToEstablishIsDialedAgain: 0x3E is tried a few times more within
// the attempt, at once.
func TestFailedToEstablishIsDialedAgain(t *testing.T) {
	synctest.Test(t, testFailedToEstablishIsDialedAgain)
}

func testFailedToEstablishIsDialedAgain(t *testing.T) {
	again := errclass.Of(ended(hci.StatusFailedToEstablish)).Redial
	if again.Times < 2 || again.Wait != 0 {
		t.Fatalf("redial %+v, want a few times at once", again)
	}
	tries := 0
	e := testEstablisher(DefaultPolicy())
	e.try = func(_ context.Context, n int) (*Client, Attempt) {
		if tries++; tries <= again.Times {
			return nil, Attempt{Err: ended(hci.StatusFailedToEstablish)}
		}
		if n != 1 {
			t.Errorf("attempt %d, want all within the first", n)
		}
		return &Client{}, Attempt{}
	}
	begin := time.Now()
	if _, err := e.makeAttempts(t.Context()); err != nil || time.Since(begin) != 0 {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

func TestWakeCutsTheWaitShort(t *testing.T) { synctest.Test(t, testWakeCutsTheWaitShort) }

func testWakeCutsTheWaitShort(t *testing.T) {
	for _, c := range []struct {
		p    Policy
		took time.Duration
	}{{DefaultPolicy(), time.Second}, {Upstream46Policy(), 4 * time.Second}} {
		e := testEstablisher(c.p)
		b := newBroadcast()
		e.wake = func(*Attempt) (<-chan struct{}, func()) {
			return b.await(news{change: adapterChanged}), func() {}
		}
		n := 0
		e.try = func(context.Context, int) (*Client, Attempt) {
			if n++; n == 1 {
				return nil, Attempt{Err: slots4}
			}
			return &Client{}, Attempt{}
		}
		time.AfterFunc(time.Second, func() { b.signal(news{change: adapterChanged}) })
		begin := time.Now()
		if _, err := e.makeAttempts(t.Context()); err != nil || time.Since(begin) != c.took {
			t.Errorf("%v after %v, want %v", err, time.Since(begin), c.took)
		}
	}
}

func TestCancelEndsTheWaitWithItsCause(t *testing.T) {
	synctest.Test(t, testCancelEndsTheWaitWithItsCause)
}

func testCancelEndsTheWaitWithItsCause(t *testing.T) {
	mine := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, mine)
	defer cancel()
	e := testEstablisher(DefaultPolicy())
	e.try = func(context.Context, int) (*Client, Attempt) { return nil, Attempt{Err: slots4} }
	begin := time.Now()
	_, err := e.makeAttempts(ctx)
	if !errors.Is(err, mine) || errors.Is(err, ErrOutOfSlots) || time.Since(begin) != time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

func TestRetry(t *testing.T) { synctest.Test(t, testRetry) }

func testRetry(t *testing.T) {
	for _, c := range []struct {
		name     string
		attempts int
		err      error
		calls    int
		took     time.Duration
	}{
		{"twice by default", DefaultRetries, plain, 2, 100 * ms},
		{"four times", 4, plain, 4, 300 * ms},
		{"EOF", 3, eof, 3, 500 * ms},
		{"timeout is not retried", 4, timeout, 1, 0},
		{"nothing at all", 0, plain, 0, 0},
	} {
		calls := 0
		begin := time.Now()
		_, err := Retry(t.Context(), c.attempts, func(context.Context) (int, error) { calls++; return 0, c.err })
		if calls != c.calls || time.Since(begin) != c.took || c.calls > 0 && err != c.err || c.calls == 0 && err != nil {
			t.Errorf("%s: %d calls in %v: %v", c.name, calls, time.Since(begin), err)
		}
	}
	calls := 0
	v, err := Retry(t.Context(), 2, func(context.Context) (int, error) {
		if calls++; calls == 1 {
			return 0, eof
		}
		return 42, nil
	})
	if v != 42 || err != nil {
		t.Errorf("recovered with %d, %v", v, err)
	}
}
