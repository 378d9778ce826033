//go:build peers

// Package peers runs the moor binary against Bumble's controller and GATT
// server over TCP; see run.
package peers

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// bumble is the running peer.py.
type bumble struct {
	Plain, Silent int // ports

	in     io.Writer
	mu     sync.Mutex
	events []event
}

type event struct {
	Event  string
	Value  string
	Reason int
}

// startBumble starts peer.py; args may put it on another air.
func startBumble(t *testing.T, args ...string) *bumble {
	t.Helper()
	b := &bumble{}
	b.in = startScript(t, "peer.py", b, func(line []byte) {
		var e event
		if err := json.Unmarshal(line, &e); err == nil {
			b.mu.Lock()
			b.events = append(b.events, e)
			b.mu.Unlock()
		}
	}, func() {}, args...)
	if b.Plain == 0 || b.Silent == 0 {
		t.Fatal("peer.py did not report its ports")
	}
	return b
}

// hangUp ends the connections to the controllers.
func (b *bumble) hangUp(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(b.in, "hang up\n"); err != nil {
		t.Fatal(err)
	}
}

// await waits until the newest event of a name meets good. Events arrive through a
// pipe, possibly later than their effect on the link.
func (b *bumble) await(t *testing.T, name string, good func(event) bool) {
	t.Helper()
	for end := time.Now().Add(conntest.Limit); ; time.Sleep(10 * time.Millisecond) {
		if e, ok := b.last(name); ok && good(e) {
			return
		}
		if time.Now().After(end) {
			b.mu.Lock()
			defer b.mu.Unlock()
			t.Fatalf("the peer had no such event %q but %+v", name, b.events)
		}
	}
}

// ended waits until the peer has no link, and checks that the last link ended with
// Remote User Terminated.
func (b *bumble) ended(t *testing.T) {
	t.Helper()
	b.await(t, "disconnected", func(event) bool { return b.count("disconnected") == b.count("connected") })
	const remoteUserTerminated = 0x13
	if e, _ := b.last("disconnected"); e.Reason != remoteUserTerminated {
		t.Errorf("disconnected with 0x%02x, want 0x13 by moor", e.Reason)
	}
}

// last returns the newest event of a name.
func (b *bumble) last(name string) (e event, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range slices.Backward(b.events) {
		if e.Event == name {
			return e, true
		}
	}
	return event{}, false
}

// count returns the number of events of a name.
func (b *bumble) count(name string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Event == name {
			n++
		}
	}
	return n
}

func custom(n int) string { return fmt.Sprintf("6d6f6f72-%04x-4000-8000-0123456789ab", n) }

const address, kind = "F0:0D:CA:FE:00:01", "random"

func TestBumble(t *testing.T) {
	b := startBumble(t)
	m := moortest.New(t, "--adapter", fmt.Sprintf("tcp:127.0.0.1:%d", b.Plain))
	moortest.Jobs(t, m, &moortest.Peer{
		Address: address, Kind: kind, Name: "moor-bumble",
		Service: "180f", Custom: custom(1), Scratch: custom(2), Initial: "01020304",
		Long: custom(2), Values: custom(3),
		Interval: 50 * time.Millisecond, // Bumble takes the longest
		Silent:   []string{"version"},
	})
	full := address + "/" + kind
	js := m.With(append(m.Args, "--json")...)

	t.Run("known services", func(t *testing.T) {
		m.Run(t, "read", full, "2a19").OK(t).Says(t, "57", "87 %")
		m.Run(t, "read", full, "2a29").OK(t).Says(t, "Bumble")
		m.Run(t, "services", full).OK(t).Says(t, "Battery Level", "Manufacturer Name String")
	})
	t.Run("read 400 octets", func(t *testing.T) {
		type value struct{ Hex string }
		if got := moortest.One[value](t, js.Run(t, "read", full, custom(5)).OK(t)).Hex; len(got) != 800 || got[:8] != "00010203" {
			t.Errorf("%d octets beginning with %.8s, want 400", len(got)/2, got)
		}
	})
	t.Run("indications", func(t *testing.T) {
		type value struct {
			Hex        string
			Indication bool
		}
		got := moortest.JSON[value](t, js.Run(t, "notify", full, custom(4), "--count", "3").OK(t))
		got = got[1:] // it is subscribed first
		for i, v := range got {
			// Each arrives once, after the confirmation of the one before.
			if !v.Indication || i > 0 && v.Hex == got[i-1].Hex {
				t.Errorf("values %+v, want three indications", got)
			}
		}
	})
	t.Run("refused by the application", func(t *testing.T) {
		m.Run(t, "read", full, custom(6)).Fails(t, custom(6), "0x80")
	})
	t.Run("the peer saw the writes and a clean end", func(t *testing.T) {
		for _, write := range [][]string{{"0102"}, {"0304", "--no-response"}} {
			m.Run(t, append([]string{"write", full, custom(2)}, write...)...).OK(t)
			b.await(t, "written", func(e event) bool { return e.Value == write[0] })
			b.ended(t)
		}
	})
	t.Run("doctor", func(t *testing.T) {
		m.Run(t, "doctor").OK(t)
		m.With("--adapter", "tcp:127.0.0.1:1").Run(t, "doctor").Says(t, "refused")
	})
	t.Run("a controller that answers no connection update", func(t *testing.T) {
		silent := m.With("--adapter", fmt.Sprintf("tcp:127.0.0.1:%d", b.Silent))
		r := silent.Run(t, "params", full, "--interval", "30ms-50ms", "--timeout", "4s").Fails(t, "connection update", "no answer")
		if r.Took > moortest.Soon {
			t.Errorf("it took %v", r.Took)
		}
		// The link stayed up until moor ended it.
		b.await(t, "unanswered", func(event) bool { return true })
		b.ended(t)
		silent.Run(t, "read", full, custom(2)).OK(t)
	})
	t.Run("a controller that goes away", func(t *testing.T) {
		run := js.Start(t, "notify", full, custom(3))
		run.Line(t)
		b.hangUp(t)
		run.Wait(t).Fails(t, "tcp:127.0.0.1")
	})
}
