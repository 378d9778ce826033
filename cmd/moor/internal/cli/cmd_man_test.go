package cli

import (
	"os/exec"
	"strings"
	"testing"
)

// TestManPages: each command has a page, and groff renders each without a warning.
func TestManPages(t *testing.T) {
	names := strings.Fields(moor(t.Context(), "__man").stdout)
	if want := len(commands()) - 2 + 1; len(names) != want { // two are hidden
		t.Fatalf("%d pages, want %d: %q", len(names), want, names)
	}
	_, missing := exec.LookPath("groff")
	for _, name := range names {
		r := moor(t.Context(), "__man", name, "2026-11-30")
		if r.code != 0 || r.stderr != "" {
			t.Fatalf("%s: exit code %d, stderr %q", name, r.code, r.stderr)
		}
		for _, want := range []string{".TH ", "\n.SH \"NAME\"\n", "\n.SH \"SYNOPSIS\"\n", "\n.SH \"OPTIONS\"\n", "\n.SH \"SEE ALSO\"\n", ` 1 "2026-11-30" "moor `} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%s: %q is missing", name, want)
			}
		}
		if missing != nil {
			continue
		}
		cmd := exec.Command("groff", "-man", "-ww", "-Tascii", "-P-cbou")
		cmd.Stdin = strings.NewReader(r.stdout)
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil || stderr.Len() > 0 {
			t.Errorf("%s: groff: %v: %s", name, err, &stderr)
		}
		if name == "moor-scan" && !strings.Contains(stdout.String(), "only devices whose name contains TEXT") {
			t.Errorf("moor-scan renders as:\n%s", &stdout)
		}
	}
	if missing != nil {
		t.Skip(missing)
	}
}

func TestManPageUnknown(t *testing.T) {
	moor(t.Context(), "__man", "moor-walk").want(t, 2, "", "moor: \"moor-walk\" is no page of the manual: moor __man lists them\n      see moor __man --help\n")
}
