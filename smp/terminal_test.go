package smp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/moor-ble/moor/smp"
)

// console is the user's end of a Terminal.
type console struct {
	*smp.Terminal
	t   *testing.T
	in  *io.PipeWriter
	out *bufio.Reader
}

func newConsole(t *testing.T) *console {
	t.Helper()
	ir, iw := io.Pipe()
	or, ow := io.Pipe()
	t.Cleanup(func() { _ = errors.Join(iw.Close(), ow.Close()) })
	return &console{Terminal: smp.NewTerminal(ir, ow), t: t, in: iw, out: bufio.NewReader(or)}
}

// want reads len(s) octets, which must be s.
func (c *console) want(s string) {
	c.t.Helper()
	b := make([]byte, len(s))
	if _, err := io.ReadFull(c.out, b); err != nil || string(b) != s {
		c.t.Fatalf("the terminal shows %q, %v, want %q", b, err, s)
	}
}

func (c *console) types(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, s); err != nil {
		c.t.Fatal(err)
	}
}

func TestTerminal(t *testing.T) {
	c := newConsole(t)
	if c.IO() != smp.KeyboardDisplay {
		t.Errorf("capability %v", c.IO())
	}
	errs := make(chan error, 1)
	go func() { errs <- c.Display(t.Context(), peerA, 7) }()
	c.want("Type 000007 at C0:00:00:00:00:0A/random.\n")
	if err := <-errs; err != nil {
		t.Error(err)
	}

	yes := make(chan bool, 1)
	confirm := func() { ok, err := c.Confirm(t.Context(), peerB, 123456); yes <- ok; errs <- err }
	for answer, want := range map[string]bool{"yes\n": true, "Y\n": true, "no\n": false, "N\n": false} {
		go confirm()
		c.want("Does 00:00:00:00:00:0B/public show 123456? [yes/no] ")
		c.types("what\n")
		c.want("Does 00:00:00:00:00:0B/public show 123456? [yes/no] ")
		c.types(answer)
		if got, err := <-yes, <-errs; got != want || err != nil {
			t.Errorf("%q: %v, %v", answer, got, err)
		}
	}

	got := make(chan smp.Passkey, 1)
	enter := func(ctx context.Context) { p, err := c.Enter(ctx, peerB); got <- p; errs <- err }
	go enter(t.Context())
	c.want("Type the six digits that 00:00:00:00:00:0B/public shows: ")
	c.types("12 34\n")
	c.want("a passkey has one to six digits and nothing else\nType the six digits that 00:00:00:00:00:0B/public shows: ")
	c.types(" 001234 \n")
	if p, err := <-got, <-errs; p != 1234 || err != nil {
		t.Errorf("entered %v, %v", p, err)
	}

	// The next question uses the read of a canceled one.
	ctx, cancel := context.WithCancelCause(t.Context())
	go enter(ctx)
	c.want("Type the six digits that 00:00:00:00:00:0B/public shows: ")
	gone := errors.New("gone")
	cancel(gone)
	if _, err := <-got, <-errs; !errors.Is(err, gone) {
		t.Errorf("given up: %v", err)
	}
	go enter(t.Context())
	c.want("Type the six digits that 00:00:00:00:00:0B/public shows: ")
	c.types("5\n")
	if p, err := <-got, <-errs; p != 5 || err != nil {
		t.Errorf("entered %v, %v", p, err)
	}

	go func() { c.Ended(peerB, nil); c.Ended(peerB, io.EOF); errs <- nil }()
	c.want("Paired with 00:00:00:00:00:0B/public.\nNot paired with 00:00:00:00:00:0B/public: EOF\n")
	<-errs
}

// A question whose context has ended is not asked.
func TestTerminalForADeadContext(t *testing.T) {
	var shown strings.Builder
	c := smp.NewTerminal(strings.NewReader("123456\n"), &shown)
	gone := errors.New("gone")
	dead, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	for range 50 {
		if _, err := c.Enter(dead, peerA); !errors.Is(err, gone) || shown.Len() > 0 {
			t.Fatalf("asked %q, error %v", shown.String(), err)
		}
	}
	if p, err := c.Enter(t.Context(), peerA); p != 123456 || err != nil {
		t.Errorf("got %v, %v", p, err)
	}
}

func TestTerminalWithoutInput(t *testing.T) {
	var out strings.Builder
	term := smp.NewTerminal(strings.NewReader(""), &out)
	if _, err := term.Confirm(t.Context(), peerA, 1); !errors.Is(err, io.EOF) {
		t.Errorf("confirm: %v", err)
	}
	if _, err := term.Enter(t.Context(), peerA); !errors.Is(err, io.EOF) {
		t.Errorf("enter: %v", err)
	}
}

func TestNoInput(t *testing.T) {
	var d smp.NoInput
	if d.IO() != smp.NoInputNoOutput {
		t.Errorf("capability %v", d.IO())
	}
	if ok, err := d.Confirm(t.Context(), peerA, 1); ok || err == nil {
		t.Error("confirmed by nobody")
	}
}
