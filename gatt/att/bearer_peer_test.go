package att_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/gatt/att/atttest"
)

// handler records the calls of a bearer.
type handler struct {
	got  []string
	down int
	hold bool // indications are not confirmed at once
}

func (h *handler) Request(_ time.Time, _ *att.Bearer, pdu []byte) { h.record("request", pdu) }

func (h *handler) Command(_ time.Time, _ *att.Bearer, pdu []byte) { h.record("command", pdu) }

func (h *handler) Down(time.Time, *att.Bearer) { h.down++ }

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
	synctest.Wait() // the loop has ended, and the handler is nobody's
	if h.down != 1 || !slices.Equal(h.got, []string{"request 0a0100"}) {
		t.Errorf("down %d times after %q", h.down, h.got)
	}
}

func TestWhatNoHandlerNeedsToAnswer(t *testing.T) { bubble(testWhatNoHandlerNeedsToAnswer)(t) }

// Requests of the peer without an outstanding one of this side, and without a
// server.
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
	// Further ones, which the peer must not send, wait for their turn.
	h.want(t, ch, "indication 0x0004 01")
	ch.Receive("1d 0400 02", "1d 0400 03", "1d 0400 04", "1d 0400 05", "1d 0400 06")
	ch.WantIdle()
	h.want(t, ch, "indication 0x0004 02")
	ch.Do(func(time.Time) { b.Confirm() })
	ch.Want("1e")
	h.want(t, ch, "indication 0x0004 03")
	ch.Do(func(time.Time) { h.hold = false; b.Confirm() })
	ch.Want("1e", "1e", "1e", "1e")
	ch.WantIdle()
	h.want(t, ch, "indication 0x0004 04", "indication 0x0004 05", "indication 0x0004 06")
	if ch.Closed() != nil {
		t.Error(ch.Closed())
	}
	// But not any number of them.
	ch.Do(func(time.Time) { h.hold = true })
	ch.Receive("1d 0400 01", "1d 0400 02", "1d 0400 03", "1d 0400 04", "1d 0400 05", "1d 0400 06")
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

func TestTimeoutNamesWhatWasNotAnswered(t *testing.T) {
	bubble(testTimeoutNamesWhatWasNotAnswered)(t)
}

func testTimeoutNamesWhatWasNotAnswered(t *testing.T) {
	b, ch := newBearer(t, nil)
	go b.Indicate(t.Context(), att.HandleValueIndication{Handle: 5})
	time.Sleep(10 * time.Second)
	read := start(t.Context(), b, att.ReadReq{Handle: 1})
	time.Sleep(20 * time.Second)
	err := returned(t, read).err
	if !errors.Is(err, att.ErrTransactionTimeout) || !strings.Contains(err.Error(), "handle value indication") {
		t.Errorf("error %v", err)
	}
	if !errors.Is(ch.Closed(), att.ErrTransactionTimeout) {
		t.Errorf("closed with %v", ch.Closed())
	}
}

func TestRuleNames(t *testing.T) {
	for r := att.RuleResponse; r <= att.RuleLength; r++ {
		if s := r.String(); strings.HasPrefix(s, "rule(") || s == "" {
			t.Errorf("rule %d has no name", r)
		}
	}
	if s := att.Rule(0x7F).String(); s != "rule(0x7f)" {
		t.Errorf("unknown rule is %q", s)
	}
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

func TestPeerThatTakesNoAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		pdu, answer string
		rule        att.Rule
	}{
		"requests":    {"02 1700", "03 0502", att.RuleSequentialRequests},
		"indications": {"1d 0300 09", "1e", att.RuleSequentialIndications},
	} {
		t.Run(name, bubble(func(t *testing.T) {
			b, ch := newBearer(t, nil)
			ch.SetFull(true)
			for range 16 { // other traffic may fill the channel for as long
				ch.Receive(test.pdu)
				ch.Want(test.answer)
			}
			ch.SetFull(false)
			ch.Do(b.Writable)
			ch.SetFull(true)
			for range 16 {
				ch.Receive(test.pdu)
				ch.Want(test.answer)
			}
			ch.Receive(test.pdu)
			wantProtocolError(t, ch.Closed(), test.rule)
			ch.WantIdle()
		}))
	}
}
