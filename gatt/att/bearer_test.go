package att_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// bubble runs a test in a synctest bubble.
func bubble(f func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

// newBearer returns a bearer whose peer is the test.
func newBearer(t testing.TB, cfg *att.Config) (*att.Bearer, *atttest.Channel) {
	ch := atttest.New(t, nil)
	b := att.NewBearer(ch, cfg)
	ch.Attach(b)
	return b, ch
}

// result is the result of a call on another goroutine.
type result[R any] struct {
	rsp R
	err error
}

// start runs a request in a goroutine.
func start[R any](ctx context.Context, b *att.Bearer, req att.Request[R]) <-chan result[R] {
	done := make(chan result[R], 1)
	go func() {
		rsp, err := att.Do(ctx, b, req)
		done <- result[R]{rsp, err}
	}()
	synctest.Wait()
	return done
}

// returned returns the result of a call, which must have ended.
func returned[R any](t *testing.T, done <-chan R) R {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-done:
		return r
	default:
		t.Fatal("the call has not returned")
		panic("not reached")
	}
}

// pending fails the test if a call has ended.
func pending[R any](t *testing.T, done <-chan R) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-done:
		t.Fatalf("the call has returned: %v", r)
	default:
	}
}

func wantValue(t *testing.T, r result[att.ReadRsp], want string) {
	t.Helper()
	if r.err != nil || !bytes.Equal(r.rsp.Value, atttest.Hex(t, want)) {
		t.Errorf("read %x, %v; want %s", r.rsp.Value, r.err, want)
	}
}

func wantProtocolError(t *testing.T, err error, rule att.Rule) {
	t.Helper()
	var pe *att.ProtocolError
	if !errors.As(err, &pe) || pe.Rule != rule {
		t.Fatalf("error %v, want a ProtocolError of rule %q", err, rule)
	}
}

func TestRequestsGoOutOneByOneInOrder(t *testing.T) { bubble(testRequestsGoOutOneByOneInOrder)(t) }

func testRequestsGoOutOneByOneInOrder(t *testing.T) {
	b, ch := newBearer(t, nil)
	var calls []<-chan result[att.ReadRsp]
	for h := range att.Handle(3) {
		calls = append(calls, start(t.Context(), b, att.ReadReq{Handle: h + 1}))
	}
	for i, call := range calls {
		ch.Want(fmt.Sprintf("0a %02x00", i+1))
		ch.WantIdle() // the next one waits
		pending(t, call)
		ch.Receive(fmt.Sprintf("0b %02x", 0xA0+i))
		wantValue(t, returned(t, call), fmt.Sprintf("%02x", 0xA0+i))
	}
	ch.WantIdle()
}

func TestErrorResponse(t *testing.T) { bubble(testErrorResponse)(t) }

func testErrorResponse(t *testing.T) {
	b, ch := newBearer(t, nil)
	call := start(t.Context(), b, att.ReadReq{Handle: 0x0102})
	ch.Want("0a 0201")
	ch.Receive("01 0a 0201 05")
	err := returned(t, call).err
	var ae *att.Error
	if !errors.As(err, &ae) || *ae != (att.Error{Req: att.OpReadReq, Handle: 0x0102, Code: att.CodeInsufficientAuthentication}) {
		t.Errorf("error %v", err)
	}
	if !errors.Is(err, att.CodeInsufficientAuthentication) {
		t.Errorf("%v does not unwrap to its code", err)
	}
}

// TestForeignAnswersAreDropped: a response that cannot answer the outstanding
// request is dropped, and the request goes on waiting. See the table above
// Bearer.handleResponse.
func TestForeignAnswersAreDropped(t *testing.T) {
	for _, test := range []struct{ name, request, foreign, answer string }{
		{"a late answer to an MTU request", "10 0100 ffff 0028", "03 f700", "11 06 0100 0900 0018"},
		{"a late error of another request", "10 0100 ffff 0028", "01 08 0100 0a", "11 06 0100 0900 0018"},
		{"an answer to a write command", "0a 0300", "13", "0b 77"},
		{"a longer response of another request", "0a 0300", "09 03 010002", "0b 77"},
		{"an error for this side's MTU response", "0a 0300", "01 03 0000 06", "0b 77"},
		{"an error for this side's confirmation", "0a 0300", "01 1e 0000 06", "0b 77"},
		{"an error without a request", "0a 0300", "01", "0b 77"},
		{"another response beyond our MTU", "0a 0300", "09" + fmt.Sprintf("%01034x", 0), "0b 77"},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			b, ch := newBearer(t, nil)
			req, err := att.Parse(atttest.Hex(t, test.request))
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- doAny(t.Context(), b, req) }()
			ch.Want(test.request)
			ch.Receive(test.foreign)
			pending(t, done)
			if b.Err() != nil || b.MTU() != 23 {
				t.Fatalf("bearer %v, MTU %d", b.Err(), b.MTU())
			}
			ch.Receive(test.answer)
			if err := returned(t, done); err != nil {
				t.Errorf("error %v after the right answer", err)
			}
			ch.WantIdle()
		}))
	}
}

// TestForeignAnswersDoNotExtendTheTimeout: 30 seconds count from sending.
func TestForeignAnswersDoNotExtendTheTimeout(t *testing.T) {
	bubble(testForeignAnswersDoNotExtendTheTimeout)(t)
}

func testForeignAnswersDoNotExtendTheTimeout(t *testing.T) {
	b, ch := newBearer(t, nil)
	began := time.Now()
	call := start(t.Context(), b, att.ReadReq{Handle: 3})
	time.Sleep(29 * time.Second)
	ch.Receive("13")
	pending(t, call)
	if r := <-call; !errors.Is(r.err, att.ErrTransactionTimeout) || time.Since(began) != 30*time.Second {
		t.Errorf("error %v after %v, want the transaction timeout after 30s", r.err, time.Since(began))
	}
}

// TestManyForeignAnswersEndTheBearer: sixteen of them without a right one between
// them do; an answered request starts the count again.
func TestManyForeignAnswersEndTheBearer(t *testing.T) {
	for _, test := range []struct {
		name    string
		foreign string
		rule    att.Rule
	}{
		{"responses", "13", att.RuleResponse},
		{"errors", "01 0c 0300 01", att.RuleErrorRequest},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			b, ch := newBearer(t, nil)
			for range 3 {
				call := start(t.Context(), b, att.ReadReq{Handle: 3})
				ch.Want("0a 0300")
				for range 15 {
					ch.Receive(test.foreign)
				}
				pending(t, call)
				ch.Receive("0b 77")
				wantValue(t, returned(t, call), "77")
			}
			call := start(t.Context(), b, att.ReadReq{Handle: 3})
			for range 16 {
				pending(t, call)
				ch.Receive(test.foreign)
			}
			wantProtocolError(t, returned(t, call).err, test.rule)
			wantProtocolError(t, ch.Closed(), test.rule)
		}))
	}
}

// TestWrongAnswersEndTheBearer tests the PDU that leaves the outstanding request
// without an answer.
func TestWrongAnswersEndTheBearer(t *testing.T) {
	read := att.ReadReq{Handle: 3}
	for _, test := range []struct {
		name   string
		answer string
		rule   att.Rule
	}{
		{"a response beyond our MTU", "0b" + fmt.Sprintf("%01034x", 0), att.RuleLength},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			b, ch := newBearer(t, nil)
			first, second := start(t.Context(), b, read), start(t.Context(), b, read)
			ch.Want("0a 0300")
			ch.Receive(test.answer)
			wantProtocolError(t, returned(t, first).err, test.rule)
			wantProtocolError(t, returned(t, second).err, test.rule)
			wantProtocolError(t, ch.Closed(), test.rule)
			wantProtocolError(t, b.Err(), test.rule)
			if !errors.Is(b.Err(), net.ErrClosed) {
				t.Errorf("%v does not unwrap to net.ErrClosed", b.Err())
			}
			_, err := att.Do(t.Context(), b, read)
			wantProtocolError(t, err, test.rule)
			ch.WantIdle()
		}))
	}
}

// TestPlausibleErrors: valid contents of an Error Response.
func TestPlausibleErrors(t *testing.T) {
	for _, test := range []struct{ name, sent, answer string }{
		{"no handle", "0a0300", "01 0a 0000 01"},
		{"its handle", "0a0300", "01 0a 0300 01"},
		{"a foreign handle", "0a0300", "01 0a 0400 01"},
		{"a handle outside the range", "08 0500 0900 0028", "01 08 0a00 0a"},
		{"start of the range", "08 0500 0900 0028", "01 08 0500 0a"},
		{"middle of the range", "08 0500 0900 0028", "01 08 0700 05"},
		{"second of several", "0e 0500 0900", "01 0e 0900 01"},
		{"failed execute", "18 01", "01 18 0900 0e"},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			ch := atttest.New(t, nil)
			b := att.NewBearer(ch, nil)
			ch.Attach(b)
			sent := atttest.Hex(t, test.sent)
			req, err := att.Parse(sent)
			if err != nil {
				t.Fatal(err)
			}
			failed := make(chan error, 1)
			go func() { failed <- doAny(t.Context(), b, req) }()
			ch.Want(test.sent)
			ch.Receive(test.answer)
			var ae *att.Error
			if err := returned(t, failed); !errors.As(err, &ae) || b.Err() != nil {
				t.Errorf("error %v, bearer %v; want the peer's error on a living bearer", err, b.Err())
			}
		}))
	}
}

func doAny(ctx context.Context, b *att.Bearer, req att.PDU) (err error) {
	switch req := req.(type) {
	case att.ReadReq:
		_, err = att.Do(ctx, b, req)
	case att.ReadByTypeReq:
		_, err = att.Do(ctx, b, req)
	case att.ReadByGroupTypeReq:
		_, err = att.Do(ctx, b, req)
	case att.ReadMultipleReq:
		_, err = att.Do(ctx, b, req)
	case att.ExecuteWriteReq:
		_, err = att.Do(ctx, b, req)
	default:
		err = fmt.Errorf("no case for %T", req)
	}
	return err
}

func TestUnsolicitedAnswersAreDropped(t *testing.T) { bubble(testUnsolicitedAnswersAreDropped)(t) }

func testUnsolicitedAnswersAreDropped(t *testing.T) {
	b, ch := newBearer(t, nil)
	ch.Receive("0b 01", "01 0a 0100 01", "1e", "", "13", "03 ff00")
	ch.WantIdle()
	if b.Err() != nil || b.MTU() != 23 {
		t.Fatalf("bearer %v, MTU %d", b.Err(), b.MTU())
	}
	call := start(t.Context(), b, att.ReadReq{Handle: 1})
	ch.Want("0a 0100")
	ch.Receive("0b 77")
	wantValue(t, returned(t, call), "77")
}

func TestMalformedResponseFailsOnlyItsCall(t *testing.T) {
	bubble(testMalformedResponseFailsOnlyItsCall)(t)
}

func testMalformedResponseFailsOnlyItsCall(t *testing.T) {
	b, ch := newBearer(t, nil)
	for _, test := range []struct {
		answer string
		op     att.Opcode
	}{
		{"09 00", att.OpReadByTypeRsp},
		{"01 08", att.OpErrorRsp},
		{"01 08 0100", att.OpErrorRsp},
		{"01 08 0100 0a 00", att.OpErrorRsp},
	} {
		call := start(t.Context(), b, att.ReadByTypeReq{Start: 1, End: 9, Type: [16]byte{}})
		ch.Receive(test.answer)
		var me *att.MalformedError
		if err := returned(t, call).err; !errors.As(err, &me) || me.Op != test.op {
			t.Errorf("error %v after %s, want a MalformedError of %s", err, test.answer, test.op)
		}
		if b.Err() != nil {
			t.Errorf("the bearer ended: %v", b.Err())
		}
	}
}

func TestTransactionTimeout(t *testing.T) { bubble(testTransactionTimeout)(t) }

func testTransactionTimeout(t *testing.T) {
	b, ch := newBearer(t, nil)
	began := time.Now()
	first := start(t.Context(), b, att.ReadReq{Handle: 1})
	second := start(t.Context(), b, att.ReadReq{Handle: 2})
	time.Sleep(30*time.Second - time.Nanosecond)
	pending(t, first)
	r := <-first
	if d := time.Since(began); d != 30*time.Second {
		t.Errorf("timed out after %v, want 30s", d)
	}
	for _, err := range []error{r.err, (<-second).err, ch.Closed(), b.Err()} {
		if !errors.Is(err, att.ErrTransactionTimeout) {
			t.Errorf("error %v, want ErrTransactionTimeout", err)
		}
	}
	// The late answer is dropped.
	ch.Receive("0b 01")
}

func TestTimeoutCountsFromSending(t *testing.T) { bubble(testTimeoutCountsFromSending)(t) }

func testTimeoutCountsFromSending(t *testing.T) {
	b, ch := newBearer(t, nil)
	first := start(t.Context(), b, att.ReadReq{Handle: 1})
	second := start(t.Context(), b, att.ReadReq{Handle: 2})
	time.Sleep(29 * time.Second)
	ch.Receive("0b 01")
	wantValue(t, returned(t, first), "01")
	time.Sleep(29 * time.Second)
	ch.Receive("0b 02")
	wantValue(t, returned(t, second), "02")
	time.Sleep(time.Hour)
	if b.Err() != nil {
		t.Errorf("an idle bearer ended: %v", b.Err())
	}
}

func TestCancelFreesTheCallerNotTheBearer(t *testing.T) {
	bubble(testCancelFreesTheCallerNotTheBearer)(t)
}

// The late answer of a canceled request must not answer the next one.
func testCancelFreesTheCallerNotTheBearer(t *testing.T) {
	b, ch := newBearer(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("user gone")
	first := start(ctx, b, att.ReadReq{Handle: 1})
	queued := start(ctx, b, att.ReadReq{Handle: 2})
	last := start(t.Context(), b, att.ReadReq{Handle: 3})
	ch.Want("0a 0100")
	cancel(gone)
	for _, call := range []<-chan result[att.ReadRsp]{first, queued} {
		if err := returned(t, call).err; !errors.Is(err, gone) {
			t.Errorf("error %v, want the cause of the cancel", err)
		}
	}
	ch.WantIdle() // the canceled one is still outstanding
	ch.Receive("0b 0101")
	ch.Want("0a 0300") // the canceled one in the queue is never sent
	ch.Receive("0b 0303")
	wantValue(t, returned(t, last), "0303")
	if _, err := att.Do(ctx, b, att.ReadReq{Handle: 4}); !errors.Is(err, gone) {
		t.Errorf("error %v from a dead context", err)
	}
	ch.WantIdle()
}

func TestCanceledRequestStillTimesOut(t *testing.T) { bubble(testCanceledRequestStillTimesOut)(t) }

func testCanceledRequestStillTimesOut(t *testing.T) {
	b, ch := newBearer(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := att.Do(ctx, b, att.ReadReq{Handle: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	time.Sleep(29*time.Second - time.Nanosecond)
	synctest.Wait()
	if b.Err() != nil {
		t.Fatalf("ended early: %v", b.Err())
	}
	time.Sleep(time.Nanosecond)
	synctest.Wait()
	if !errors.Is(ch.Closed(), att.ErrTransactionTimeout) {
		t.Errorf("closed with %v", ch.Closed())
	}
}

// TestAbandonedRequestsDoNotPileUp: a caller that tries again and again while
// one request hangs does not fill the queue.
func TestAbandonedRequestsDoNotPileUp(t *testing.T) { bubble(testAbandonedRequestsDoNotPileUp)(t) }

func testAbandonedRequestsDoNotPileUp(t *testing.T) {
	b, ch := newBearer(t, nil)
	start(t.Context(), b, att.ReadReq{Handle: 1})
	for range 1000 {
		ctx, cancel := context.WithCancel(t.Context())
		call := start(ctx, b, att.ReadReq{Handle: 2})
		cancel()
		if err := returned(t, call).err; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	ch.Do(func(time.Time) {
		if n := b.Waiting(); n > 2*16 {
			t.Errorf("%d abandoned requests are queued", n)
		}
	})
	ch.Want("0a 0100")
	ch.Receive("0b 00")
	ch.WantIdle()
}

func TestDisconnectGivesTheCause(t *testing.T) { bubble(testDisconnectGivesTheCause)(t) }

func testDisconnectGivesTheCause(t *testing.T) {
	b, ch := newBearer(t, nil)
	cause := errors.New("supervision timeout")
	out := start(t.Context(), b, att.ReadReq{Handle: 1})
	queued := start(t.Context(), b, att.ReadReq{Handle: 2})
	ch.SetFull(true)
	command := make(chan error, 1)
	go func() { command <- b.Command(t.Context(), att.WriteCmd{Handle: 3}) }()
	indication := make(chan error, 1)
	go func() { indication <- b.Indicate(t.Context(), att.HandleValueIndication{Handle: 4}) }()
	synctest.Wait()
	ch.Disconnect(cause)
	errs := []error{returned(t, out).err, returned(t, queued).err, returned(t, command), returned(t, indication), b.Err()}
	_, err := att.Do(t.Context(), b, att.ReadReq{Handle: 5})
	for i, err := range append(errs, err) {
		if !errors.Is(err, cause) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%d: error %v, want the cause and net.ErrClosed", i, err)
		}
	}
	if ch.Closed() != nil {
		t.Errorf("the bearer closed a channel that had ended: %v", ch.Closed())
	}
}
