package yamlfile

import (
	"reflect"
	"strings"
	"unicode"
)

// field is a field of a struct with its key.
type field struct {
	key   string
	index []int
	typ   reflect.Type
}

// fieldsOf returns the fields of a struct that have a key. Fields of embedded structs
// are among them, behind those of the struct itself, which hide them.
func fieldsOf(t reflect.Type) []field {
	var own, inner []field
	taken := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("yaml")
		switch {
		case tag == "-", f.Type.Kind() == reflect.Func:
		case f.Anonymous && tag == "":
			for _, x := range fieldsOf(f.Type) {
				x.index = append([]int{i}, x.index...)
				inner = append(inner, x)
			}
		case f.IsExported():
			if tag == "" {
				tag = hyphenate(f.Name)
			}
			own = append(own, field{key: tag, index: []int{i}, typ: f.Type})
			taken[tag] = true
		default: // hidden
		}
		if tag == "-" && f.IsExported() {
			taken[hyphenate(f.Name)] = true
		}
	}
	for _, x := range inner {
		if !taken[x.key] {
			own = append(own, x)
		}
	}
	return own
}

// hyphenate turns the name of a Go field into a key: MaxLinks is max-links, ACLLen acl-len.
func hyphenate(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 {
			next := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if !unicode.IsUpper(runes[i-1]) || next && (i+2 != len(runes) || runes[i+1] != 's') {
				b.WriteByte('-')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// isSet reports whether a type is a set of bits with names: a list of words is one, too.
func isSet(t reflect.Type) bool {
	return t.Kind() == reflect.Uint64 && t != reflect.TypeFor[uint64]()
}
