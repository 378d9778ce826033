package att_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt/att"
)

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
	if err := returned(t, failed); !errors.Is(err, stale) {
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
