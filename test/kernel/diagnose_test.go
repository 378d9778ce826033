//go:build kernel

package kernel

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci/hcisock"
)

// witnesses are the programs whose state may explain why a test waits in vain.
var witnesses = []string{"bluetoothd", "btvirt", "dbus-daemon", "bluetoothctl", "python3", "moor"}

// diagnose logs the state of the machine: the kernel's links, the threads of the
// programs, the kernel's log with all tasks that are blocked in the kernel, and
// the end of the output of each program.
func diagnose(t *testing.T) {
	t.Helper()
	var b strings.Builder
	for _, path := range adapters() {
		var index int
		_, _ = fmt.Sscanf(filepath.Base(path), "hci%d", &index)
		links, err := hcisock.Links(index)
		fmt.Fprintf(&b, "hci%d has the links %+v, %v\n", index, links, err)
	}
	threads(&b)
	const blockedTasks = "w"
	if err := os.WriteFile("/proc/sysrq-trigger", []byte(blockedTasks), 0); err != nil {
		fmt.Fprintf(&b, "no list of blocked tasks: %v\n", err)
	}
	// Without the time stamps by which vm recognizes what the kernel says itself.
	out, err := exec.Command("dmesg", "--time-format", "iso").CombinedOutput()
	fmt.Fprintf(&b, "the kernel's log, %v:\n%s", err, lastLines(out, 40))
	logs, _ := filepath.Glob(filepath.Join(os.Getenv("MOOR_LOGS"), "*.log"))
	for _, path := range logs {
		out, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s, %v:\n%s\n", filepath.Base(path), err, bytes.TrimSpace(lastLines(out, 25)))
	}
	t.Logf("the state of the machine:\n%s", b.String())
}

// threads writes for each thread of the witnesses its state, and the functions of
// the kernel in which it waits.
func threads(b *strings.Builder) {
	running := make(map[string]int)
	tasks, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	for _, task := range tasks {
		read := func(file string) string {
			text, err := os.ReadFile(filepath.Join(task, file))
			if err != nil {
				return err.Error()
			}
			return strings.TrimSpace(string(text))
		}
		name := read("../../comm")
		if !slices.Contains(witnesses, name) {
			continue
		}
		running[name]++
		state := "?"
		for line := range strings.Lines(read("status")) {
			if s, ok := strings.CutPrefix(line, "State:"); ok {
				state = strings.TrimSpace(s)
			}
		}
		fmt.Fprintf(b, "%s %s (%s): %s\n%s\n", task, name, read("comm"), state, read("stack"))
	}
	for _, name := range witnesses {
		if running[name] == 0 {
			fmt.Fprintf(b, "%s does not run\n", name)
		}
	}
}

// lastLines returns the last n lines of a text.
func lastLines(text []byte, n int) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-n-1):], nil)
}
