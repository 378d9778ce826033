package smp

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// public lists comparisons of values that have the type of a secret and are public.
var public = map[string]string{
	"pub.X == c.own.X": "public keys, which both sides have sent",
	"c.own.X == x":     "the same",
	"c.peer.X == x":    "the same",
	"slices.ContainsFunc(m.pairs, a.wouldRepeat)":        "callers, by where their secrets are, not what",
	"slices.ContainsFunc(m.pairs, m.invitation().isFor)": "the same",
	"ev.Rand == [8]byte{}":                               "the name of a key, which the central has sent",
}

// TestSecretsAreComparedInConstantTime finds comparisons in the source whose duration
// depends on the number of equal octets: those of arrays of octets, such as Key and the
// results of the toolbox, also inside other types, and those of slices of octets. It
// ignores comparisons of addresses.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	unused := map[string]bool{}
	for text := range public {
		unused[text] = true
	}
	for _, dir := range []string{".", "../internal/aescmac"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) < 2 {
			t.Fatalf("%s: %v, %v", dir, files, err)
		}
		var src []string
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				src = append(src, f)
			}
		}
		for _, c := range comparisons(t, src, nil) {
			if public[c.text] == "" {
				t.Errorf("%v: %s is not in constant time: use equal, or crypto/subtle", c.at, c.text)
			}
			delete(unused, c.text)
		}
	}
	for text := range unused {
		t.Errorf("%s is gone: drop it from public", text)
	}
}

// TestComparisonsAreFound checks a package with one comparison of each kind.
func TestComparisonsAreFound(t *testing.T) {
	const head = `package p
		import ("bytes"; "crypto/hmac"; "crypto/subtle"; "reflect"; "slices")
		type Key [16]byte
		type named struct { id uint16; key Key }
		type wrapped struct { n *named; kept map[Key]int; some []byte }
		func f(a, b Key, x, y [12]byte, n, o named, w wrapped, v any) bool { return `
	for expr, want := range map[string]int{
		"a == b": 1, "a != b": 1, "a == Key{}": 1, "x == y": 1, "n == o": 1, "n.key == o.key": 1, "*w.n == n": 1, "v == a": 1,
		"[16]byte(a) != b": 1, "string(a[:]) == string(b[:])": 1, "string(w.some) < string(x[:])": 1, "w.kept[a] > 0": 1,
		"bytes.Equal(a[:], w.some)": 1, "bytes.Compare(x[:], y[:]) > 0": 1, "slices.Equal(a[:], b[:])": 1, "bytes.HasPrefix(w.some, a[:4])": 1,
		"slices.Contains([]Key{a}, b)": 1, "slices.Index([]Key{a}, b) > 0": 1, "reflect.DeepEqual(n, o)": 1,
		"func() bool { switch a { case b: return true }; return false }()": 1,
		"a[0] == b[0]": 1, "a[3] != 7": 1,
		"w.n == nil": 0, "n.id == o.id": 0, "len(w.some) == 3": 0, "subtle.ConstantTimeCompare(a[:], b[:]) == 1": 0,
		"hmac.Equal(a[:], b[:])": 0, "slices.Equal([]int{1}, nil)": 0,
	} {
		if got := comparisons(t, []string{"p.go"}, head+expr+" }"); len(got) != want {
			t.Errorf("%s: found %v, want %d", expr, got, want)
		}
	}
}

type comparison struct {
	at   token.Position
	text string
}

// comparisons returns the comparisons of secrets in files; src replaces the contents of
// a single file.
func comparisons(t *testing.T, names []string, src any) (found []comparison) {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		f, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	// Imports are not loaded, so that some types are unknown. The types of secrets are
	// declared in this package.
	conf := types.Config{Error: func(error) {}}
	_, _ = conf.Check("p", fset, files, info)
	secret := func(e ast.Expr) bool { return e != nil && holdsOctets(info.TypeOf(e)) }
	look := func(n ast.Node) bool {
		bad := false
		switch n := n.(type) {
		case *ast.BinaryExpr:
			compares := slices.Contains([]token.Token{token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ}, n.Op)
			bad = compares && slices.ContainsFunc([]ast.Expr{n.X, n.Y}, func(e ast.Expr) bool {
				return secret(e) || secret(octetOf(e)) || secret(textOf(e))
			})
		case *ast.SwitchStmt:
			bad = secret(n.Tag)
		case *ast.IndexExpr:
			_, isMap := info.TypeOf(n.X).(*types.Map)
			bad = isMap && secret(n.Index)
		case *ast.CallExpr:
			bad = comparing(n.Fun, info) && slices.ContainsFunc(n.Args, secret)
		}
		if bad {
			found = append(found, comparison{fset.Position(n.Pos()), types.ExprString(expression(n))})
		}
		return true
	}
	for _, f := range files {
		ast.Inspect(f, look)
	}
	return found
}

func expression(n ast.Node) ast.Expr {
	if s, ok := n.(*ast.SwitchStmt); ok {
		return s.Tag
	}
	return n.(ast.Expr)
}

// octetOf returns the array that e is an element of, and textOf the operand that e
// converts to a string.
func octetOf(e ast.Expr) ast.Expr {
	if x, ok := e.(*ast.IndexExpr); ok {
		return x.X
	}
	return nil
}

func textOf(e ast.Expr) ast.Expr {
	if c, ok := e.(*ast.CallExpr); ok && len(c.Args) == 1 {
		if f, ok := c.Fun.(*ast.Ident); ok && f.Name == "string" {
			return c.Args[0]
		}
	}
	return nil
}

// comparing reports whether f is a function of the standard library that compares, and
// not in constant time.
func comparing(f ast.Expr, info *types.Info) bool {
	sel, ok := f.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok {
		return false
	}
	of, ok := info.Uses[pkg].(*types.PkgName)
	if !ok || !slices.Contains([]string{"bytes", "slices", "reflect", "maps", "cmp"}, of.Imported().Path()) {
		return false
	}
	return slices.ContainsFunc([]string{"Equal", "Compare", "Contains", "Index", "Has", "Search"}, func(s string) bool {
		return strings.Contains(sel.Sel.Name, s)
	})
}

// holdsOctets reports whether a value of the type contains an array or slice of octets.
// It does not follow pointers: comparing them does not compare the values.
func holdsOctets(t types.Type) bool {
	if t == nil {
		return false
	}
	switch u := t.Underlying().(type) {
	case *types.Array:
		return isOctet(u.Elem()) || holdsOctets(u.Elem())
	case *types.Slice:
		return isOctet(u.Elem()) || holdsOctets(u.Elem())
	case *types.Struct:
		for f := range u.Fields() {
			if holdsOctets(f.Type()) {
				return true
			}
		}
	}
	return false
}

func isOctet(t types.Type) bool {
	return types.Identical(t, types.Typ[types.Byte]) // a named type has a meaning of its own
}
