package moor_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// unfinished are the words that mark work put off; the brackets keep this file
// from matching itself.
var unfinished = regexp.MustCompile(`\b(T[O]DO|F[I]XME|X[X]X)\b`)

// machinePath finds absolute paths that exist on somebody's machine only.
var machinePath = regexp.MustCompile(`(^|[\s"'=:(])/(home|Users|work|root)/[A-Za-z0-9._-]+`)

// TestTrackedFiles fails on unfinished work and on paths of one machine in
// what git tracks.
func TestTrackedFiles(t *testing.T) {
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skip("not a git checkout (a module download): nothing is tracked")
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		b, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // removed, not yet committed
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if bytes.IndexByte(b, 0) >= 0 || name == "go.sum" {
			continue // binary
		}
		n := 0
		for line := range bytes.Lines(b) {
			n++
			if m := unfinished.Find(line); m != nil {
				t.Errorf("%s:%d: %s marks unfinished work: finish it or say what holds", name, n, m)
			}
			if m := machinePath.Find(line); m != nil {
				t.Errorf("%s:%d: %q is a path of one machine", name, n, bytes.TrimSpace(m))
			}
		}
	}
}
