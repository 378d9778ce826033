package hci

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPackageIsPure holds the source to the package documentation: a language
// imports no other layer, guards no state, starts no goroutine, reads no clock
// and has no input or output of its own.
func TestPackageIsPure(t *testing.T) {
	const module = "github.com/moor-ble/moor/"
	ours := []string{module + "internal/wire", module + "uuid"}
	notPure := []string{"context", "log", "log/slog", "net", "os", "runtime", "sync", "sync/atomic", "syscall"}
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}

	set := token.NewFileSet()
	for _, f := range parsePackage(t, set) {
		at := func(n ast.Node) token.Position { return set.Position(n.Pos()) }
		for _, imp := range f.Imports {
			path, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(path, "/")
			foreign := strings.Contains(first, ".") && !slices.Contains(ours, path)
			if foreign || slices.Contains(notPure, path) {
				t.Errorf("%v: imports %s", at(imp), path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%v: starts a goroutine", at(n))
			case *ast.ChanType:
				t.Errorf("%v: has a channel", at(n))
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					t.Errorf("%v: reads the clock with time.%s", at(n), n.Sel.Name)
				}
			}
			return true
		})
	}
}

// parsePackage parses the files of the package, except its tests.
func parsePackage(t *testing.T, set *token.FileSet) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		t.Fatal("found no source: the test must run in the folder of the package")
	}
	return files
}
