package cli

import (
	"strings"
	"testing"
	"time"
)

func TestDevices(t *testing.T) {
	dir := t.TempDir()
	moor(t.Context(), "devices", "--duration", "0").want(t, 1, "", "moor: there is no state directory: name one with --state\n")
	inAir(t, "heard", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "--state", dir, "devices")
		if r.took < 3*time.Second || r.took > 3500*time.Millisecond || strings.Count(r.stdout, "\n") != 3 ||
			!strings.Contains(r.stdout, belt+"  -50 dBm  Heart rate belt  sim:  0s ago  ") {
			t.Errorf("after %v, exit code %d, stderr %q:\n%s", r.took, r.code, r.stderr, r.stdout)
		}
	})
	type device struct {
		Address, Name, Adapter string
		RSSI                   int
		Average                int `json:"rssi_average"`
	}
	// Without an adapter.
	all := objects[device](t, moor(t.Context(), "--json", "--state", dir, "devices", "--duration", "0"))
	if len(all) != 3 || all[1] != (device{belt, "Heart rate belt", "sim:", -50, -50}) {
		t.Errorf("%+v", all)
	}
	inAir(t, "kept", func(t *testing.T) {
		if r := moor(t.Context(), "-a", "sim:empty", "--state", dir, "devices", "--duration", "100ms"); strings.Count(r.stdout, "\n") != 3 {
			t.Errorf("exit code %d, stderr %q:\n%s", r.code, r.stderr, r.stdout)
		}
	})
	inAir(t, "long ago", func(t *testing.T) {
		for _, ago := range []struct {
			more time.Duration
			want string
		}{{90 * time.Second, "  1m ago  "}, {3 * time.Hour, "  3h ago  "}, {72 * time.Hour, "  3 days ago  "}} {
			other := t.TempDir()
			moor(t.Context(), "-a", "sim:", "--state", other, "devices", "--duration", "1s")
			time.Sleep(ago.more)
			if r := moor(t.Context(), "--state", other, "devices", "--duration", "0"); strings.Count(r.stdout, ago.want) != 3 {
				t.Errorf("after %v, exit code %d, stderr %q:\n%swant %q thrice", ago.more, r.code, r.stderr, r.stdout, ago.want)
			}
		}
	})
	inAir(t, "scan keeps too", func(t *testing.T) {
		other := t.TempDir()
		moor(t.Context(), "-a", "sim:", "--state", other, "scan", "--duration", "2s", "--passive")
		if r := moor(t.Context(), "--state", other, "devices", "--duration", "0"); strings.Count(r.stdout, "\n") != 3 {
			t.Errorf("exit code %d, stderr %q:\n%s", r.code, r.stderr, r.stdout)
		}
	})
}
