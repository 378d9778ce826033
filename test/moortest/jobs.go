//go:build kernel || peers

package moortest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Peer is a peripheral for the binary to use. UUIDs are written as moor writes them:
// lower case, four digits where there is a short form.
type Peer struct {
	Address string // AA:BB:CC:DD:EE:FF
	Kind    string // public or random
	Name    string // advertised
	Service string // advertised
	Custom  string // a service of 128 bits with the characteristics below
	Scratch string // may be read and written
	Initial string // value of Scratch, hexadecimal
	Long    string // may be read and written with 180 octets
	Values  string // notifies
	// Notify makes the peer send a notification of Values; nil if the peer sends
	// them by itself.
	Notify func(t *testing.T)
	// Interval is the interval after an LE Connection Update to 30 to 50 ms.
	Interval time.Duration
	// Silent lists the questions that the binary's controller does not answer about
	// this peer: version, features, rssi.
	Silent []string
}

type report struct {
	Address     string
	Name        string
	RSSI        *int
	Connectable bool
	Services    []struct{ UUID string }
}

type service struct {
	UUID            string
	Name            string
	Handle, End     int
	Characteristics []struct {
		UUID        string
		Handle      int
		Properties  []string
		Descriptors []struct{ UUID string }
	}
}

type value struct {
	Event           string // of notify
	Handle          int
	UUID            string
	Hex, Text, Name string
	Indication      bool
}

type params struct {
	Interval float64 `json:"interval_ms"`
	Timeout  float64 `json:"timeout_ms"`
	Latency  int
}

type info struct {
	params
	Address, Role, Version string
	Features               []string
	TX                     string `json:"tx_phy"`
	MTU                    int
	Unanswered             map[string]string
}

// Jobs runs the program's main jobs on a peer, each as a subtest.
func Jobs(t *testing.T, m *Moor, p *Peer) {
	js := m.With(append(slices.Clone(m.Args), "--json")...)
	full := p.Address + "/" + p.Kind

	t.Run("scan", func(t *testing.T) {
		run := js.Start(t, "scan", "--duration", "0")
		var r report
		for r.Address != full || r.Name != p.Name {
			r = report{}
			if err := json.Unmarshal([]byte(run.Line(t)), &r); err != nil {
				t.Fatal(err)
			}
		}
		if !r.Connectable || !slices.ContainsFunc(r.Services, func(s struct{ UUID string }) bool { return s.UUID == p.Service }) {
			t.Errorf("report %+v: want it connectable and with service %s", r, p.Service)
		}
		run.Interrupt(t)
		run.Wait(t).OK(t)
	})
	t.Run("scan for people", func(t *testing.T) {
		run := m.Start(t, "scan", "--duration", "0")
		for line := ""; !strings.Contains(line, full) || !strings.Contains(line, p.Name); {
			line = run.Line(t)
		}
		run.Interrupt(t)
		run.Wait(t).OK(t)
	})
	t.Run("scan with filters", func(t *testing.T) {
		run := js.Start(t, "scan", "--duration", "0", "--service", p.Service)
		run.Line(t)
		run.Interrupt(t)
		for _, r := range JSON[report](t, run.Wait(t).OK(t)) {
			if r.Address != full {
				t.Errorf("report of %s passed the filter", r.Address)
			}
		}
		if out := js.Run(t, "scan", "--duration", "2s", "--name", "nobody").OK(t).Stdout; out != "" {
			t.Errorf("reports passed a filter by a name that nobody has: %s", out)
		}
	})
	t.Run("services", func(t *testing.T) {
		got := JSON[service](t, js.Run(t, "services", full).OK(t))
		last := 0
		for _, s := range got {
			if s.Handle <= last || s.End < s.Handle {
				t.Errorf("service %s has handles %d to %d after %d", s.UUID, s.Handle, s.End, last)
			}
			last = s.End
		}
		i := slices.IndexFunc(got, func(s service) bool { return s.UUID == p.Custom })
		if i < 0 {
			t.Fatalf("no service %s: %+v", p.Custom, got)
		}
		want := map[string][]string{p.Scratch: {"read", "write"}, p.Values: {"notify"}}
		for _, c := range got[i].Characteristics {
			for _, property := range want[c.UUID] {
				if !slices.Contains(c.Properties, property) {
					t.Errorf("characteristic %s has %v, want %s among them", c.UUID, c.Properties, property)
				}
			}
			if c.UUID == p.Values && !slices.ContainsFunc(c.Descriptors, func(d struct{ UUID string }) bool { return d.UUID == "2902" }) {
				t.Errorf("characteristic %s has no descriptor 2902: %+v", c.UUID, c.Descriptors)
			}
			delete(want, c.UUID)
		}
		if len(want) > 0 {
			t.Errorf("characteristics missing: %v", want)
		}
	})
	t.Run("services for people", func(t *testing.T) {
		// The advertisements have the kind of the address.
		m.Run(t, "services", p.Address).OK(t).Says(t, p.Custom, p.Scratch, "Generic Access", "Device Name")
	})
	t.Run("read", func(t *testing.T) {
		got := One[value](t, js.Run(t, "read", full, p.Scratch).OK(t))
		if got.Hex != p.Initial || got.UUID != p.Scratch || got.Handle == 0 {
			t.Errorf("read %+v, want %s", got, p.Initial)
		}
		byHandle := One[value](t, js.Run(t, "read", full, fmt.Sprintf("0x%04x", got.Handle)).OK(t))
		if byHandle.Hex != p.Initial {
			t.Errorf("read %+v by handle, want %s", byHandle, p.Initial)
		}
	})
	t.Run("write", func(t *testing.T) {
		const want = "c0ffee00"
		m.Run(t, "write", full, p.Scratch, want).OK(t)
		if got := One[value](t, js.Run(t, "read", full, p.Scratch).OK(t)); got.Hex != want {
			t.Errorf("read %s after writing %s", got.Hex, want)
		}
		m.Run(t, "write", full, p.Scratch, "--text", "moor").OK(t)
		if got := One[value](t, js.Run(t, "read", full, p.Scratch).OK(t)); got.Text != "moor" {
			t.Errorf("read %+v after writing a text", got)
		}
	})
	t.Run("long value", func(t *testing.T) {
		long := make([]byte, 180)
		for i := range long {
			long[i] = byte(i)
		}
		want := hex.EncodeToString(long)
		m.Run(t, "write", full, p.Long, want).OK(t)
		if got := One[value](t, js.Run(t, "read", full, p.Long).OK(t)); got.Hex != want {
			t.Errorf("read %s, want the 180 octets written", got.Hex)
		}
	})
	t.Run("notify", func(t *testing.T) {
		run := js.Start(t, "notify", full, p.Values, "--count", "3", "--duration", "60s")
		for p.Notify != nil && run.Running() {
			p.Notify(t)
		}
		got := JSON[value](t, run.Wait(t).OK(t))
		if got[0].Event != "subscribed" {
			t.Errorf("the first line is %+v", got[0])
		}
		if got = got[1:]; len(got) != 3 {
			t.Fatalf("%d values, want 3: %+v", len(got), got)
		}
		for _, v := range got {
			if v.Event != "value" || v.UUID != p.Values || v.Hex == "" || v.Indication {
				t.Errorf("value %+v, want a notification of %s", v, p.Values)
			}
		}
	})
	t.Run("interrupt", func(t *testing.T) {
		run := js.Start(t, "notify", full, p.Values)
		run.Prompted(t, p.Notify)
		run.Interrupt(t)
		run.Wait(t).OK(t)
		// The link has ended, so that the peer accepts another at once.
		m.Run(t, "read", full, p.Scratch).OK(t)
	})
	t.Run("connect", func(t *testing.T) {
		run := js.Start(t, "connect", full, "--every", "1s")
		var got []string
		for !slices.Contains(got, "status") {
			var e struct{ Event string }
			if err := json.Unmarshal([]byte(run.Line(t)), &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Event)
		}
		run.Interrupt(t)
		run.Wait(t).OK(t)
		if !slices.Contains(got, "connected") {
			t.Errorf("events %v", got)
		}
		m.Run(t, "devices", "--duration", "0").OK(t).Says(t, p.Address, p.Name)
		m.Run(t, "cache", "show", full).OK(t).Says(t, p.Scratch)
		m.Run(t, "cache", "clear", full).OK(t)
	})
	t.Run("params", func(t *testing.T) {
		got := One[params](t, js.Run(t, "params", full, "--interval", "30ms-50ms", "--latency", "0", "--timeout", "4s").OK(t))
		if want := (params{Interval: float64(p.Interval) / float64(time.Millisecond), Timeout: 4000}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run("info", func(t *testing.T) {
		got := One[info](t, js.Run(t, "info", full).OK(t))
		if got.Address != full || got.Role != "central" || got.MTU < 185 || got.Interval == 0 || got.TX == "" {
			t.Errorf("got %+v", got)
		}
		for what, answered := range map[string]bool{"version": got.Version != "", "features": got.Features != nil} {
			if _, unanswered := got.Unanswered[what]; unanswered != slices.Contains(p.Silent, what) || unanswered == answered {
				t.Errorf("%s in %+v: answered %v", what, got, answered)
			}
		}
	})
	t.Run("no such attribute", func(t *testing.T) {
		m.Run(t, "read", full, "2a6e").Fails(t, "2a6e", "Temperature")
		m.Run(t, "read", full, "0xfffe").Fails(t, "0xfffe", "invalid handle")
	})
	t.Run("nobody at the address", func(t *testing.T) {
		absent := strings.Replace(full, p.Address, "C0:00:00:00:0B:AD", 1)
		m.Run(t, "services", strings.Split(absent, "/")[0]).FailsWith(t, 3, "C0:00:00:00:0B:AD", "not seen")
	})
	t.Run("wrong command lines", func(t *testing.T) {
		for _, args := range [][]string{{"read", full}, {"read", "C0:FF:EE", "2a00"}, {"params", full, "--interval", "1ms"}, {"frobnicate"}} {
			if r := m.Run(t, args...); r.Exit != 2 || r.Stderr == "" {
				t.Errorf("%s: exit %d, want 2 and what is wrong", r.Line, r.Exit)
			}
		}
	})
}
