package l2cap

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
	"github.com/moor-ble/moor/internal/wire"
)

func TestFixedChannels(t *testing.T) {
	var att, smp proto
	l := newFakeLink(t, hci.RoleCentral, &Config{ATT: att.on(), SMP: smp.on()})
	l.recv(cidATT, "0a 0100")
	l.recv(cidSMP, "01 03 00 01 10 00 00")
	l.recvBytes(cidATT, make([]byte, 517))
	l.recvBytes(cidATT, make([]byte, 518))
	l.recvBytes(cidSMP, make([]byte, 66))
	l.recv(0x003A, "01")
	l.recv(0x0040, "01")
	l.recv(0x0000, "01")
	l.recv(cidATT, "")
	if want := []string{"0a0100", strings.Repeat("00", 517), ""}; !slices.Equal(att.frames, want) {
		t.Errorf("ATT got %v, want %v", att.frames, want)
	}
	if want := []string{"01030001100000"}; !slices.Equal(smp.frames, want) {
		t.Errorf("SMP got %v, want %v", smp.frames, want)
	}
	l.wantIdle("nothing of this is answered here")
	att.ch.Send([]byte{0x0B, 1})
	smp.ch.Send([]byte{0x05, 8})
	l.want("sent", "0004 0b 01", "0006 05 08")
	c, err := l.m.Counters(t.Context())
	if want := (Counters{TooLong: 2, UnknownCID: 3}); err != nil || c != want {
		t.Errorf("counters %+v, %v; want %+v", c, err, want)
	}
	if att.ch.Done() != (<-chan struct{})(l.done) || att.ch.Err() != nil {
		t.Error("the channel does not end with its link")
	}
}

func TestNoATT(t *testing.T) {
	l := newFakeLink(t, hci.RoleCentral, nil)
	l.recv(cidATT, "0a 0100")
	l.wantIdle("dropped")
}

func TestEventsGoToWhoWantsThem(t *testing.T) {
	var smp proto
	quiet := struct{ Handler }{&proto{}}
	l := newFakeLink(t, hci.RoleCentral, &Config{
		ATT: func(time.Time, *Channel) Handler { return quiet },
		SMP: smp.on(),
	})
	ev := &hci.EncryptionChange{Handle: 0x40, Enabled: 1}
	l.m.Event(l.now, ev)
	if len(smp.events) != 1 || smp.events[0] != hci.Event(ev) {
		t.Errorf("events %v, want the one", smp.events)
	}
}

func TestDeadlinesShareTheLinks(t *testing.T) {
	var att, smp proto
	l := newFakeLink(t, hci.RolePeripheral, &Config{ATT: att.on(), SMP: smp.on()})
	att.ch.SetDeadline(l.now.Add(30 * time.Second))
	smp.ch.SetDeadline(l.now.Add(20 * time.Second))
	l.m.sig.sendRequest(l.now, disconnectionReq{}, func(now time.Time, _ signal, err error) {
		var te *TimeoutError
		if !errors.As(err, &te) || !te.Timeout() || te.Command != codeDisconnectionReq || now.Sub(epoch) != 30*time.Second {
			t.Errorf("request ended at %v with %v", now.Sub(epoch), err)
		}
		att.log = append(att.log, "rtx")
	})
	if l.deadline != epoch.Add(20*time.Second) {
		t.Errorf("link's deadline %v, want the earliest", l.deadline.Sub(epoch))
	}
	smp.ch.SetDeadline(l.now.Add(40 * time.Second))
	if l.deadline != epoch.Add(30*time.Second) {
		t.Errorf("link's deadline %v after the earliest was moved", l.deadline.Sub(epoch))
	}
	l.advance(30 * time.Second)
	if want := []string{"expire 30s", "rtx"}; !slices.Equal(att.log, want) {
		t.Errorf("at 30 s: %v, want %v", att.log, want)
	}
	if smp.log != nil || l.deadline != epoch.Add(40*time.Second) {
		t.Errorf("SMP's: %v, link's deadline %v", smp.log, l.deadline.Sub(epoch))
	}
	smp.ch.SetDeadline(time.Time{})
	if !l.deadline.IsZero() {
		t.Error("a deadline is left although none is asked for")
	}
	l.m.Expire(l.now) // early or late calls change nothing
	if smp.log != nil {
		t.Errorf("SMP expired without a deadline: %v", smp.log)
	}
}

// TestRoomIsShared has two channels that always have more to send.
func TestRoomIsShared(t *testing.T) {
	var att, smp proto
	l := newFakeLink(t, hci.RoleCentral, &Config{ATT: att.on(), SMP: smp.on()})
	l.room = 6
	greedy := func(p *proto) func(time.Time) {
		return func(time.Time) {
			for p.ch.Room() {
				p.ch.Send([]byte{1})
			}
		}
	}
	att.onTurn, smp.onTurn = greedy(&att), greedy(&smp)
	att.onTurn(l.now)
	smp.onTurn(l.now)
	l.want("first come", "0004 01", "0004 01", "0004 01", "0004 01", "0004 01", "0004 01")
	l.free()
	l.want("frame by frame", "0004 01", "0006 01", "0004 01", "0006 01", "0004 01", "0006 01")
	smp.onTurn = func(time.Time) {}
	l.free()
	l.want("no longer shared", "0004 01", "0004 01", "0004 01", "0004 01", "0004 01", "0004 01")
}

func TestChannelClose(t *testing.T) {
	var att proto
	l := newFakeLink(t, hci.RoleCentral, &Config{ATT: att.on()})
	cause := errors.New("timed out")
	att.ch.SetDeadline(l.now.Add(time.Second))
	att.ch.Close(cause)
	att.ch.Close(errors.New("again"))
	if l.reason != 0x13 || !errors.Is(l.cause, cause) {
		t.Errorf("link ended with %v, %v", l.reason, l.cause)
	}
	att.ch.Send([]byte{1})
	l.recv(cidATT, "0b")
	l.wantIdle("closed")
	if att.ch.Room() || att.frames != nil || !l.deadline.IsZero() {
		t.Errorf("a closed channel has room, frames %v or deadline %v", att.frames, l.deadline)
	}
	l.down(cause)
	if want := []string{"down timed out"}; !slices.Equal(att.log, want) {
		t.Errorf("told %v, want %v", att.log, want)
	}
}

func TestDownEndsAll(t *testing.T) {
	var att, smp proto
	l := newFakeLink(t, hci.RolePeripheral, &Config{ATT: att.on(), SMP: smp.on()})
	cause := errors.New("connection timeout")
	l.posted = make(chan loop.Task, 1)
	got := make(chan error, 1)
	go func() { got <- l.m.RequestParams(t.Context(), connParams(30*ms, 30*ms, 0, time.Second)) }()
	(<-l.posted).Run(l.now)
	l.take()
	l.down(cause)
	l.m.Down(l.now, cause)
	if err := <-got; !errors.Is(err, cause) || !errors.Is(err, ErrLinkDown) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("RequestParams: %v", err)
	}
	for _, p := range []*proto{&att, &smp} {
		if want := []string{"down connection timeout"}; !slices.Equal(p.log, want) {
			t.Errorf("told %v, want %v", p.log, want)
		}
	}
	l.posted = nil
	l.recv(cidSignal, "0a 05 0000")
	l.recv(cidATT, "0a")
	l.m.Event(l.now, &hci.EncryptionChange{})
	l.m.Writable(l.now)
	l.m.Expire(l.now)
	l.wantIdle("down")
	if att.frames != nil || att.events != nil {
		t.Errorf("frames %v and events %v after the end", att.frames, att.events)
	}
	if err := l.m.RequestParams(t.Context(), connParams(30*ms, 30*ms, 0, time.Second)); !errors.Is(err, cause) {
		t.Errorf("RequestParams afterwards: %v", err)
	}
	if _, err := l.m.Listen(0x80, nil); !errors.Is(err, cause) {
		t.Errorf("Listen afterwards: %v", err)
	}
	if _, err := l.m.Dial(t.Context(), 0x80, nil); !errors.Is(err, cause) {
		t.Errorf("Dial afterwards: %v", err)
	}
}

// errTimeout stands for a *TimeoutError after 30 s in tables of errors.
var errTimeout = errors.New("no answer within 30 s")

func isErr(err, want error) bool {
	var te *TimeoutError
	if errors.Is(want, errTimeout) {
		return errors.As(err, &te) && te.After == 30*time.Second
	}
	return errors.Is(err, want)
}

func TestRequestParams(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		want         error
	}{
		{"accepted", "13 01 0200 0000", nil},
		{"rejected", "13 01 0200 0100", ErrParamsRejected},
		{"unknown result", "13 01 0200 0500", ErrParamsRejected},
		{"not understood", "01 01 0200 0000", RejectNotUnderstood},
		{"malformed", "13 01 0100 00", wire.ErrShort},
		{"nothing", "", errTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newFakeLink(t, hci.RolePeripheral, nil)
			l.posted = make(chan loop.Task, 1)
			got := make(chan error, 1)
			go func() {
				got <- l.m.RequestParams(t.Context(), connParams(7500*time.Microsecond, 50*ms, 4, 2*time.Second))
			}()
			(<-l.posted).Run(l.now)
			l.want("request", "0005 12 01 0800 0600 2800 0400 c800")
			if tt.answer != "" {
				l.recv(cidSignal, tt.answer)
			} else {
				l.advance(30*time.Second - 1)
				select {
				case err := <-got:
					t.Fatalf("ended before 30 s: %v", err)
				default:
				}
				l.advance(1)
			}
			err := <-got
			if !isErr(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if !l.deadline.IsZero() {
				t.Error("a deadline is left")
			}
		})
	}
}

func TestRequestParamsRefusedHere(t *testing.T) {
	good := connParams(30*ms, 30*ms, 0, time.Second)
	central := newFakeLink(t, hci.RoleCentral, nil)
	if err := central.m.RequestParams(t.Context(), good); err == nil {
		t.Error("a central asked itself for parameters")
	}
	l := newFakeLink(t, hci.RolePeripheral, nil)
	if err := l.m.RequestParams(t.Context(), connParams(5*ms, 30*ms, 0, time.Second)); err == nil {
		t.Error("an interval of 5 ms was sent")
	}
	l.wantIdle("refused here")
	got := make(chan error, 1)
	l.posted = make(chan loop.Task, 1)
	request := func(ctx context.Context) {
		go func() { got <- l.m.RequestParams(ctx, good) }()
		(<-l.posted).Run(l.now)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	request(ctx)
	cause := errors.New("enough")
	cancel(cause)
	if err := <-got; !errors.Is(err, cause) {
		t.Errorf("canceled: %v", err)
	}
	l.take()
	request(t.Context())
	if err := <-got; !errors.Is(err, ErrBusy) {
		t.Errorf("while the canceled one is unanswered: %v", err)
	}
	l.wantIdle("busy")
	l.recv(cidSignal, "13 01 0200 0000")
	request(t.Context())
	l.recv(cidSignal, "13 02 0200 0000")
	if err := <-got; err != nil {
		t.Errorf("after its answer: %v", err)
	}
}

func TestLogging(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: levelPacket}))
	l := newFakeLink(t, hci.RoleCentral, &Config{Logger: log})
	l.m.ACL(l.now, false, []byte{1})
	l.recv(cidSignal, "0a 05 0000")
	for _, want := range []string{"fragment dropped", "command rejected", "signaling command 0x0A", "command not understood"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("log %q does not say %q", b.String(), want)
		}
	}
}

func TestEarlier(t *testing.T) {
	a, b := epoch, epoch.Add(1)
	got := []time.Time{earlier(a, b), earlier(b, a), earlier(time.Time{}, b), earlier(a, time.Time{}), earlier(time.Time{}, time.Time{})}
	if diff := cmp.Diff([]time.Time{a, a, b, a, {}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestKeyRequestWithoutSMPIsRefused(t *testing.T) {
	l := newFakeLink(t, hci.RolePeripheral, nil)
	l.m.Event(time.Time{}, &hci.LELongTermKeyRequest{})
	if l.refused != 1 {
		t.Errorf("refused %d times, want once", l.refused)
	}
}
