package moor_test

import (
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sourceIndex holds the declarations of every package, exported or not, and the files
// that git tracks.
type sourceIndex struct {
	packages map[string]map[string]*declared // by directory and name
	tracked  map[string]bool                 // files and directories
}

// declared is a declaration. Members holds the type of each field of a type, and nil for
// each of its methods; embedded lists its embedded types.
type declared struct {
	dir      string
	members  map[string]ast.Expr
	embedded []ast.Expr
}

// indexSource reads all declarations of the module.
func indexSource(t *testing.T) *sourceIndex {
	t.Helper()
	x := &sourceIndex{packages: map[string]map[string]*declared{}, tracked: map[string]bool{}}
	for _, name := range trackedFiles(t) {
		for ; name != "."; name = path.Dir(name) {
			x.tracked[name] = true
		}
	}
	walkSource(t, func(file string, parsed *ast.File, _ *token.FileSet) {
		dir := filepath.ToSlash(filepath.Dir(file))
		for _, decl := range parsed.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					x.declare(dir, d.Name.Name)
				} else {
					x.declare(dir, receiver(d.Recv.List[0].Type)).members[d.Name.Name] = nil
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					x.declareSpec(dir, spec)
				}
			}
		}
	})
	return x
}

func (x *sourceIndex) declare(dir, name string) *declared {
	if x.packages[dir] == nil {
		x.packages[dir] = map[string]*declared{}
	}
	if x.packages[dir][name] == nil {
		x.packages[dir][name] = &declared{dir: dir, members: map[string]ast.Expr{}}
	}
	return x.packages[dir][name]
}

func (x *sourceIndex) declareSpec(dir string, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			x.declare(dir, name.Name)
		}
	case *ast.TypeSpec:
		d := x.declare(dir, s.Name.Name)
		var fields *ast.FieldList
		switch typ := s.Type.(type) {
		case *ast.StructType:
			fields = typ.Fields
		case *ast.InterfaceType:
			fields = typ.Methods
		default:
			return
		}
		for _, field := range fields.List {
			for _, name := range field.Names {
				d.members[name.Name] = field.Type
			}
			if len(field.Names) == 0 {
				d.embedded = append(d.embedded, field.Type)
				d.members[baseName(field.Type)] = field.Type
			}
		}
	}
}

// resolves reports whether name exists for the reader of a comment in the package dir,
// or of a page if dir is "". A page may leave out the package.
func (x *sourceIndex) resolves(dir, name string) bool {
	parts := strings.Split(name, ".")
	if len(parts) > 1 {
		if slices.Contains(foreignPackages, parts[0]) {
			return true
		}
		if named := x.named(parts[0]); len(named) > 0 {
			return slices.ContainsFunc(named, func(pkg string) bool { return x.has(pkg, parts[1:]) })
		}
	}
	if x.has(dir, parts) || len(parts) > 1 && x.hasMember(dir, parts...) {
		return true
	}
	if dir != "" && (len(parts) == 1 || x.packages[dir][parts[0]] != nil) {
		return false
	}
	if dir != "" && !token.IsExported(parts[0]) {
		return true // a variable of an example
	}
	for pkg := range x.packages {
		if x.has(pkg, parts) || len(parts) == 1 && x.hasMember(pkg, name) {
			return true
		}
	}
	return false
}

// named returns the packages with a path or a last element of a path.
func (x *sourceIndex) named(name string) (dirs []string) {
	for dir := range x.packages {
		if dir == name || path.Base(dir) == name {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// has reports whether the package in dir has parts[0], which has parts[1], and so on.
func (x *sourceIndex) has(dir string, parts []string) bool {
	d := x.packages[dir][parts[0]]
	for _, name := range parts[1:] {
		if d == nil {
			return false
		}
		typ, ok := x.member(d, name)
		if !ok {
			return false
		}
		d = x.typeOf(d.dir, typ)
		if d == nil {
			d = &declared{members: map[string]ast.Expr{}}
		}
	}
	return d != nil
}

// member returns the type of a field, nil for a method.
func (x *sourceIndex) member(d *declared, name string) (typ ast.Expr, ok bool) {
	if typ, ok = d.members[name]; ok {
		return typ, true
	}
	for _, e := range d.embedded {
		if of := x.typeOf(d.dir, e); of != nil {
			if typ, ok = x.member(of, name); ok {
				return typ, true
			}
		}
	}
	return nil, false
}

// hasMember reports whether a type of the package in dir has the member path[0], which
// has path[1], and so on.
func (x *sourceIndex) hasMember(dir string, path ...string) bool {
	for typ, d := range x.packages[dir] {
		if _, ok := d.members[path[0]]; ok && x.has(dir, append([]string{typ}, path...)) {
			return true
		}
	}
	return false
}

// typeOf returns the declaration of a type that a file in dir names, nil if it is not
// the module's.
func (x *sourceIndex) typeOf(dir string, typ ast.Expr) *declared {
	switch e := typ.(type) {
	case *ast.StarExpr:
		return x.typeOf(dir, e.X)
	case *ast.IndexExpr:
		return x.typeOf(dir, e.X)
	case *ast.Ident:
		return x.packages[dir][e.Name]
	case *ast.SelectorExpr:
		for _, pkg := range x.named(baseName(e.X)) {
			if d := x.packages[pkg][e.Sel.Name]; d != nil {
				return d
			}
		}
	}
	return nil
}

// baseName returns the name of a type without its package, pointer and parameters.
func baseName(typ ast.Expr) string {
	if s, ok := typ.(*ast.SelectorExpr); ok {
		return s.Sel.Name
	}
	return receiver(typ)
}

// hasPath reports whether a path is in the tree. Beside a package's comments, and on a
// page, a file may be named without its directory.
func (x *sourceIndex) hasPath(dir, name string) bool {
	name = path.Clean(name)
	if x.tracked[name] || x.tracked[path.Join(dir, name)] {
		return true
	}
	if !strings.Contains(name, "/") {
		if dir != "" && strings.HasSuffix(name, ".go") {
			return false
		}
		return slices.ContainsFunc(slices.Collect(maps.Keys(x.tracked)), func(f string) bool { return path.Base(f) == name })
	}
	if fileExt.MatchString(name) {
		return false
	}
	top, _, _ := strings.Cut(name, "/")
	if top == ".cache" || top == "bin" {
		return true // made by make
	}
	_, err := os.Stat(top)
	return err != nil // not of this tree
}
