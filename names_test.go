package moor_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxOwners is the number of types that may share the name of an unexported method.
// For a function, its package counts as a type. A search for a name must find the
// function that the reader means.
const maxOwners = 4

// sharedNames lists the names that more types of one package may share: the methods
// of its interfaces.
var sharedNames = []struct{ name, dir, reason string }{
	{"readParams", "hci", "decodes the parameters of a command or event: a method of every codec type"},
	{"appendParams", "hci", "encodes the parameters of an event: a method of every event"},
	{"readReturn", "hci", "decodes the return parameters of a command: a method of every command"},
	{"echoReturn", "hci", "the handle that failed return parameters still begin with: an optional method of the same codec"},
	{"startsProcedure", "hci", "marks the commands that Command Status answers"},
	{"event", "hci", "marks the types of the sum type Event"},
	{"managerEvent", "connmgr", "marks the types of the sum type Event"},
	{"phaseName", "smp", "marks the types of the sum type phase, and names them"},
	{"response", "gatt/att", "names the response of a request: a method of every request"},
	{"readResponse", "gatt/att", "decodes the response of a request: a method of every request"},
	{"appendData", "l2cap", "encodes a signaling packet: a method of every signaling packet"},
	{"init", "controller", "sets up one part of the core, as its owner builds or resets it"},
	{"installFault", "sim", "adds a fault to a controller: the method of the interface Fault"},
}

// TestSharedNames fails on an unexported name that more than maxOwners types
// share, and on a row of sharedNames that is no longer needed.
func TestSharedNames(t *testing.T) {
	owners := unexportedOwners(t)
	for _, row := range sharedNames {
		kept := slices.DeleteFunc(slices.Clone(owners[row.name]), func(o owner) bool { return o.dir == row.dir })
		if n := len(owners[row.name]) - len(kept); n <= maxOwners {
			t.Errorf("sharedNames has a row for %s in %s, where %d types have it: remove the row", row.name, row.dir, n)
		}
		owners[row.name] = kept
	}
	for _, name := range slices.Sorted(maps.Keys(owners)) {
		if n := len(owners[name]); n > maxOwners {
			t.Errorf("%d types share the name %s: %s\n\tRename all but %d to a verb and its object (endLink, not end); "+
				"a method of an interface gets a row in sharedNames", n, name, join(owners[name]), maxOwners)
		}
	}
}

// owner is a receiver type, or a package for its functions.
type owner struct{ dir, typ string }

func join(owners []owner) string {
	var names []string
	for _, o := range owners {
		names = append(names, strings.TrimSuffix(o.dir+"."+o.typ, "."))
	}
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}

// unexportedOwners returns the owners of every unexported function and method
// outside tests, by its name.
func unexportedOwners(t *testing.T) map[string][]owner {
	t.Helper()
	found := map[string][]owner{}
	walkSource(t, func(file string, parsed *ast.File, _ *token.FileSet) {
		dir := filepath.ToSlash(filepath.Dir(file))
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(dir, "examples/") { // which are programs of their own
			return
		}
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Name.IsExported() || f.Name.Name == "main" {
				continue
			}
			o := owner{dir: dir}
			if f.Recv != nil {
				o.typ = receiver(f.Recv.List[0].Type)
			}
			if !slices.Contains(found[f.Name.Name], o) {
				found[f.Name.Name] = append(found[f.Name.Name], o)
			}
		}
	})
	return found
}

// receiver returns the name of a receiver's type, without pointer and type
// parameters.
func receiver(expr ast.Expr) string {
	switch x := expr.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.IndexListExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// walkSource calls f with every Go file of the module, parsed with comments.
func walkSource(t *testing.T, f func(file string, parsed *ast.File, set *token.FileSet)) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name := d.Name(); file != "." && (name[0] == '.' || name[0] == '_' || name == "testdata" || name == "bin") {
				return fs.SkipDir
			}
			return nil
		case filepath.Ext(file) != ".go":
			return nil
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f(file, parsed, set)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
