//go:build !minimal

package cli

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// schema is a JSON Schema or a part of one.
type schema map[string]any

// TestSchema generates the schema from the types of the outputs; -update writes it.
func TestSchema(t *testing.T) {
	for _, c := range commands() {
		if c.isHidden() || slices.Contains(noJSON, c.name) {
			continue
		}
		if outputs[c.name] == nil {
			t.Errorf("the outputs of %s are missing from outputs", c.name)
		}
	}
	got, err := json.MarshalIndent(outputSchema(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(schemaFile); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the types give (%v): run this test with -update, and look at the difference", schemaFile, err)
	}
}

// outputSchema returns the schema: a definition for each command and each type.
func outputSchema(t *testing.T) schema {
	g := &schemaMaker{t: t, defs: schema{}, comments: map[string]map[string]string{}}
	var any []schema
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		var parts []schema
		for _, v := range outputs[name] {
			parts = append(parts, g.ofType(reflect.TypeOf(v)))
		}
		def := schema{"description": "An object that moor " + name + " --json writes.", "anyOf": parts}
		g.defs["command-"+name] = def
		any = append(any, schema{"$ref": "#/$defs/command-" + name})
	}
	g.defs["errors"] = schema{
		"description": "An object that any command writes to standard error with --json.",
		"anyOf":       []schema{g.ofType(reflect.TypeFor[jsonFailure]()), g.ofType(reflect.TypeFor[jsonWarning]())},
	}
	return schema{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Output of moor --json",
		"description": "Each line of the output is one object. The definition command-NAME has those of moor NAME. " +
			"Later versions may add properties; times are in RFC 3339, and names that end in _ms are milliseconds.",
		"anyOf": any,
		"$defs": g.defs,
	}
}

// schemaMaker makes schemas from Go types. The comments of fields become descriptions.
type schemaMaker struct {
	t        *testing.T
	defs     schema
	comments map[string]map[string]string // by package path, by type and field
}

var (
	textType = reflect.TypeFor[encoding.TextMarshaler]()
	jsonType = reflect.TypeFor[json.Marshaler]()
)

func (g *schemaMaker) ofType(typ reflect.Type) schema {
	if typ.Kind() == reflect.Pointer {
		return g.ofType(typ.Elem())
	}
	form, own := ownForms[typ]
	if s, ok := form.(schema); ok {
		return maps.Clone(s)
	}
	switch {
	case own:
		return g.define(typ, reflect.TypeOf(form))
	case typ.Implements(jsonType):
		g.t.Errorf("%v has a MarshalJSON: ownForms needs its form", typ)
	case typ.Implements(textType):
		return schema{"type": "string"}
	}
	switch typ.Kind() {
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Float64:
		return schema{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return schema{"type": "integer", "minimum": 0}
	case reflect.Slice:
		return schema{"type": "array", "items": g.ofType(typ.Elem())}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": g.ofType(typ.Elem())}
	case reflect.Interface:
		return schema{}
	case reflect.Struct:
		return g.define(typ, typ)
	default:
		g.t.Errorf("%v has no form in JSON", typ)
		return nil
	}
}

// define defines the object named after a type, with the fields of form, once, and returns
// a reference to it.
func (g *schemaMaker) define(typ, form reflect.Type) schema {
	if typ.Name() == "" {
		return g.object(typ, form)
	}
	name := strings.TrimPrefix(typ.Name(), "json")
	if g.defs[name] == nil {
		g.defs[name] = schema{} // for a type that contains itself
		g.defs[name] = g.object(typ, form)
	}
	return schema{"$ref": "#/$defs/" + name}
}

func (g *schemaMaker) object(typ, form reflect.Type) schema {
	properties, required := schema{}, []string{}
	g.addFields(typ, form, properties, &required)
	s := schema{"type": "object", "properties": properties}
	if len(required) > 0 {
		slices.Sort(required)
		s["required"] = required
	}
	return s
}

func (g *schemaMaker) addFields(typ, form reflect.Type, properties schema, required *[]string) {
	for f := range form.Fields() {
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if f.Anonymous && !tagged {
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			of := inner
			if inner == reflect.TypeFor[explanation]() {
				of = typ
			}
			g.addFields(of, inner, properties, required)
			continue
		}
		if !tagged && !f.IsExported() || name == "-" {
			continue
		}
		if !tagged {
			name = f.Name
		}
		s := g.ofType(f.Type)
		if d := g.comment(typ, f.Name); d != "" {
			s["description"] = d
		}
		properties[name] = s
		if options == "" {
			*required = append(*required, name)
			continue
		}
		*required = slices.DeleteFunc(*required, func(n string) bool { return n == name })
	}
}

// comment returns the comment of a field, as it stands in the source.
func (g *schemaMaker) comment(typ reflect.Type, field string) string {
	dir, ours := strings.CutPrefix(typ.PkgPath(), "github.com/moor-ble/moor/")
	if !ours {
		return ""
	}
	if g.comments[dir] == nil {
		g.comments[dir] = readComments(g.t, filepath.Join("../../../..", dir))
	}
	return g.comments[dir][typ.Name()+"."+field]
}

// readComments returns the comments of all fields in a directory.
func readComments(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					text := strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
					for _, id := range f.Names {
						all[fmt.Sprintf("%s.%s", spec.Name.Name, id.Name)] = text
					}
				}
			}
			return true
		})
	}
	return all
}
