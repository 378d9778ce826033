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

// Terminal is a Delegate that asks its user line by line. A read from the reader cannot
// be canceled. If a pairing ends during one, the reading goroutine stays until the reader
// returns a line or an error; the next question uses that read.
type Terminal struct {
	w io.Writer
	r *bufio.Reader

	mu      sync.Mutex    // guards writes to w
	turn    chan struct{} // one slot: there is one user, so one question at a time
	reading chan line     // of the read under way, nil if none; belongs to the holder of turn
}

type line struct {
	text string
	err  error
}

var (
	errNoUser   = errors.New("there is no user to ask")
	errRejected = errors.New("the user says that the numbers differ")
)

// NewTerminal returns a Terminal that asks on w and reads answers from r. It reads only
// for a question.
func NewTerminal(r io.Reader, w io.Writer) *Terminal {
	return &Terminal{w: w, r: bufio.NewReader(r), turn: make(chan struct{}, 1)}
}

// IO returns KeyboardDisplay.
func (t *Terminal) IO() IOCapability { return KeyboardDisplay }

// Display shows the passkey.
func (t *Terminal) Display(_ context.Context, peer hci.Addr, p Passkey) error {
	return t.printLine("Type %v at %v.\n", p, peer)
}

// Confirm asks until the user types yes or no.
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

// Enter asks until the user types a passkey.
func (t *Terminal) Enter(ctx context.Context, peer hci.Addr) (Passkey, error) {
	for {
		s, err := t.askLine(ctx, "Type the six digits that %v shows: ", peer)
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

// Ended shows whether the pairing succeeded.
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

// askLine writes a question and waits for a line. The questions of several pairings take
// turns.
func (t *Terminal) askLine(ctx context.Context, format string, args ...any) (string, error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-t.turn }()
	if ctx.Err() != nil { // both were ready
		return "", context.Cause(ctx)
	}
	if t.reading != nil {
		select {
		case <-t.reading: // typed before this question was asked
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
