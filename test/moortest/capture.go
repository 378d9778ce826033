//go:build kernel || peers

package moortest

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The log of a test that fails has the end of the captures of its last commands, about
// twenty decoded packets each.
const (
	loggedCommands = 3
	loggedLines    = 80
)

// logCapture writes the end of p's capture to the test's log, decoded by the first
// program that is installed and succeeds: btmon 5.66 crashes on requests for
// characteristic declarations.
func (p *Process) logCapture(t *testing.T) {
	t.Helper()
	for _, argv := range [][]string{{"btmon", "-T", "-r"}, {"tshark", "-t", "ad", "-r"}} {
		out, err := exec.Command(argv[0], append(argv[1:], p.Capture)...).Output()
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Logf("%s\nbegan at %s; the end of its capture %s:\n%s", p.line, p.started.Format(time.StampMicro),
			p.Capture, strings.Join(lines[max(0, len(lines)-loggedLines):], "\n"))
		return
	}
	t.Logf("%s\nbegan at %s; its capture is %s", p.line, p.started.Format(time.StampMicro), p.Capture)
}
