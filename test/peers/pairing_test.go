//go:build peers

package peers

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// mate is the running pairing.py.
type mate struct {
	Port   int
	in     io.Writer
	events chan mateEvent
}

type mateEvent struct {
	Event, Value string
	SC           bool
}

const (
	mateAddress = "F0:0D:CA:FE:00:02/random"
	ourAddress  = "00:1B:DC:00:01:01"
)

// startMate starts pairing.py; args may put it on another air.
func startMate(t *testing.T, args ...string) *mate {
	t.Helper()
	b := &mate{events: make(chan mateEvent, 1024)} // more than a test causes
	b.in = startScript(t, "pairing.py", b, func(line []byte) {
		var e mateEvent
		if err := json.Unmarshal(line, &e); err == nil {
			b.events <- e
		}
	}, func() { close(b.events) }, args...)
	if b.Port == 0 {
		t.Fatal("pairing.py did not report its port")
	}
	return b
}

func (b *mate) order(t *testing.T, order map[string]any) {
	t.Helper()
	line, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
}

// any returns the next event.
func (b *mate) any(t *testing.T) mateEvent {
	t.Helper()
	select {
	case e := <-b.events:
		return e
	case <-time.After(conntest.Limit):
		t.Fatal("the peer says nothing")
	}
	return mateEvent{}
}

// next returns the next event, whose name has to be name.
func (b *mate) next(t *testing.T, name string) mateEvent {
	t.Helper()
	e := b.any(t)
	if e.Event != name {
		t.Fatalf("the peer says %+v, want %q", e, name)
	}
	return e
}

func (b *mate) be(t *testing.T, io string, sc bool) {
	t.Helper()
	b.order(t, map[string]any{"do": "be", "io": io, "sc": sc})
	b.next(t, "is")
}

func (b *mate) forget(t *testing.T) {
	t.Helper()
	b.order(t, map[string]any{"do": "forget"})
	b.next(t, "forgot")
}

func (b *mate) shown(t *testing.T) string {
	t.Helper()
	return b.next(t, "shown").Value
}

func (b *mate) enter(t *testing.T, key string) {
	t.Helper()
	n, err := strconv.Atoi(key)
	if err != nil {
		t.Fatal(err)
	}
	b.order(t, map[string]any{"do": "type", "key": n})
}

func (b *mate) agree(t *testing.T) {
	t.Helper()
	b.order(t, map[string]any{"do": "agree", "yes": true})
}

// TestPairBumble makes moor initiate the pairing.
func TestPairBumble(t *testing.T) {
	for name, legacy := range map[string]bool{"LE Secure Connections": false, "legacy": true} {
		t.Run(name, func(t *testing.T) {
			b := startMate(t)
			pairBumble(t, moortest.New(t, "--adapter", fmt.Sprintf("tcp:127.0.0.1:%d", b.Port)), b, legacy)
		})
	}
}

func pairBumble(t *testing.T, m *moortest.Moor, b *mate, legacy bool) {
	t.Helper()
	moortest.Pairing(t, m, &moortest.Partner{
		Address: mateAddress, Guarded: custom(2), Initial: "01 02 03 04", Legacy: legacy,
		Can:     func(t *testing.T, io string) { b.be(t, io, !legacy) },
		Accepts: func(*testing.T) {},
		Shows:   b.shown, Types: b.enter, Agrees: b.agree, Forgets: b.forget,
		Bonded: conntest.EncryptedFirst,
	})
}
