//go:build figures

package figures

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	binarySize = 8_000_000
	resident   = 20_000_000
	// runTime is the time for which moor is measured.
	runTime = 8 * time.Second
)

// build builds the binary like make build and make cross.
func build(t *testing.T, env ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "moor")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/moor-ble/moor/cmd/moor")
	cmd.Env = append(os.Environ(), append(env, "CGO_ENABLED=0", "GOOS=linux")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", cmd, err, out)
	}
	return path
}

func TestBinarySize(t *testing.T) {
	for _, target := range []struct {
		name string
		env  []string
	}{
		{"amd64", []string{"GOARCH=amd64"}},
		{"arm", []string{"GOARCH=arm", "GOARM=6"}},
		{"arm64", []string{"GOARCH=arm64"}},
	} {
		info, err := os.Stat(build(t, target.env...))
		if err != nil {
			t.Fatal(err)
		}
		figure(t, "binary/"+target.name, float64(info.Size()), 1, binarySize, "B")
	}
}

// TestResidentMemory runs moor against a controller in another process.
func TestResidentMemory(t *testing.T) {
	moor := build(t)
	for _, test := range []struct {
		name string
		args []string
	}{
		{"scan", []string{"scan", "--duration", runTime.String(), "--duplicates"}},
		{"notify", []string{"notify", loudAddress.String(), drops.String(), "--duration", runTime.String()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := startController(t)
			cmd := exec.Command(moor, append([]string{"--adapter", "unix:" + path}, test.args...)...)
			home := t.TempDir()
			cmd.Env = append(os.Environ(), "HOME="+home, "XDG_STATE_HOME="+home, "XDG_CACHE_HOME="+home, "XDG_CONFIG_HOME="+home)
			lines := &lineCounter{}
			cmd.Stdout, cmd.Stderr = lines, os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			exited := make(chan error, 1)
			go func() { exited <- cmd.Wait() }()
			now, most := watchMemory(t, cmd.Process.Pid, exited)
			figure(t, "resident/"+test.name, now, 1, resident, "B")
			figure(t, "resident-at-most/"+test.name, most, 1, resident, "B")
			// 244 octets a line, or an advertisement: moor was working.
			figure(t, "lines/"+test.name, float64(lines.n)/runTime.Seconds(), 100, 1e6, "lines/s")
		})
	}
}

type lineCounter struct{ n int }

func (c *lineCounter) Write(b []byte) (int, error) {
	c.n += strings.Count(string(b), "\n")
	return len(b), nil
}

// startController starts the process with the controller and returns its socket.
func startController(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hci")
	startServer(t, serveEnv, path)
	return path
}

// startServer starts this binary as the controller that a variable of the environment
// selects, at a Unix socket.
func startServer(t *testing.T, variable, path string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != ready+"\n" {
		t.Fatalf("the controller said %q, %v", line, err)
	}
}

// watchMemory returns the last and the largest resident set of a process in octets.
func watchMemory(t *testing.T, pid int, exited <-chan error) (now, most float64) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(runTime + 5*time.Minute)
	for {
		select {
		case err := <-exited:
			if err != nil {
				t.Errorf("moor: %v", err)
			}
			return now, most
		case <-limit:
			t.Fatal("moor does not end")
		case <-tick.C:
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue // it has just ended
		}
		for line := range strings.Lines(string(b)) {
			var kb float64
			if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
				now = kb * 1024
			}
			if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
				most = max(most, kb*1024)
			}
		}
	}
}
