package moor_test

import (
	"bytes"
	"go/ast"
	"go/token"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// unfinished matches the words that mark unfinished work. The brackets keep this
// file from matching itself.
var unfinished = regexp.MustCompile(`\b(T[O]DO|F[I]XME|X[X]X)\b`)

// machinePath matches absolute paths of a single machine.
var machinePath = regexp.MustCompile(`(^|[\s"'=:(])/(home|Users|work|root)/[A-Za-z0-9._-]+`)

// TestTrackedFiles fails on marks of unfinished work, and on paths of a single
// machine, in the files that git tracks.
func TestTrackedFiles(t *testing.T) {
	for name, text := range trackedText(t) {
		n := 0
		for line := range bytes.Lines(text) {
			n++
			if m := unfinished.Find(line); m != nil {
				t.Errorf("%s:%d: %s marks unfinished work: finish it, or describe the limit", name, n, m)
			}
			if m := machinePath.Find(line); m != nil {
				t.Errorf("%s:%d: %q is a path of one machine", name, n, bytes.TrimSpace(m))
			}
		}
	}
}

// trackedText returns the text files that git tracks, by name.
func trackedText(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range trackedFiles(t) {
		b, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // removed, not yet committed
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if bytes.IndexByte(b, 0) < 0 && name != "go.sum" {
			files[name] = b
		}
	}
	return files
}

// trackedFiles returns the names of the files that git tracks.
func trackedFiles(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skip("not a git checkout (a module download): nothing is tracked")
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// maxComment is the number of columns that a line with a comment may have.
const maxComment = 120

// TestCommentWidth fails on comments beyond maxComment. gofmt does not wrap them, and
// the linter lll cannot tell comments from code, which may be longer.
func TestCommentWidth(t *testing.T) {
	walkSource(t, func(file string, parsed *ast.File, set *token.FileSet) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(b), "\n")
		for _, group := range parsed.Comments {
			for _, c := range group.List {
				if strings.HasPrefix(c.Text, "//go:") || strings.HasPrefix(c.Text, "//nolint:") {
					continue // must stay on one line
				}
				for n := set.Position(c.Pos()).Line; n <= set.Position(c.End()).Line; n++ {
					if width := utf8.RuneCountInString(lines[n-1]); width > maxComment {
						t.Errorf("%s:%d: a comment ends in column %d: wrap it at 80, %d at most", file, n, width, maxComment)
					}
				}
			}
		}
	})
}
