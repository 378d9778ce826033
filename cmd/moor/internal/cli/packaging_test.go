//go:build unix && !minimal

package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

const packaging = "../../../../packaging/"

// wantProxyCommand checks that a command line is one of moor proxy that it takes.
func wantProxyCommand(t *testing.T, words []string) {
	t.Helper()
	at := slices.Index(words, "--state")
	if at < 0 || !strings.HasSuffix(words[0], "/moor") || !slices.Contains(words, "proxy") {
		t.Fatalf("%q is no command line of moor proxy with a state directory", words)
	}
	words = slices.Clone(words)
	words[at+1] = t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the test ends"))
	r := moor(ctx, append([]string{"-a", "sim:empty"}, words[1:]...)...)
	if r.code != 0 || r.stderr != "" {
		t.Errorf("%q: exit code %d, stderr %q", words, r.code, r.stderr)
	}
}

// TestComposeFile: the file is one of Compose, and its command is understood.
func TestComposeFile(t *testing.T) {
	b, err := os.ReadFile(packaging + "compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type service struct {
		Image       string
		Command     []string
		Volumes     []string
		Restart     string
		NetworkMode string   `yaml:"network_mode"`
		CapAdd      []string `yaml:"cap_add"`
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
		ReadOnly    bool     `yaml:"read_only"`
		Grace       string   `yaml:"stop_grace_period"`
		Memory      string   `yaml:"mem_limit"`
	}
	var file struct {
		Services map[string]service
		Volumes  map[string]any
	}
	if err := yaml.UnmarshalWithOptions(b, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	s := file.Services["moor-proxy"]
	wantProxyCommand(t, s.Command)
	if s.NetworkMode != "host" || !reflect.DeepEqual(s.CapAdd, []string{"NET_ADMIN"}) || !reflect.DeepEqual(s.CapDrop, []string{"ALL"}) {
		t.Errorf("%+v", s)
	}
	if _, ok := file.Volumes["state"]; !ok || !slices.Contains(s.Volumes, "state:/state") {
		t.Errorf("volumes %v, %v", s.Volumes, file.Volumes)
	}
}

// unitFile returns the values of a unit file by their keys.
func unitFile(t *testing.T, text string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' || line[0] == '[' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if _, twice := values[key]; !ok || twice && key != "After" {
			t.Errorf("line %d: %q", i+1, line)
		}
		values[key] = value
	}
	return values
}

// TestUnitFile: the unit's command is understood, and systemd finds no fault in the unit.
func TestUnitFile(t *testing.T) {
	b, err := os.ReadFile(packaging + "systemd/moor-proxy.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := unitFile(t, string(b))
	command, variable := strings.CutSuffix(unit["ExecStart"], " $MOOR_PROXY_FLAGS")
	if !variable {
		t.Errorf("ExecStart is %q", unit["ExecStart"])
	}
	wantProxyCommand(t, strings.Fields(command))
	if unit["Type"] != "notify" || unit["AmbientCapabilities"] != "CAP_NET_ADMIN" || "/var/lib/"+unit["StateDirectory"] != "/var/lib/moor" {
		t.Errorf("%v", unit)
	}
	if seconds, err := strconv.Atoi(unit["WatchdogSec"]); err != nil || seconds < 30 {
		t.Errorf("WatchdogSec is %q", unit["WatchdogSec"])
	}
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("the rest needs systemd-analyze")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "moor-proxy.service")
	text := strings.Replace(string(b), "/usr/bin/moor", self, 1)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, tool, "verify", "--man=no", file).CombinedOutput()
	for line := range strings.SplitSeq(string(out), "\n") {
		if strings.Contains(line, "moor-proxy") {
			t.Error(line)
		}
	}
	if err != nil {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}

// TestSystemd: the proxy tells systemd when it listens, that it lives, and that it stops.
func TestSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	next := func() string {
		t.Helper()
		if err := l.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := l.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	p := startProxy(t, t.TempDir(), "--listen", "127.0.0.1:0")
	got := []string{next(), next(), next()}
	if want := []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if code := p.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	last := next()
	for last == "WATCHDOG=1" {
		last = next()
	}
	if last != "STOPPING=1" {
		t.Errorf("got %q", last)
	}
}

// TestWatchdogTime: half of the time that is allowed, and none for other processes.
func TestWatchdogTime(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"", "", 0}, {"60000000", "", 30 * time.Second}, {"60000000", strconv.Itoa(os.Getpid()), 30 * time.Second}, {"60000000", "1", 0},
		{"-1", "", 0}, {"x", "", 0}, {"9223372036854775807", "", 0},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got := watchdogTime(); got != c.want {
			t.Errorf("%q, %q: got %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}
