package yamlfile

import (
	"encoding"
	"reflect"
	"time"
)

// chooser is a type that reads one of some words.
type chooser interface{ Choices() []string }

// Schema returns the JSON schema of a struct that Decode fills: the keys of its fields, and
// the kinds of their values. Types that Decode's Text reads, or that read themselves, are
// any scalar; those with a method Choices are one of its words.
func Schema(t reflect.Type) map[string]any {
	defs := map[string]any{}
	s := schemaOf(t, defs)
	s["$defs"] = defs
	return s
}

var anyScalar = []string{"string", "number", "boolean"}

func schemaOf(t reflect.Type, defs map[string]any) map[string]any {
	if t.Kind() == reflect.Pointer {
		return schemaOf(t.Elem(), defs)
	}
	if c, ok := reflect.TypeAssert[chooser](reflect.Zero(t)); ok {
		return map[string]any{"enum": c.Choices()}
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": []string{"string", "integer"}, "description": "a duration such as 250ms, 10s or 1h30m"}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return map[string]any{"type": anyScalar}
	}
	scalar := map[string]any{"type": anyScalar}
	if isSet(t) {
		return map[string]any{"anyOf": []any{map[string]any{"type": "array", "items": scalar}, scalar}}
	}
	switch t.Kind() {
	case reflect.Struct:
		name := t.String()
		if _, ok := defs[name]; !ok {
			defs[name] = nil // it may contain itself
			defs[name] = structSchema(t, defs)
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	case reflect.Slice:
		item := schemaOf(t.Elem(), defs)
		return map[string]any{"anyOf": []any{map[string]any{"type": "array", "items": item}, item}}
	case reflect.Bool:
		return map[string]any{"enum": []any{true, false, "on", "off", "yes", "no"}}
	case reflect.String:
		return scalar
	default:
	}
	return map[string]any{"type": []string{"number", "string"}}
}

func structSchema(t reflect.Type, defs map[string]any) map[string]any {
	properties := map[string]any{}
	for _, f := range fieldsOf(t) {
		properties[f.key] = schemaOf(f.typ, defs)
	}
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}
