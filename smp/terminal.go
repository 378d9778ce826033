package smp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/moor-ble/moor/hci"
)

// Terminal is a Delegate that asks in lines of text. A read that nobody waits
// for any more cannot be taken back from a reader: its goroutine stays until the
// reader gives a line or ends, and serves the next question.
type Terminal struct {
	w io.Writer
	r *bufio.Reader

	mu      sync.Mutex    // guards writes to w alone
	reading chan line     // of a read under way; nil if none. Belongs to who has the turn
	turn    chan struct{} // one slot: one question at a time, since there is one user
}

type line struct {
	text string
	err  error
}

var (
	errNoUser   = errors.New("there is no user to ask")
	errRejected = errors.New("the user says that the numbers differ")
)

// NewTerminal returns a Terminal. Between questions it leaves r alone.
func NewTerminal(r io.Reader, w io.Writer) *Terminal {
	return &Terminal{w: w, r: bufio.NewReader(r), turn: make(chan struct{}, 1)}
}

// IO returns KeyboardDisplay.
func (t *Terminal) IO() IOCapability { return KeyboardDisplay }

// Display writes the passkey.
func (t *Terminal) Display(_ context.Context, peer hci.Addr, p Passkey) error {
	return t.printLine("Type %v at %v.\n", p, peer)
}

// Confirm asks for yes or no, until it gets either.
func (t *Terminal) Confirm(ctx context.Context, peer hci.Addr, number Passkey) (bool, error) {
	for {
		s, err := t.askLine(ctx, "Does %v show %v? [yes/no] ", peer, number)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(s) {
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
	}
}

// Enter asks for a passkey, until it gets one.
func (t *Terminal) Enter(ctx context.Context, peer hci.Addr) (Passkey, error) {
	for {
		s, err := t.askLine(ctx, "Passkey that %v shows: ", peer)
		if err != nil {
			return 0, err
		}
		p, err := ParsePasskey(s)
		if err == nil {
			return p, nil
		}
		if err := t.printLine("%v\n", err); err != nil {
			return 0, err
		}
	}
}

// Ended writes how the pairing ended.
func (t *Terminal) Ended(peer hci.Addr, err error) {
	if err != nil {
		_ = t.printLine("Not paired with %v: %v\n", peer, err)
		return
	}
	_ = t.printLine("Paired with %v.\n", peer)
}

func (t *Terminal) printLine(format string, args ...any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := fmt.Fprintf(t.w, format, args...)
	return err
}

// askLine writes a question and waits for a line. Questions of several pairings
// wait for each other.
func (t *Terminal) askLine(ctx context.Context, format string, args ...any) (string, error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-t.turn }()
	if ctx.Err() != nil { // both were there
		return "", context.Cause(ctx)
	}
	if t.reading != nil {
		select {
		case <-t.reading: // typed before the question was there
			t.reading = nil
		default:
		}
	}
	if err := t.printLine(format, args...); err != nil {
		return "", err
	}
	if t.reading == nil {
		t.reading = make(chan line, 1)
		go func(ch chan<- line) {
			s, err := t.r.ReadString('\n')
			ch <- line{strings.TrimSpace(s), err}
		}(t.reading)
	}
	select {
	case l := <-t.reading:
		t.reading = nil
		if l.err != nil && l.text == "" {
			return "", l.err
		}
		return l.text, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
