package att_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
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

// result is what became of a call that a test let run.
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

// returned returns the result of a call that must be over.
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

// pending fails the test if a call is over.
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

// TestWrongAnswersEndTheBearer is the table above Bearer.response.
func TestWrongAnswersEndTheBearer(t *testing.T) {
	read := att.ReadReq{Handle: 3}
	for _, test := range []struct {
		name   string
		answer string
		rule   att.Rule
	}{
		{"another response", "13", att.RuleResponse},
		{"a longer response of another request", "09 03 010002", att.RuleResponse},
		{"an error for another request", "01 0c 0300 01", att.RuleErrorRequest},
		{"an error for another handle", "01 0a 0400 01", att.RuleErrorHandle},
		{"an error that is too short", "01 0a 0300", att.RuleErrorLayout},
		{"an error that is too long", "01 0a 0300 01 00", att.RuleErrorLayout},
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

// TestPlausibleErrors: what an Error Response may name without being wrong.
func TestPlausibleErrors(t *testing.T) {
	for _, test := range []struct{ name, sent, answer string }{
		{"no handle", "0a0300", "01 0a 0000 01"},
		{"its handle", "0a0300", "01 0a 0300 01"},
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
	call := start(t.Context(), b, att.ReadByTypeReq{Start: 1, End: 9, Type: [16]byte{}})
	ch.Receive("09 00")
	var me *att.MalformedError
	if err := returned(t, call).err; !errors.As(err, &me) || me.Op != att.OpReadByTypeRsp {
		t.Errorf("error %v, want a MalformedError", err)
	}
	if b.Err() != nil {
		t.Errorf("the bearer ended: %v", b.Err())
	}
}

func TestTransactionTimeout(t *testing.T) { bubble(testTransactionTimeout)(t) }

func testTransactionTimeout(t *testing.T) {
	b, ch := newBearer(t, nil)
	began := time.Now()
	first := start(t.Context(), b, att.ReadReq{Handle: 1})
	second := start(t.Context(), b, att.ReadReq{Handle: 2})
	time.Sleep(30*time.Second - 1)
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
	// The late answer finds nobody.
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

// The late answer of a canceled request must not be taken for that of the next.
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
	time.Sleep(29*time.Second - 1)
	synctest.Wait()
	if b.Err() != nil {
		t.Fatalf("ended early: %v", b.Err())
	}
	time.Sleep(1)
	synctest.Wait()
	if !errors.Is(ch.Closed(), att.ErrTransactionTimeout) {
		t.Errorf("closed with %v", ch.Closed())
	}
}

// TestAbandonedRequestsDoNotPileUp: a caller that tries again and again while
// one request hangs leaves no trace in the queue.
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

func TestCommandsArePaced(t *testing.T) { bubble(testCommandsArePaced)(t) }

func testCommandsArePaced(t *testing.T) {
	b, ch := newBearer(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	if err := b.Command(ctx, att.WriteCmd{Handle: 1, Value: []byte{0xAA}}); err != nil {
		t.Fatal(err)
	}
	ch.Want("52 0100 aa")
	ch.SetFull(true)
	canceled, kept := make(chan error, 1), make(chan error, 1)
	go func() { canceled <- b.WriteCommand(ctx, nil, 2, []byte{0xBB}) }()
	synctest.Wait()
	go func() { kept <- b.NotifyValue(t.Context(), nil, 3, []byte{0xCC}) }()
	pending(t, canceled)
	pending(t, kept)
	// A request and its answer do not wait for the commands.
	read := start(t.Context(), b, att.ReadReq{Handle: 9})
	ch.Want("0a 0900")
	ch.Receive("0b 01")
	wantValue(t, returned(t, read), "01")
	cancel()
	if err := returned(t, canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	ch.WantIdle()
	ch.SetFull(false)
	ch.Want("1b 0300 cc")
	if err := returned(t, kept); err != nil {
		t.Error(err)
	}
	ch.WantIdle()
}

func TestWrongKindOfPDU(t *testing.T) { bubble(testWrongKindOfPDU)(t) }

func testWrongKindOfPDU(t *testing.T) {
	b, ch := newBearer(t, nil)
	if b.Command(t.Context(), att.ReadReq{}) == nil || b.Notify(t.Context(), att.WriteCmd{}) == nil {
		t.Error("a PDU went out by the wrong way")
	}
	ch.WantIdle()
}

func TestTooLongIsNotSent(t *testing.T) { bubble(testTooLongIsNotSent)(t) }

func testTooLongIsNotSent(t *testing.T) {
	b, ch := newBearer(t, nil)
	_, err := att.Do(t.Context(), b, att.WriteReq{Handle: 1, Value: make([]byte, 21)})
	var tl *att.TooLongError
	if !errors.As(err, &tl) || *tl != (att.TooLongError{Op: att.OpWriteReq, Len: 24, MTU: 23}) {
		t.Errorf("error %v", err)
	}
	if err := b.WriteCommand(t.Context(), nil, 1, make([]byte, 21)); !errors.As(err, &tl) {
		t.Errorf("error %v", err)
	}
	ch.WantIdle()
}

type condition struct{ err error }

func (c *condition) Check() error { return c.err }

func TestConditionIsAskedWhenTheTurnComes(t *testing.T) {
	bubble(testConditionIsAskedWhenTheTurnComes)(t)
}

func testConditionIsAskedWhenTheTurnComes(t *testing.T) {
	b, ch := newBearer(t, nil)
	stale := errors.New("stale")
	var cond condition
	start(t.Context(), b, att.ReadReq{Handle: 1})
	failed := make(chan error, 1)
	go func() {
		_, err := att.DoIf(t.Context(), b, &cond, att.WriteReq{Handle: 2})
		failed <- err
	}()
	ch.Want("0a 0100")
	ch.Do(func(time.Time) { cond.err = stale })
	ch.Receive("0b 00")
	if err := returned(t, failed); err != stale {
		t.Errorf("error %v", err)
	}
	ch.WantIdle()
}

func TestDetachedRequestIsSentAndItsAnswerDropped(t *testing.T) {
	bubble(testDetachedRequest)(t)
}

func testDetachedRequest(t *testing.T) {
	b, ch := newBearer(t, nil)
	first := start(t.Context(), b, att.ReadReq{Handle: 1})
	att.Detach(b, att.ExecuteWriteReq{Flags: att.ExecuteCancel})
	last := start(t.Context(), b, att.ReadReq{Handle: 2})
	ch.Receive("0b 01")
	ch.Want("0a 0100", "18 00")
	ch.WantIdle()
	ch.Receive("19")
	ch.Want("0a 0200")
	ch.Receive("0b 02")
	wantValue(t, returned(t, first), "01")
	wantValue(t, returned(t, last), "02")
}

// handler records what a bearer hands out.
type handler struct {
	got  []string
	down int
	hold bool // indications are not confirmed at once
}

func (h *handler) Request(_ time.Time, _ *att.Bearer, pdu []byte) { h.record("request", pdu) }
func (h *handler) Command(_ time.Time, _ *att.Bearer, pdu []byte) { h.record("command", pdu) }
func (h *handler) Down(time.Time, *att.Bearer)                    { h.down++ }
func (h *handler) Notification(_ time.Time, a att.Handle, v []byte) {
	h.record("notification "+a.String(), v)
}

func (h *handler) Indication(_ time.Time, a att.Handle, v []byte) bool {
	h.record("indication "+a.String(), v)
	return !h.hold
}

func (h *handler) record(what string, b []byte) { h.got = append(h.got, fmt.Sprintf("%s %x", what, b)) }

func (h *handler) want(t *testing.T, ch *atttest.Channel, want ...string) {
	t.Helper()
	ch.Do(func(time.Time) {
		if !slices.Equal(h.got, want) {
			t.Errorf("handed out %q, want %q", h.got, want)
		}
		h.got = nil
	})
}

func TestPeerRequestsAreAnsweredInOrder(t *testing.T) { bubble(testPeerRequestsAreAnsweredInOrder)(t) }

func testPeerRequestsAreAnsweredInOrder(t *testing.T) {
	h := &handler{}
	b, ch := newBearer(t, &att.Config{Requests: h})
	ch.Receive("0a 0100", "0a 0200", "02 4000", "0a 0300")
	h.want(t, ch, "request 0a0100")
	ch.WantIdle()
	reply := func(pdu string) { ch.Do(func(time.Time) { b.Reply(atttest.Hex(t, pdu)) }) }
	reply("0b 01")
	ch.Want("0b 01")
	h.want(t, ch, "request 0a0200")
	reply("0b 02")
	ch.Want("0b 02", "03 0502")
	h.want(t, ch, "request 0a0300")
	reply("0b 03")
	ch.Want("0b 03")
	reply("0b 04") // nothing is owed
	ch.WantIdle()
	if b.MTU() != 0x40 {
		t.Errorf("MTU %d", b.MTU())
	}
}

func TestTooManyPeerRequestsEndTheBearer(t *testing.T) {
	bubble(testTooManyPeerRequestsEndTheBearer)(t)
}

func testTooManyPeerRequestsEndTheBearer(t *testing.T) {
	h := &handler{}
	_, ch := newBearer(t, &att.Config{Requests: h})
	ch.Receive("0a 0100", "0a 0200", "0a 0300", "0a 0400", "0a 0500")
	if ch.Closed() != nil {
		t.Fatalf("closed with four waiting: %v", ch.Closed())
	}
	ch.Receive("0a 0600")
	wantProtocolError(t, ch.Closed(), att.RuleSequentialRequests)
	h.want(t, ch)
	if h.down != 1 || len(h.got) != 1 {
		t.Errorf("down %d times after %q", h.down, h.got)
	}
}

func TestWhatNoHandlerNeedsToAnswer(t *testing.T) { bubble(testWhatNoHandlerNeedsToAnswer)(t) }

// A request of the peer with none of ours outstanding, and no server at all.
func testWhatNoHandlerNeedsToAnswer(t *testing.T) {
	b, ch := newBearer(t, nil)
	ch.Receive("10 0100 ffff 0028") // service discovery by a phone
	ch.Want("01 10 0000 06")
	ch.Receive("7e 01", "ff", "52 0100 00") // commands
	ch.WantIdle()
	ch.Receive("3c 01") // no known method
	ch.Want("01 3c 0000 06")
	ch.Receive("b0") // signed, but no command
	ch.Want("01 b0 0000 06")
	ch.Receive("0a" + fmt.Sprintf("%060x", 0)) // a request longer than the MTU
	ch.Want("01 0a 0000 04")
	if b.Err() != nil {
		t.Error(b.Err())
	}
}

func TestUnknownCommandsDoNotReachTheHandler(t *testing.T) {
	bubble(testUnknownCommandsDoNotReachTheHandler)(t)
}

func testUnknownCommandsDoNotReachTheHandler(t *testing.T) {
	h := &handler{}
	_, ch := newBearer(t, &att.Config{Requests: h})
	ch.Receive("52 0100 00", "53 00", "d2 0100", "c0")
	h.want(t, ch, "command 52010000", "command d20100")
	ch.WantIdle()
}

func TestMalformedMTURequestBreaksNothing(t *testing.T) {
	bubble(testMalformedMTURequestBreaksNothing)(t)
}

func testMalformedMTURequestBreaksNothing(t *testing.T) {
	b, ch := newBearer(t, nil)
	ch.Receive("02", "02 40", "02 4000 00")
	ch.Want("01 02 0000 04", "01 02 0000 04", "01 02 0000 04")
	if b.MTU() != 23 {
		t.Errorf("MTU %d", b.MTU())
	}
	ch.Receive("02 4000")
	ch.Want("03 0502")
	if b.MTU() != 64 {
		t.Errorf("MTU %d", b.MTU())
	}
	read := start(t.Context(), b, att.ReadReq{Handle: 1})
	ch.Want("0a 0100")
	ch.Receive("0b 01")
	wantValue(t, returned(t, read), "01")
}

func TestMTUIsTheSmallerOfBoth(t *testing.T) {
	for _, test := range []struct {
		name   string
		ours   int
		asked  string // what we send
		answer string
		want   int
	}{
		{"peer smaller", 517, "02 0502", "03 6400", 100},
		{"peer larger", 100, "02 6400", "03 0002", 100}, // asked 100, server 512
		{"peer absurd", 517, "02 0502", "03 ffff", 517},
		{"peer below the minimum", 517, "02 0502", "03 0500", 23},
		{"peer zero", 517, "02 0502", "03 0000", 23},
		{"not supported", 517, "02 0502", "01 02 0000 06", 23},
		{"default", 0, "02 0502", "03 0502", 517},
		{"more than is of use", 4000, "02 0502", "03 0502", 517},
	} {
		t.Run(test.name, bubble(func(t *testing.T) {
			b, ch := newBearer(t, &att.Config{MTU: test.ours})
			done := make(chan result[int], 2)
			for range 2 {
				go func() {
					mtu, err := b.ExchangeMTU(t.Context())
					done <- result[int]{mtu, err}
				}()
			}
			ch.Want(test.asked)
			ch.WantIdle()
			ch.Receive(test.answer)
			ch.WantIdle() // the second caller asks nothing
			for range 2 {
				if r := returned(t, done); r.err != nil || r.rsp != test.want {
					t.Errorf("MTU %d, %v; want %d", r.rsp, r.err, test.want)
				}
			}
			if b.MTU() != test.want {
				t.Errorf("MTU() = %d, want %d", b.MTU(), test.want)
			}
		}))
	}
}

func TestMTUExchangeThatFails(t *testing.T) { bubble(testMTUExchangeThatFails)(t) }

func testMTUExchangeThatFails(t *testing.T) {
	b, ch := newBearer(t, nil)
	exchange := func() <-chan result[int] {
		done := make(chan result[int], 1)
		go func() {
			mtu, err := b.ExchangeMTU(t.Context())
			done <- result[int]{mtu, err}
		}()
		synctest.Wait()
		return done
	}
	done := exchange()
	ch.Want("02 0502")
	ch.Receive("01 02 0000 04") // noble's queue stalls here
	if r := returned(t, done); !errors.Is(r.err, att.CodeInvalidPDU) || r.rsp != 23 {
		t.Errorf("MTU %d, %v", r.rsp, r.err)
	}
	if r := returned(t, exchange()); r.err != nil || r.rsp != 23 {
		t.Errorf("MTU %d, %v", r.rsp, r.err)
	}
	ch.WantIdle()
	// The peer's own exchange is another one.
	ch.Receive("02 3000", "02 6000")
	ch.Want("03 0502", "03 0502")
	if b.MTU() != 0x30 {
		t.Errorf("MTU %d after the peer's second exchange", b.MTU())
	}
}

func TestMTUAnswerCountsWithoutItsCaller(t *testing.T) {
	bubble(testMTUAnswerCountsWithoutItsCaller)(t)
}

func testMTUAnswerCountsWithoutItsCaller(t *testing.T) {
	b, ch := newBearer(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := b.ExchangeMTU(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	ch.Receive("03 f700")
	if b.MTU() != 247 {
		t.Errorf("MTU %d, want 247: the peer uses it already", b.MTU())
	}
}

func TestNoMTUExchangeWhereItIsPointless(t *testing.T) {
	bubble(func(t *testing.T) {
		b, ch := newBearer(t, &att.Config{MTU: 5})
		if mtu, err := b.ExchangeMTU(t.Context()); mtu != 23 || err != nil {
			t.Errorf("MTU %d, %v", mtu, err)
		}
		ch.WantIdle()
	})(t)
}

func TestValuesFromThePeer(t *testing.T) { bubble(testValuesFromThePeer)(t) }

func testValuesFromThePeer(t *testing.T) {
	h := &handler{}
	b, ch := newBearer(t, nil)
	ch.Receive("1b 0300 01", "1d 0300 02") // nobody is there yet
	ch.Want("1e")
	ch.Do(func(time.Time) { b.SetNotifyHandler(h) })
	ch.Receive("1b 0300", "1b 0300 aabb", "1b 03", "1d 0400 01")
	ch.Want("1e")
	h.want(t, ch, "notification 0x0003 ", "notification 0x0003 aabb", "indication 0x0004 01")
	ch.Receive("23 0300 0100 11 0500 0200 2233", "23 0300 0500 11", "23")
	h.want(t, ch, "notification 0x0003 11", "notification 0x0005 2233")
	long := fmt.Sprintf("%060x", 7) // 30 octets, before any MTU exchange
	ch.Receive("1b 0300" + long)
	h.want(t, ch, "notification 0x0003 "+long)
	ch.Receive("1d 04") // malformed, but its sender waits
	ch.Want("1e")
	ch.Receive("1d" + fmt.Sprintf("%01034x", 0)) // beyond our MTU
	ch.Want("1e")
	ch.Receive("1b" + fmt.Sprintf("%01034x", 0))
	h.want(t, ch)
	ch.WantIdle()
}

func TestWithheldConfirmation(t *testing.T) { bubble(testWithheldConfirmation)(t) }

func testWithheldConfirmation(t *testing.T) {
	h := &handler{hold: true}
	b, ch := newBearer(t, nil)
	ch.Do(func(time.Time) { b.SetNotifyHandler(h) })
	ch.Receive("1d 0400 01")
	ch.WantIdle()
	ch.Do(func(time.Time) { b.Confirm(); b.Confirm() })
	ch.Want("1e")
	ch.WantIdle()
	ch.Receive("1d 0400 02", "1d 0400 03")
	wantProtocolError(t, ch.Closed(), att.RuleSequentialIndications)
}

func TestIndicationsGoOutOneByOne(t *testing.T) { bubble(testIndicationsGoOutOneByOne)(t) }

func testIndicationsGoOutOneByOne(t *testing.T) {
	b, ch := newBearer(t, nil)
	var calls []<-chan error
	for i := range byte(2) {
		call := make(chan error, 1)
		go func() {
			call <- b.Indicate(t.Context(), att.HandleValueIndication{Handle: 5, Value: []byte{i}})
		}()
		synctest.Wait()
		calls = append(calls, call)
	}
	started := make(chan error, 1)
	ch.Do(func(now time.Time) {
		b.StartIndicate(now, att.HandleValueIndication{Handle: 6}, func(_ time.Time, err error) { started <- err })
	})
	// A request of ours has its own turn.
	read := start(t.Context(), b, att.ReadReq{Handle: 1})
	ch.Want("1d 0500 00", "0a 0100")
	ch.WantIdle()
	ch.Receive("1e")
	if err := returned(t, calls[0]); err != nil {
		t.Error(err)
	}
	ch.Want("1d 0500 01")
	ch.Receive("1e")
	ch.Want("1d 0600")
	ch.Receive("1e")
	if err := returned(t, started); err != nil {
		t.Error(err)
	}
	ch.Receive("0b 01")
	wantValue(t, returned(t, read), "01")
}

func TestUnconfirmedIndicationEndsTheBearer(t *testing.T) {
	bubble(testUnconfirmedIndicationEndsTheBearer)(t)
}

func testUnconfirmedIndicationEndsTheBearer(t *testing.T) {
	b, ch := newBearer(t, nil)
	began := time.Now()
	err := b.Indicate(t.Context(), att.HandleValueIndication{Handle: 5})
	if d := time.Since(began); d != 30*time.Second || !errors.Is(err, att.ErrTransactionTimeout) {
		t.Errorf("%v after %v", err, d)
	}
	if !errors.Is(ch.Closed(), att.ErrTransactionTimeout) {
		t.Errorf("closed with %v", ch.Closed())
	}
}
