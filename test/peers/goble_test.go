//go:build peers

package peers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/test/moortest"
)

const goBLE = "github.com/go-ble/ble"

// changedLine is the line of go-ble's examples that opens their device, and the line in its
// place. The imports follow.
var changedLine = strings.NewReplacer(
	"	return linux.NewDevice(opts...)\n", "	return goble.Open(context.Background(), os.Getenv(\"MOOR_ADAPTER\"), opts...)\n",
	"import (\n", "import (\n	\"context\"\n	\"os\"\n",
	"	\""+goBLE+"/linux\"\n", "	\"github.com/moor-ble/moor/goble\"\n",
)

// runGo runs the go command in a folder, and returns its output.
func runGo(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out))
}

// buildExamples builds go-ble's examples from its own module, in which one line is changed,
// and returns the folder of the programs.
func buildExamples(t *testing.T) string {
	t.Helper()
	root := runGo(t, ".", "list", "-m", "-f", "{{.Dir}}")
	work := t.TempDir()
	changed := filepath.Join(work, "ble")
	if err := os.CopyFS(changed, os.DirFS(runGo(t, root, "list", "-m", "-f", "{{.Dir}}", goBLE))); err != nil {
		t.Fatal(err)
	}
	opener := filepath.Join(changed, "examples", "lib", "dev", "default_linux.go")
	b, err := os.ReadFile(opener)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(opener, []byte(changedLine.Replace(string(b))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mod := filepath.Join(work, "go.mod")
	runGo(t, root, "mod", "edit", "-replace", goBLE+"="+changed, mod)
	bin := filepath.Join(work, "bin") + string(filepath.Separator)
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	runGo(t, root, "build", "-mod=mod", "-modfile", mod, "-o", bin, goBLE+"/examples/...")
	return bin
}

// TestExamplesOfGoBLE runs go-ble's own examples, with one line changed, on simulated air.
func TestExamplesOfGoBLE(t *testing.T) {
	bin := buildExamples(t)
	lab := moortest.New(t, "--json").Start(t, "lab", "testdata/gopher.yaml")
	places := map[string]string{}
	for len(places) < 2 {
		var e struct{ Event, Controller, Place string }
		if err := json.Unmarshal([]byte(lab.Line(t)), &e); err != nil {
			t.Fatal(err)
		}
		if e.Event == "listening" {
			places[e.Controller] = e.Place
		}
	}
	example := func(t *testing.T, name string, args ...string) *exec.Cmd {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Env = append(os.Environ(), "MOOR_ADAPTER="+places["theirs"])
		return cmd
	}
	moor := moortest.New(t, "--adapter", places["ours"])

	t.Run("scanner", func(t *testing.T) {
		out, err := example(t, "scanner", "-du", "2s").CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("[c0:ff:ee:00:00:0c] C ")) || !bytes.Contains(out, []byte(" Name: Gopher")) || !bytes.HasSuffix(out, []byte("done\n")) {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("explorer", func(t *testing.T) {
		out, err := example(t, "explorer", "-sub", "1s").CombinedOutput()
		for _, want := range []string{
			`Service: 000100000001`, `Characteristic: 000100000002`, `Descriptor: 2902`, `Subscribe to notification`, `Notified: "`,
			`Unsubscribe to notification`, `\[ c0:ff:ee:00:00:0c \] is disconnected`,
		} {
			if !regexp.MustCompile(want).Match(out) {
				t.Errorf("%v: no %q in %s", err, want, out)
			}
		}
	})
	t.Run("rssi", func(t *testing.T) {
		cmd := example(t, "rssi", "-addr", "c0:ff:ee:00:00:0c")
		out, err := firstLines(cmd, 2)
		if err != nil || !regexp.MustCompile(`^(Client side RSSI: -\d+\n){2}$`).Match(out) {
			t.Errorf("%v: %q", err, out)
		}
	})
	t.Run("blesh", func(t *testing.T) {
		cmd := example(t, "blesh", "shell")
		cmd.Stdin = strings.NewReader("connect -n Gopher\nread -u 0001000000021000800000805f9b34fb\ndisconnect\nquit\n")
		out, err := cmd.CombinedOutput()
		if err != nil || !regexp.MustCompile(`Connected to c0:ff:ee:00:00:0c(?s:.*)Value         [0-9a-f]{2} \|`).Match(out) {
			t.Errorf("%v: %s", err, out)
		}
	})
	// serving runs a program until moor has used it. An interrupt then ends its advertising.
	serving := func(t *testing.T, name string, use func()) string {
		t.Helper()
		cmd := example(t, name, "-du", "5m")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Process.Kill()
		use()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil || !strings.HasSuffix(out.String(), "canceled\n") {
			t.Errorf("%s: %v: %s", name, err, out.String())
		}
		return out.String()
	}
	const server = "00:AA:01:00:00:0D"
	t.Run("advertiser", func(t *testing.T) {
		serving(t, "advertiser", func() {
			moor.Run(t, "scan", "--duration", "5s", "--name", "Gopher").OK(t).Says(t, server)
		})
	})
	t.Run("server", func(t *testing.T) {
		const count, echo = "00010000-0002-1000-8000-00805f9b34fb", "00020000-0002-1000-8000-00805f9b34fb"
		out := serving(t, "server", func() {
			moor.Run(t, "services", server).OK(t).Says(t, count, echo)
			moor.Run(t, "read", server, count).OK(t).Says(t, "count: Read 0")
			moor.Run(t, "write", server, count, "--text", "seven").OK(t)
			moor.Run(t, "notify", server, count, "--count", "2").OK(t).Says(t, "Count: 0", "Count: 1")
		})
		for _, want := range []string{"count: Wrote seven", "count: Notification subscribed", "count: Notify: 1"} {
			if !strings.Contains(out, want) {
				t.Errorf("the server did not say %q: %s", want, out)
			}
		}
	})
}

// firstLines starts a program that runs without end, and returns its first lines.
func firstLines(cmd *exec.Cmd, n int) ([]byte, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	var lines []byte
	in := bufio.NewReader(out)
	for range n {
		line, err := in.ReadBytes('\n')
		lines = append(lines, line...)
		if err != nil {
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	return lines, nil
}
