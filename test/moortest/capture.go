package moortest

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// What is told of a test that has failed: the end of the captures of its last
// commands, decoded, in lines. It is about the last twenty packets of each.
const (
	told  = 3
	shown = 80
)

// logCapture writes the end of p's capture to the test's log, as the first of the
// decoders shows it that is installed and can: btmon 5.66 crashes on requests
// for characteristic declarations.
func (p *Process) logCapture(t *testing.T) {
	t.Helper()
	for _, argv := range [][]string{{"btmon", "-T", "-r"}, {"tshark", "-t", "ad", "-r"}} {
		out, err := exec.Command(argv[0], append(argv[1:], p.Capture)...).Output()
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Logf("%s\nbegan at %s; the end of its capture %s:\n%s", p.line, p.started.Format(time.StampMicro),
			p.Capture, strings.Join(lines[max(0, len(lines)-shown):], "\n"))
		return
	}
	t.Logf("%s\nbegan at %s; its capture is %s", p.line, p.started.Format(time.StampMicro), p.Capture)
}
