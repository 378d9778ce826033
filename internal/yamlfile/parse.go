//go:build !minimal

package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a file. A file beyond them is no file that a person has written.
const (
	maxSize  = 1 << 20
	maxDepth = 64
	maxNodes = 100_000 // with those of aliases
)

// parseFile returns the one document of a file; nil if it is empty.
func parseFile(file string, data []byte) (body ast.Node, err error) {
	if len(data) > maxSize {
		return nil, &Error{File: file, Err: fmt.Errorf("%d octets: a file has at most %d", len(data), maxSize)}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if data, err = checkLines(file, data); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = &Error{File: file, Err: fmt.Errorf("this is not YAML: %v", p)}
		}
	}()
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, syntaxError(file, err)
	}
	var bodies []ast.Node
	for _, d := range f.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			bodies = append(bodies, d.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return nil, nil
	case 1:
		return bodies[0], nil
	}
	line, column := placeOf(bodies[1].GetToken())
	return nil, &Error{File: file, Line: line, Column: column, Err: errors.New("a second document begins here: a file has one, without a line ---")}
}

// checkLines refuses lines that a tab indents, and nesting that nobody writes. JSON may
// have tabs, which it turns into spaces.
func checkLines(file string, data []byte) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, &Error{File: file, Err: errors.New("the file is not UTF-8 text")}
	}
	isJSON := bytes.HasPrefix(bytes.TrimSpace(data), []byte("{"))
	if isJSON {
		data = bytes.ReplaceAll(data, []byte("\t"), []byte(" "))
	}
	depth, n := 0, 0
	for line := range strings.Lines(string(data)) {
		n++
		rest := strings.TrimLeft(line, " ")
		if strings.HasPrefix(rest, "\t") && strings.TrimSpace(rest) != "" && !isJSON && rest == line {
			return nil, &Error{File: file, Line: n, Column: 1, Err: errors.New("a tab indents this line: YAML wants spaces")}
		}
		marks := 0
		for strings.HasPrefix(rest, "- ") || strings.HasPrefix(rest, "? ") {
			rest = strings.TrimLeft(rest[1:], " ")
			marks++
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(0, depth-1)
			}
		}
		if depth > maxDepth || marks > maxDepth {
			return nil, &Error{File: file, Line: n, Column: 1, Err: fmt.Errorf("more than %d levels of nesting", maxDepth)}
		}
	}
	return data, nil
}

func syntaxError(file string, err error) error {
	e := &Error{File: file, Err: fmt.Errorf("this is not YAML: %w", err)}
	if y, ok := errors.AsType[yaml.Error](err); ok {
		e.Line, e.Column = placeOf(y.GetToken())
		text := y.GetMessage()
		switch {
		case strings.Contains(text, "already defined"):
			text += ": leave one of the two out"
		case strings.Contains(text, "mapping value is not allowed"), strings.Contains(text, "non-map value"), strings.Contains(text, "unexpected key name"):
			text += ": check the indentation, and quote text that contains \": \" or \" #\""
		}
		e.Err = errors.New(text)
	}
	return e
}

func placeOf(t *token.Token) (line, column int) {
	if t == nil || t.Position == nil {
		return 0, 0
	}
	return t.Position.Line, t.Position.Column
}
