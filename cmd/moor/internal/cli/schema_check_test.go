package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// schemaFile is the schema of the output of --json, for the users of the program.
const schemaFile = "../../../../docs/moor.schema.json"

// runChecked is Run for all tests: each line of --json has to match the schema. TestMain
// fails on the violations.
func runChecked(ctx context.Context, args []string, env *Env) int {
	a := &app{commands: commands()}
	a.global = a.flags()
	c, err := a.parse(args)
	if err != nil || !a.JSON || env.Stdout == nil {
		return Run(ctx, args, env)
	}
	shared := *env
	lines := &recorder{w: env.Stdout}
	shared.Stdout = lines
	code := Run(ctx, args, &shared)
	checkLines(c.name, lines.bytes())
	return code
}

// recorder keeps a copy of the octets that w takes.
type recorder struct {
	w  io.Writer
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	n, err := r.w.Write(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.b.Write(b[:n])
	return n, err
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.b.Bytes())
}

// checked has the results of the checks of all tests.
var checked struct {
	mu         sync.Mutex
	lines      int
	violations []string
}

// publishedSchema returns the schema in docs. TestMain calls it before a test changes the
// directory.
var publishedSchema = sync.OnceValue(func() map[string]any {
	s := map[string]any{}
	b, err := os.ReadFile(schemaFile)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v: run TestSchema with -update\n", err)
	}
	return s
})

// checkLines checks the whole lines of the output of a command.
func checkLines(command string, out []byte) {
	if command == "bonds" && bytes.HasPrefix(out, []byte("[")) {
		return // an export is a file, not a result
	}
	for line := range bytes.Lines(out) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			continue // the test has cut it off
		}
		err := checkLine(command, line)
		checked.mu.Lock()
		checked.lines++
		if err != nil {
			checked.violations = append(checked.violations, fmt.Sprintf("moor %s: %v in %s", command, err, line))
		}
		checked.mu.Unlock()
	}
}

func checkLine(command string, line []byte) error {
	var v any
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	return checkValue(map[string]any{"$ref": "#/$defs/command-" + command}, v)
}

// reportViolations ends the tests with an error if there were violations.
func reportViolations(code int) {
	for _, v := range checked.violations {
		fmt.Fprintln(os.Stderr, "the output does not match docs/moor.schema.json: "+v)
		code = 1
	}
	os.Exit(code)
}

// checkValue checks v against the keywords that TestSchema uses. Other than a validator
// for users, it takes no property that the schema does not describe.
func checkValue(s map[string]any, v any) error {
	if ref, ok := s["$ref"].(string); ok {
		defs, _ := publishedSchema()["$defs"].(map[string]any)
		def, ok := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if !ok {
			return fmt.Errorf("no definition %s", ref)
		}
		return checkValue(def, v)
	}
	if parts, ok := s["anyOf"].([]any); ok {
		var reasons []string
		for _, p := range parts {
			err := checkValue(p.(map[string]any), v)
			if err == nil {
				return nil
			}
			reasons = append(reasons, err.Error())
		}
		return fmt.Errorf("no alternative fits: %s", strings.Join(reasons, "; "))
	}
	if err := checkType(s, v); err != nil {
		return err
	}
	switch v := v.(type) {
	case []any:
		items, _ := s["items"].(map[string]any)
		for i, e := range v {
			if err := checkValue(items, e); err != nil {
				return fmt.Errorf("item %d: %w", i, err)
			}
		}
	case map[string]any:
		return checkObject(s, v)
	}
	return nil
}

func checkObject(s, v map[string]any) error {
	properties, _ := s["properties"].(map[string]any)
	others, open := s["additionalProperties"].(map[string]any)
	for name, value := range v {
		of, ok := properties[name].(map[string]any)
		switch {
		case !ok && open:
			of = others
		case !ok:
			return fmt.Errorf("property %q is not described", name)
		}
		if err := checkValue(of, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("property %q is missing", name)
		}
	}
	return nil
}

func checkType(s map[string]any, v any) error {
	if len(s) == 0 || s["type"] == nil {
		return nil
	}
	allowed, ok := s["type"].([]any)
	if !ok {
		allowed = []any{s["type"]}
	}
	kinds := []any{}
	switch v := v.(type) {
	case nil:
		kinds = []any{"null"}
	case bool:
		kinds = []any{"boolean"}
	case string:
		kinds = []any{"string"}
		if s["format"] == "date-time" {
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				return err
			}
		}
	case float64:
		kinds = []any{"number"}
		if v == math.Trunc(v) {
			kinds = append(kinds, "integer")
		}
		if least, ok := s["minimum"].(float64); ok && v < least {
			return fmt.Errorf("%v is below %v", v, least)
		}
	case []any:
		kinds = []any{"array"}
	case map[string]any:
		kinds = []any{"object"}
	}
	if !slices.ContainsFunc(kinds, func(k any) bool { return slices.Contains(allowed, k) }) {
		return fmt.Errorf("it is %v, want %v", kinds, allowed)
	}
	return nil
}

// TestCheckLine: the check finds what is wrong.
func TestCheckLine(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`{"check":"x","ok":true,"detail":"d"}`, ""},
		{`{"check":"x","ok":true,"detail":"d","remedy":"r"}`, ""},
		{`{"check":"x","ok":true}`, `no alternative fits: property "detail" is missing`},
		{`{"check":"x","ok":1,"detail":"d"}`, "no alternative fits: ok: it is [number integer], want [boolean]"},
		{`{"check":"x","ok":true,"detail":"d","more":1}`, `no alternative fits: property "more" is not described`},
		{`[]`, "no alternative fits: it is [array], want [object]"},
	} {
		got := ""
		if err := checkLine("doctor", []byte(c.line)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.line, got, c.want)
		}
	}
}
