package lab

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPTY has two clients at a pseudo terminal, one after the other.
func TestPTY(t *testing.T) {
	p, err := Listen(t.Context(), Place{Kind: PlacePTY})
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no pseudo terminals here")
	}
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{}, 2)
	b := serve(t, p, func(cfg *Config) {
		show := cfg.Event
		cfg.Event = func(e Event) {
			show(e)
			if e.Kind == EventLeft {
				left <- struct{}{}
			}
		}
	})
	for range 2 {
		f, err := os.OpenFile(p.Address(), os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		ask(t, f, reset, resetDone)
		ask(t, f, scanOn, scanOnDone)
		f.Close()
		select {
		case <-left:
		case <-time.After(10 * time.Second):
			t.Fatal("the client does not leave")
		}
	}
	b.end("listening", "client", "left: "+ErrLeft.Error(), "client", "left: "+ErrLeft.Error())
}
