package connmgr_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// garbled is a transport that loses its step during the start-up.
type garbled struct{ hci.Transport }

func (garbled) ReadPacket([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Open gives a controller that fails during its start-up a second try, at once, but no
// third.
func TestOpenTriesTheStartUpAgain(t *testing.T) { inBubble(t, testOpenTriesTheStartUpAgain) }

func testOpenTriesTheStartUpAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		failing int // tries that fail
		tries   int
		opens   bool
	}{
		{"good", 0, 1, true},
		{"fails once", 1, 2, true},
		{"fails twice", 2, 2, false},
	} {
		air := sim.New(nil)
		ctl, tries, begin := air.NewController(nil), 0, time.Now()
		m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{
			Open: func(context.Context, string) (hci.Transport, error) {
				tries++
				if tries > c.failing {
					return ctl.Plug(), nil
				}
				return garbled{ctl.Plug()}, nil
			},
		}}})
		if (err == nil) != c.opens || tries != c.tries || time.Since(begin) > second {
			t.Errorf("%s: %v after %d tries and %v, want %d tries at once", c.name, err, tries, time.Since(begin), c.tries)
		}
		if err == nil {
			m.Close()
		} else if !errors.Is(err, connmgr.ErrNoAdapter) {
			t.Errorf("%s: %v", c.name, err)
		}
		air.Close()
	}
}
