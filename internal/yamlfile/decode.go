//go:build !minimal

package yamlfile

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Decode decodes a file into the struct that to points to, and returns the places of its
// fields. read may be nil. The error is an *Error.
func Decode(file string, data []byte, to any, read Text) (*Document, error) {
	body, err := parseFile(file, data)
	if err != nil {
		return nil, err
	}
	d := &decoder{doc: &Document{file: file, places: map[string][2]int{"": {1, 1}}}, read: read, anchors: map[string]ast.Node{}}
	if body == nil {
		return d.doc, nil
	}
	if err := d.decode("", body, reflect.ValueOf(to).Elem()); err != nil {
		return nil, err
	}
	return d.doc, nil
}

type decoder struct {
	doc     *Document
	read    Text
	anchors map[string]ast.Node
	nodes   int
}

func (d *decoder) fail(path string, n ast.Node, format string, args ...any) error {
	line, column := placeOf(n.GetToken())
	return &Error{File: d.doc.file, Line: line, Column: column, Path: path, Err: fmt.Errorf(format, args...)}
}

// resolve follows anchors, aliases and tags.
func (d *decoder) resolve(path string, n ast.Node) (ast.Node, error) {
	for aliases := 0; ; {
		switch x := n.(type) {
		case *ast.AnchorNode:
			d.anchors[x.Name.GetToken().Value] = x.Value
			n = x.Value
		case *ast.AliasNode:
			name := x.Value.GetToken().Value
			v, ok := d.anchors[name]
			if !ok {
				return nil, d.fail(path, x, "no anchor &%s above: text that begins with * is quoted", name)
			}
			if aliases++; aliases > len(d.anchors) {
				return nil, d.fail(path, x, "the alias *%s is its own value: write a value behind the anchor", name)
			}
			n = v
		case *ast.TagNode:
			n = x.Value
		default:
			if d.nodes++; d.nodes > maxNodes {
				return nil, d.fail(path, n, "the aliases make more than %d values", maxNodes)
			}
			return n, nil
		}
		if n == nil {
			return nil, &Error{File: d.doc.file, Path: path, Err: fmt.Errorf("the value is missing")}
		}
	}
}

func (d *decoder) decode(path string, n ast.Node, v reflect.Value) error {
	n, err := d.resolve(path, n)
	if err != nil {
		return err
	}
	if strings.Count(path, ".")+strings.Count(path, "[") > maxDepth {
		return d.fail(path, n, "more than %d levels of nesting", maxDepth)
	}
	line, column := placeOf(n.GetToken())
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		line, column = placeOf(m.Values[0].Key.GetToken())
	}
	d.doc.places[path] = [2]int{line, column}
	if n.Type() == ast.NullType {
		return nil // as if the key was not there
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return d.decode(path, n, v.Elem())
	}
	text, scalar := textOf(n)
	_, list := n.(*ast.SequenceNode)
	if scalar || isText(v.Type()) && (!list || !isOctets(v.Type())) {
		if s, ok := n.(*ast.SequenceNode); ok && isSet(v.Type()) {
			if text, scalar = d.joinWords(path, s); !scalar {
				return d.fail(path, n, "a list of lists or of keys is here: write words")
			}
		}
		if done, err := d.decodeText(path, n, v, text, scalar); done {
			return err
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.decodeStruct(path, n, v)
	case reflect.Slice:
		return d.decodeSlice(path, n, v)
	default:
	}
	return d.fail(path, n, "%s is here, where %s belongs", kindOf(n), describe(v.Type()))
}

// joinWords returns the words of a list, separated by commas.
func (d *decoder) joinWords(path string, s *ast.SequenceNode) (string, bool) {
	var words []string
	for _, x := range s.Values {
		n, err := d.resolve(path, x)
		if err != nil {
			return "", false
		}
		w, ok := textOf(n)
		if !ok {
			return "", false
		}
		words = append(words, w)
	}
	return strings.Join(words, ","), true
}

// decodeText decodes a scalar; done is false if v is no value of one scalar.
func (d *decoder) decodeText(path string, n ast.Node, v reflect.Value, text string, scalar bool) (done bool, err error) {
	if !scalar {
		return true, d.fail(path, n, "%s is here, where %s belongs", kindOf(n), describe(v.Type()))
	}
	if d.read != nil {
		x, ok, err := d.read(v.Type(), text)
		if err != nil {
			return true, d.fail(path, n, "%w", err)
		}
		if ok {
			v.Set(reflect.ValueOf(x).Convert(v.Type()))
			return true, nil
		}
	}
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return true, d.fail(path, n, "%w", err)
		}
		return true, nil
	}
	if v.Kind() == reflect.Slice && !isOctets(v.Type()) || v.Kind() == reflect.Struct {
		return false, nil
	}
	if err := setScalar(v, text); err != nil {
		return true, d.fail(path, n, "%w", err)
	}
	return true, nil
}

func (d *decoder) decodeSlice(path string, n ast.Node, v reflect.Value) error {
	items := []ast.Node{n} // one value stands for a list of one
	if s, ok := n.(*ast.SequenceNode); ok {
		items = s.Values
	} else if _, ok := textOf(n); ok && !isText(v.Type().Elem()) && v.Type().Elem().Kind() == reflect.Struct {
		return d.fail(path, n, "%s is here, where a list belongs: begin each entry with a hyphen", kindOf(n))
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, x := range items {
		if x == nil {
			return d.fail(path, n, "entry %d is empty", i+1)
		}
		if err := d.decode(fmt.Sprintf("%s[%d]", path, i), x, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) decodeStruct(path string, n ast.Node, v reflect.Value) error {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return d.fail(path, n, "%s is here, where keys belong: write key: value", kindOf(n))
	}
	fields := fieldsOf(v.Type())
	seen := map[string]int{}
	for _, kv := range m.Values {
		if err := d.decodePair(path, kv, v, fields, seen, 0); err != nil {
			return err
		}
	}
	return nil
}

// decodePair decodes a key and its value. merged is above 0 for the keys of a merge (<<),
// which the keys of the mapping itself replace.
func (d *decoder) decodePair(path string, kv *ast.MappingValueNode, v reflect.Value, fields []field, seen map[string]int, merged int) error {
	if kv.Key.Type() == ast.MergeKeyType {
		return d.decodeMerge(path, kv, v, fields, seen, merged)
	}
	key := kv.Key.GetToken().Value
	i := slices.IndexFunc(fields, func(f field) bool { return f.key == key })
	if i < 0 {
		return d.unknownKey(path, kv.Key, key, fields)
	}
	at := key
	if path != "" {
		at = path + "." + key
	}
	line, _ := placeOf(kv.Key.GetToken())
	if first, ok := seen[key]; ok {
		if merged > 0 || first < 0 {
			if merged > 0 {
				return nil // the mapping itself, or an earlier merge, has it
			}
		} else {
			return d.fail(at, kv.Key, "the key is on line %d already: leave one of the two out", first)
		}
	}
	if seen[key] = line; merged > 0 {
		seen[key] = -1
	}
	if kv.Value == nil {
		return nil
	}
	return d.decode(at, kv.Value, v.FieldByIndex(fields[i].index))
}

func (d *decoder) decodeMerge(path string, kv *ast.MappingValueNode, v reflect.Value, fields []field, seen map[string]int, merged int) error {
	if merged > maxDepth {
		return d.fail(path, kv.Key, "merges within merges")
	}
	n, err := d.resolve(path, kv.Value)
	if err != nil {
		return err
	}
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return d.fail(path, kv.Key, "<< merges the keys of a mapping, as in <<: *name")
	}
	for _, x := range m.Values {
		if err := d.decodePair(path, x, v, fields, seen, merged+1); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) unknownKey(path string, n ast.Node, key string, fields []field) error {
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.key)
	}
	if best := closest(key, keys); best != "" {
		return d.fail(path, n, "no key %q: do you mean %s?", key, best)
	}
	slices.Sort(keys)
	return d.fail(path, n, "no key %q: there are %s", key, strings.Join(keys, ", "))
}
