package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// The check of the program is a part of the attempt: its failure is a failed attempt, and
// the next attempt has a new link.
func TestReadyIsPartOfTheAttempt(t *testing.T) { inBubble(t, testReadyIsPartOfTheAttempt) }

func testReadyIsPartOfTheAttempt(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	r := l.watchAttempts()
	l.device(1)
	links := l.countLog(func(e sim.Entry) bool { return e.Kind == sim.LogLinkUp && e.Node == "hci0" })
	calls, errMine := 0, errors.New("no handshake")
	c := l.establish(1, &connmgr.Options{Ready: func(ctx context.Context, c *connmgr.Client) error {
		if calls++; calls < 3 {
			return errMine
		}
		_, err := c.Read(ctx, battery, level)
		return err
	}})
	_, failed := r.events()
	if calls != 3 || links() != 3 || len(failed) != 2 {
		t.Fatalf("%d calls, %d links, %d failed attempts; want 3, 3, 2", calls, links(), len(failed))
	}
	for _, f := range failed {
		var e *connmgr.ReadyError
		if !errors.As(f.Err, &e) || !errors.Is(f.Err, errMine) || f.Phase != connmgr.PhaseReady || f.Class.Row != "not ready" {
			t.Errorf("failed with %v in phase %s, class %q", f.Err, f.Phase, f.Class.Row)
		}
	}
	l.wantLevel(c, 1)
	// A Client that shares the link is checked, too; the link outlives its failure.
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{
		MaxAttempts: -1, Ready: func(context.Context, *connmgr.Client) error { return errMine },
	})
	if !errors.Is(err, errMine) || !errors.Is(err, connmgr.ErrConnection) {
		t.Errorf("%v, want the error of the check", err)
	}
	l.wantLevel(c, 1)
	c.Close()
	l.wantNoSlots()
}

// The class of a check that has failed is that of its error, if that is known; a timeout
// of the check's own does not mean that the device was not heard.
func TestReadyIsClassified(t *testing.T) { inBubble(t, testReadyIsClassified) }

func testReadyIsClassified(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	for _, c := range []struct {
		err      error
		row      string
		category error
	}{
		{context.DeadlineExceeded, "not ready", connmgr.ErrConnection},
		{context.Canceled, "not ready", connmgr.ErrConnection},
		{&att.Error{Req: att.OpReadReq, Code: att.CodeInsufficientAuthentication}, "att: 0x05, 0x08, 0x0C, 0x0F security", connmgr.ErrConnection},
	} {
		e := l.failToEstablish(&connmgr.Options{MaxAttempts: -1, Ready: func(context.Context, *connmgr.Client) error { return c.err }})
		if at := e.Attempts[len(e.Attempts)-1]; at.Class.Row != c.row || !errors.Is(e, c.category) || !errors.Is(e, c.err) {
			t.Errorf("%v: %v, class %q", c.err, e, at.Class.Row)
		}
	}
}

// elsewhere is the error of an Establish to another device that a check makes.
func elsewhere(category, err error) error {
	return fmt.Errorf("gateway: %w", &connmgr.EstablishError{Attempts: []connmgr.Attempt{{Err: err}}, Category: category, Err: err})
}

// ownFailures are errors of a program for reasons of its own, which say nothing about
// this stack, though errors of the stack wrap some of them too.
var ownFailures = []error{
	errors.New("plain"), errors.New("mqtt: topic not found"), context.Canceled, context.DeadlineExceeded, io.EOF, os.ErrPermission,
	fmt.Errorf("mqtt: %w", net.ErrClosed), fmt.Errorf("write: %w", syscall.EPIPE), syscall.EIO, syscall.ENODEV, syscall.EBADF,
	elsewhere(connmgr.ErrBondLost, smp.ErrNoKey),
	elsewhere(connmgr.ErrConnection, &controller.Error{What: "reset"}),
	elsewhere(connmgr.ErrConnection, &controller.ConnectError{Err: controller.ErrUnknownLink}),
	elsewhere(connmgr.ErrAborted, &controller.DisconnectError{Reason: hci.StatusRemoteUserTerminated}),
	elsewhere(connmgr.ErrConnection, &connmgr.MissingError{Service: battery}),
}

// A failure of the program's own counts as an attempt, whatever its error is, and its
// advice names the check. Neither the adapter nor the device is blamed.
func TestReadyFailsForAReasonOfItsOwn(t *testing.T) { inBubble(t, testReadyFailsForAReasonOfItsOwn) }

func testReadyFailsForAReasonOfItsOwn(t *testing.T) {
	for _, own := range ownFailures {
		l := newLab(t, connmgr.Config{})
		resets := l.resets()
		l.device(1)
		e := l.failToEstablish(&connmgr.Options{MaxAttempts: 2, Ready: func(context.Context, *connmgr.Client) error { return own }})
		if len(e.Attempts) != 2 || e.Category != connmgr.ErrConnection || !errors.Is(e, own) || !strings.Contains(e.Advice, "Options.Ready") {
			t.Errorf("%v, want two attempts and advice about the check", e)
		}
		for _, at := range e.Attempts {
			if at.Phase != connmgr.PhaseReady || at.Class.Row != "not ready" || at.Class.Action != 0 {
				t.Errorf("%v: phase %s, class %q, action %v", own, at.Phase, at.Class.Row, at.Class.Action)
			}
		}
		if x := e.Explanation; x.Verdict != connmgr.VerdictFailed || x.Adapters[0].Failures != 0 {
			t.Errorf("%v: verdict %s (%s), %v failures of the adapter", own, x.Verdict, x.Reason, x.Adapters[0].Failures)
		}
		if !connmgr.MayPass(e) || !connmgr.Retryable(e) {
			t.Errorf("%v: may pass %v, retryable %v; want both", own, connmgr.MayPass(e), connmgr.Retryable(e))
		}
		time.Sleep(10 * second)
		if n := resets(); n != 0 {
			t.Errorf("%v: %d resets of the adapter, want none", own, n)
		}
		l.wantNoSlots()
	}
}

// A Keep goes on after failures of the program's own, and ends with an answer of the
// device that does not pass.
func TestReadyAndKeep(t *testing.T) { inBubble(t, testReadyAndKeep) }

func testReadyAndKeep(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	for _, own := range ownFailures {
		k, err := l.m.Keep(t.Context(), address(1).String(), &connmgr.KeepOptions{Options: connmgr.Options{
			MaxAttempts: 2, Ready: func(context.Context, *connmgr.Client) error { return own },
		}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if s := k.Status(); s.State == connmgr.KeepEnded || s.Failures < 5 {
			t.Errorf("%v: %s after %d failures: %v", own, s.State, s.Failures, s.Err)
		}
		k.Close()
	}
	refused := &att.Error{Req: att.OpReadReq, Code: att.CodeReadNotPermitted}
	k, err := l.m.Keep(t.Context(), address(1).String(), &connmgr.KeepOptions{Options: connmgr.Options{
		Ready: func(context.Context, *connmgr.Client) error { return refused },
	}})
	if err != nil {
		t.Fatal(err)
	}
	if <-k.Done(); !errors.Is(k.Err(), refused) {
		t.Errorf("ended with %v, want %v", k.Err(), refused)
	}
}

// A check that blocks ends with the attempt, and with the call.
func TestReadyIsBounded(t *testing.T) { inBubble(t, testReadyIsBounded) }

func testReadyIsBounded(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	blocks := func(ctx context.Context, _ *connmgr.Client) error { <-ctx.Done(); return ctx.Err() }
	begin := time.Now()
	e := l.failToEstablish(&connmgr.Options{MaxAttempts: -1, Ready: blocks})
	if took := time.Since(begin); took != time.Minute || e.Attempts[0].Phase != connmgr.PhaseReady {
		t.Errorf("%v after %v, want the safety timeout", e, took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(5*second, cancel)
	begin = time.Now()
	_, err := l.m.Establish(ctx, address(1).String(), &connmgr.Options{Ready: blocks})
	if took := time.Since(begin); took != 5*second || !errors.Is(err, context.Canceled) {
		t.Errorf("%v after %v, want the end of the context", err, took)
	}
	time.Sleep(second)
	l.wantNoSlots()
}

// A check that does not return leaves no link and no claim: one that panics, or that ends
// its goroutine as t.FailNow does.
func TestReadyThatDoesNotReturn(t *testing.T) { inBubble(t, testReadyThatDoesNotReturn) }

func testReadyThatDoesNotReturn(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.device(1)
	for _, c := range []struct {
		end  func()
		want any
	}{{func() { panic("mine") }, "mine"}, {runtime.Goexit, nil}} {
		var got any
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer func() { got = recover() }()
			_, _ = l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{
				Ready: func(context.Context, *connmgr.Client) error { c.end(); return nil },
			})
		}()
		<-ended
		if got != c.want {
			t.Errorf("recovered %v, want %v", got, c.want)
		}
		time.Sleep(second)
		l.wantNoSlots()
		l.establish(1, nil).Close()
	}
}
