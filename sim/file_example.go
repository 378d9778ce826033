package sim

import (
	_ "embed" // the example
	"encoding/json"
	"reflect"

	"github.com/moor-ble/moor/internal/yamlfile"
)

//go:embed example.yaml
var exampleFile []byte

// ExampleFile returns a scenario file with comments that shows most of the keys.
func ExampleFile() []byte { return append([]byte(nil), exampleFile...) }

// FileSchema returns the JSON schema of scenario files (draft 2020-12), for editors.
func FileSchema() []byte {
	s := yamlfile.Schema(reflect.TypeFor[scenarioFile]())
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "moor scenario file"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil // is never the case: strings, lists and maps
	}
	return append(b, '\n')
}
