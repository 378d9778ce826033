//go:build !minimal

package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/esphome"
)

// startSensors starts a proxy over simulated air in real time, and waits for its line.
func startSensors(t *testing.T, args ...string) (jsonListening, func()) {
	t.Helper()
	var out printed
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		args := append([]string{"-a", "sim:sensors", "--state", t.TempDir(), "--json", "proxy"}, args...)
		code <- Run(ctx, args, &Env{Stdout: &out.stdout, Stderr: &out.stderr})
	}()
	stop := func() {
		cancel()
		<-code
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if line := out.stdout.String(); strings.HasSuffix(line, "\n") {
			var l jsonListening
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			return l, stop
		}
		if time.Now().After(deadline) {
			t.Fatalf("no line; stderr %q", out.stderr.String())
		}
	}
}

// TestThroughProxy: the commands through a proxy at a Unix socket.
func TestThroughProxy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	_, stop := startSensors(t, "--listen", "unix:"+path)
	defer stop()
	state := t.TempDir()
	const thermometer, lamp = "C0:FF:EE:00:00:01/random", "C0:FF:EE:00:00:03/random"
	for _, tt := range []struct {
		args string
		code int
		want []string // in the output, and for a code other than 0 among the errors
	}{
		{"scan --duration 3s", 0, []string{thermometer, "Thermometer", "Lamp"}},
		{"services " + thermometer, 0, []string{"Battery Level  [read,notify]", "Database Hash"}},
		{"read " + thermometer + " 2a19", 0, []string{"%"}},
		{"--json read " + thermometer + " 2a6e", 0, []string{`"hex"`}},
		{"notify --count 2 " + thermometer + " 2a6e", 0, []string{"°C"}},
		{"params " + thermometer + " --interval 100ms --timeout 6s", 0, []string{"100ms"}},
		{"pair " + lamp, 0, []string{"paired by esphome:unix:", "which keeps the bond"}},
		{"pair --mitm " + lamp, 6, []string{"no connection after 1 attempt", "without a passkey", "local adapter"}},
		{"pair " + thermometer, exitPairing, []string{"not paired after 1 attempt", "the device does not pair (133)"}},
		{"unpair " + lamp, 0, []string{"bond with C0:FF:EE:00:00:03 removed by esphome:unix:"}},
		{"slots", 0, []string{"8 of 8 free"}},
		{"devices", 0, []string{"Lamp", "esphome:unix:"}},
		{"adapters", 0, []string{"esphome:unix:"}},
		{"doctor", 0, []string{"answers"}},
		{"scan --sync", 2, []string{"no periodic advertising", "local adapter"}},
		{"advertise --name x", 1, []string{"a Bluetooth proxy cannot do it", "use a local adapter"}},
		{"-a esphome:unix:/nowhere read " + thermometer + " 2a19", 0, []string{"%"}}, // beside one that is down
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		r := moor(ctx, append([]string{"-a", "esphome:unix:" + path, "--state", state}, strings.Fields(tt.args)...)...)
		cancel()
		text := r.stdout
		if tt.code != 0 {
			text = strings.Join(strings.Fields(r.stderr), " ")
		}
		for _, want := range tt.want {
			if r.code != tt.code || !strings.Contains(text, want) {
				t.Errorf("%s: %+v, want %d and %q", tt.args, r, tt.code, want)
			}
		}
	}
}

// TestProxyKeys: the key of a proxy is found in a file that the address names, in the state
// directory by the name of the host, and in the environment; errors say what is missing.
func TestProxyKeys(t *testing.T) {
	l, stop := startSensors(t, "--listen", "127.0.0.1:0")
	defer stop()
	key, err := os.ReadFile(l.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	state, other := t.TempDir(), t.TempDir()
	address := "esphome:" + l.Address
	run := func(state, address string) result {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		return moor(ctx, "-a", address, "--state", state, "slots")
	}
	want := func(r result, code int, text string) {
		t.Helper()
		if r.code != code || !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("%+v, want %d and %q", r, code, text)
		}
	}
	want(run(state, address), 1, "key-file=PATH")
	want(run(state, address+"?key-file="+l.KeyFile), 0, "free")
	wrong := filepath.Join(other, "wrong")
	if err := os.WriteFile(wrong, []byte(esphome.NewKey().String()), 0o600); err != nil {
		t.Fatal(err)
	}
	want(run(state, address+"?key-file="+wrong), 1, "--show-key")
	want(run(state, address+"?key-file="+filepath.Join(other, "absent")), 1, "absent")
	want(run(state, address+"?key="+string(key[:44])), 2, "key-file=PATH")
	if err := os.MkdirAll(filepath.Join(state, proxyKeysDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(state, proxyKeysDir, "127.0.0.1"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	want(run(state, address), 0, "free")
	t.Setenv("MOOR_ESPHOME_KEY", string(key))
	want(run(other, address), 0, "free")
	t.Setenv("MOOR_ESPHOME_KEY", "short")
	want(run(other, address), 1, "$MOOR_ESPHOME_KEY")
	want(run(state, "esphome:"), 2, "esphome:HOST")
}

// TestThreeProgramsAtOneSocket: three programs of one user use one controller at a time,
// each with a device of its own.
func TestThreeProgramsAtOneSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	_, stop := startSensors(t, "--listen", "unix:"+path)
	defer stop()
	state := t.TempDir()
	var all sync.WaitGroup
	for device, name := range map[string]string{"1": "Thermometer", "2": "Heart rate belt", "3": "Lamp"} {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			r := moor(ctx, "-a", "esphome:unix:"+path, "--state", state, "read", "C0:FF:EE:00:00:0"+device+"/random", "2a00")
			if r.code != 0 || !strings.Contains(r.stdout, name) {
				t.Errorf("%s: %+v", name, r)
			}
		})
	}
	all.Wait()
}
