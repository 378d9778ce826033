//go:build peers

package peers

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// startProxy starts moor proxy with one slot on simulated air, and returns its address and
// its key; "" for plain text.
func startProxy(t *testing.T, adapter string, args ...string) (address, key string) {
	t.Helper()
	state := t.TempDir()
	cmd := exec.Command(os.Getenv("MOOR_BIN"), append([]string{"-a", adapter, "--state", state, "--json", "proxy",
		"--listen", "127.0.0.1:0", "--max-connections", "1", "--name", "moor-peers"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("moor proxy ended with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var listening struct {
		Address string `json:"address"`
		KeyFile string `json:"key_file"`
	}
	if err := json.Unmarshal(line, &listening); err != nil {
		t.Fatal(err)
	}
	if listening.KeyFile == "" {
		return listening.Address, ""
	}
	b, err := os.ReadFile(filepath.Clean(listening.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	return listening.Address, strings.TrimSpace(string(b))
}

// TestProxyOfHomeAssistant has the libraries of Home Assistant use moor proxy over Noise:
// a device is heard, connected to with and without their cache, read, written, subscribed
// to, paired and unpaired; slots are seen to go, to be missing and to come back.
func TestProxyOfHomeAssistant(t *testing.T) {
	address, key := startProxy(t, "sim:sensors")
	host, port, _ := strings.Cut(address, ":")
	want := []string{
		`{"step": "heard", "name": "Thermometer"}`,
		`{"step": "cold", "octets": 2, "notified": [2, 2], "gone": true}`,
		`{"step": "warm", "octets": 2, "notified": [2, 2], "gone": true}`,
		`{"step": "full", "outcome": [false, 256]}`,
		`{"step": "written", "value": "01"}`,
		`{"step": "paired"}`,
		`{"step": "unpaired"}`,
		`{"step": "cleared", "value": true}`,
		`{"step": "absent", "prompt": true}`,
		`{"step": "done"}`,
	}
	wantSteps(t, "proxy.py", want, host, port, key)
}
