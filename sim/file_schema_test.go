//go:build !minimal

package sim

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestFileSchema compares the schema with the golden file, which docs/lab.md names.
func TestFileSchema(t *testing.T) {
	golden := filepath.Join("testdata", "scenario.schema.json")
	if *update {
		if err := os.WriteFile(golden, FileSchema(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(FileSchema(), want) {
		t.Errorf("the schema differs from %s: go test ./sim -run FileSchema -update writes it anew", golden)
	}
}

// TestShippedFiles parses every scenario file of the repository, and validates it by the
// schema.
func TestShippedFiles(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(FileSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Glob("../testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(append(files, root...), "example.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseFile(file, data); err != nil {
			t.Error(err)
		}
		var content any
		if err := yaml.Unmarshal(data, &content); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &content); err != nil {
			t.Fatal(err)
		}
		if err := conforms(schema, schema, content, file); err != nil {
			t.Error(err)
		}
	}
	for _, wrong := range []string{`{"sed": 1}`, `{"peripherals": [{"services": 3}]}`, `{"events": [{"do": "jump"}]}`} {
		var content any
		if err := json.Unmarshal([]byte(wrong), &content); err != nil {
			t.Fatal(err)
		}
		if conforms(schema, schema, content, "") == nil {
			t.Errorf("%s conforms to the schema", wrong)
		}
	}
}

// conforms validates a value by the keywords that the schema uses.
func conforms(root, s map[string]any, v any, at string) error {
	if ref, ok := s["$ref"].(string); ok {
		defs, _ := root["$defs"].(map[string]any)
		s, _ = defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if s == nil {
			return fmt.Errorf("%s: no definition %s", at, ref)
		}
	}
	if options, ok := s["anyOf"].([]any); ok {
		var last error
		for _, x := range options {
			if last = conforms(root, x.(map[string]any), v, at); last == nil {
				return nil
			}
		}
		return last
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Errorf("%s: %v is none of %v", at, v, enum)
	}
	if types, ok := s["type"]; ok && !strings.Contains(fmt.Sprint(types), typeOf(v)) {
		return fmt.Errorf("%s: %v is no %v", at, v, types)
	}
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			if err := conforms(root, s["items"].(map[string]any), x, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		for key, x := range v {
			p, ok := properties[key].(map[string]any)
			if !ok {
				return fmt.Errorf("%s: no key %s", at, key)
			}
			if err := conforms(root, p, x, at+"."+key); err != nil {
				return err
			}
		}
	}
	return nil
}

func typeOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "array"
	}
	return "object"
}
