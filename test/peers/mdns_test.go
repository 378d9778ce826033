//go:build peers

package peers

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// TestZeroconf: python-zeroconf, which Home Assistant uses, hears of a proxy that comes and
// goes, and moor finds a proxy that python-zeroconf announces.
func TestZeroconf(t *testing.T) {
	type step struct {
		Step      string
		Server    string
		Port      uint16
		Addresses []string
		Text      map[string]string
	}
	steps := make(chan step, 16)
	var first step
	startScript(t, "mdns.py", &first, func(line []byte) {
		var s step
		if err := json.Unmarshal(line, &s); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		steps <- s
	}, func() { close(steps) }, "moor-attic")
	next := func(want string) step {
		t.Helper()
		select {
		case s, ok := <-steps:
			if !ok || s.Step != want {
				t.Fatalf("%+v, want %s", s, want)
			}
			return s
		case <-conntest.Within(t).Done():
			t.Fatalf("python-zeroconf is stuck before %s", want)
		}
		return step{}
	}
	state := t.TempDir()
	proxy := moortest.New(t, "--json", "-a", "sim:", "--state", state).Start(t, "proxy", "--name", "moor-attic", "--listen", ":0")
	var at struct{ Address, Name, MAC string }
	if err := json.Unmarshal([]byte(proxy.Line(t)), &at); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	found := next("found")
	if took := time.Since(begin); took > moortest.Soon {
		t.Errorf("it is found after %v", took)
	}
	if found.Server != "moor-attic.local." || found.Port == 0 || len(found.Addresses) == 0 || found.Text["friendly_name"] != "moor-attic" ||
		found.Text["api_encryption"] != "Noise_NNpsk0_25519_ChaChaPoly_SHA256" || len(found.Text["mac"]) != 12 {
		t.Errorf("%+v", found)
	}

	type listed struct {
		Name, Address, MAC, Version string
		Port                        uint16
		Encrypted                   bool
	}
	all := moortest.JSON[listed](t, moortest.New(t, "--json").Run(t, "adapters", "--discover").OK(t))
	if want := (listed{"cellar", "192.0.2.99", "C0:FF:EE:00:00:FF", "2026.9.1", 6053, true}); !slices.Contains(all, want) {
		t.Errorf("%+v, want %+v among them", all, want)
	}
	if !slices.ContainsFunc(all, func(l listed) bool { return l.Name == "moor-attic" && l.MAC == at.MAC && l.Port == found.Port }) {
		t.Errorf("%+v, want the proxy %+v among them", all, at)
	}
	proxy.Interrupt(t)
	proxy.Wait(t).OK(t)
	next("gone")
}
