package moor_test

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSecurityPromises checks that every promise of SECURITY.md names a test, that these
// tests exist, and that README.md leads there.
func TestSecurityPromises(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, promises, _ := strings.Cut(string(page), "\n## What is promised")
	promises, _, found := strings.Cut(promises, "\n## What is not promised")
	if !found {
		t.Fatal("SECURITY.md has no promises, or does not say what is not promised")
	}
	named := regexp.MustCompile("`(\\.[a-z/]*) (Test[A-Za-z0-9]+)`")
	list := strings.Split(promises, "\n- ")[1:]
	for _, promise := range list {
		tests := named.FindAllStringSubmatch(promise, -1)
		if len(tests) == 0 {
			t.Errorf("a promise without a test: %s", promise)
		}
		for _, m := range tests {
			if !hasTest(t, m[1], m[2]) {
				t.Errorf("SECURITY.md names %s in %s, which does not exist", m[2], m[1])
			}
		}
	}
	if len(list) < 20 {
		t.Errorf("found %d promises: the form of the page has changed", len(list))
	}
	readme, err := os.ReadFile("README.md")
	if err != nil || !strings.Contains(string(readme), "](SECURITY.md)") {
		t.Errorf("README.md does not link SECURITY.md, %v", err)
	}
}

// hasTest reports whether a directory has a test function.
func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		b, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(b), "\nfunc "+name+"(t *testing.T)")
	})
}

// fileKeepers are the packages that keep files of the user: they reach files through
// internal/ownfile alone.
var fileKeepers = []string{"smp", "servicecache", "connmgr", "cmd/moor/internal/cli"}

// ownFileExempt are the calls of package os that these packages may make all the same.
var ownFileExempt = []struct{ dir, call, reason string }{
	{"cmd/moor/internal/cli", "Open", "an input that the user has named, and the start of a file that an output may replace"},
	{"cmd/moor/internal/cli", "Lstat", "looks at a file that an output may replace; ownfile checks it again"},
	{"cmd/moor/internal/cli", "CreateTemp", "a probe, in a directory that ownfile has opened"},
	{"cmd/moor/internal/cli", "Remove", "removes the probe"},
}

// TestFilesAreOwn fails on a function of package os with which a keeper of files could
// follow a link.
func TestFilesAreOwn(t *testing.T) {
	calls := []string{
		"Chmod", "Chown", "Chtimes", "Create", "CreateTemp", "Link", "Lstat", "Mkdir", "MkdirAll", "MkdirTemp", "Open", "OpenFile",
		"OpenRoot", "ReadDir", "ReadFile", "Remove", "RemoveAll", "Rename", "Stat", "Symlink", "Truncate", "WriteFile",
	}
	used := map[int]bool{} // rows of ownFileExempt
	walkSource(t, func(file string, parsed *ast.File, set *token.FileSet) {
		dir := filepath.ToSlash(filepath.Dir(file))
		if strings.HasSuffix(file, "_test.go") || !slices.Contains(fileKeepers, dir) {
			return
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(calls, sel.Sel.Name) {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); !ok || pkg.Name != "os" {
				return true
			}
			for i, x := range ownFileExempt {
				if x.dir == dir && x.call == sel.Sel.Name {
					used[i] = true
					return true
				}
			}
			t.Errorf("%v: os.%s may follow a link: use internal/ownfile", set.Position(n.Pos()), sel.Sel.Name)
			return true
		})
	})
	for i, x := range ownFileExempt {
		if !used[i] {
			t.Errorf("ownFileExempt has a row for os.%s in %s, which does not call it", x.call, x.dir)
		}
	}
}
