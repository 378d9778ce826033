package lab

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// servePTY serves a controller at a pseudo terminal. awaitLeft waits for the end of a client.
func servePTY(t *testing.T) (p *Port, b *bench, awaitLeft func()) {
	t.Helper()
	p, err := Listen(t.Context(), Place{Kind: PlacePTY})
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no pseudo terminals here")
	}
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{}, 3)
	b = serve(t, p, func(cfg *Config) {
		show := cfg.Event
		cfg.Event = func(e Event) {
			show(e)
			if e.Kind == EventLeft {
				left <- struct{}{}
			}
		}
	})
	return p, b, func() {
		t.Helper()
		select {
		case <-left:
		case <-time.After(10 * time.Second):
			t.Fatal("the client does not leave")
		}
	}
}

// TestPTY has two clients at a pseudo terminal, one after the other.
func TestPTY(t *testing.T) {
	p, b, awaitLeft := servePTY(t)
	for range 2 {
		f, err := os.OpenFile(p.Address(), os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		ask(t, f, reset, resetDone)
		ask(t, f, scanOn, scanOnDone)
		f.Close()
		awaitLeft()
	}
	b.end("listening", "client", "left: "+ErrLeft.Error(), "client", "left: "+ErrLeft.Error())
}

// TestPTYDropsRemains has clients that leave with half a packet sent and answers unread. The
// next client gets nothing of that.
func TestPTYDropsRemains(t *testing.T) {
	p, b, awaitLeft := servePTY(t)
	half := "left: " + ErrHalfPacket.Error()
	for range 3 {
		f, err := os.OpenFile(p.Address(), os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		ask(t, f, scanOn, scanOnDone)
		if _, err := f.Write(append(bytes.Clone(reset), reset[:2]...)); err != nil {
			t.Fatal(err)
		}
		awaitInput(t, f, len(resetDone)) // the answer, which it does not read
		f.Close()
		awaitLeft()
	}
	b.end("listening", "client", half, "client", half, "client", half)
}

// awaitInput waits until a terminal has octets to read.
func awaitInput(t *testing.T, f *os.File, octets int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		if n >= octets {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d octets have come, want %d", n, octets)
		}
	}
}
