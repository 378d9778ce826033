package yamlfile

import (
	"fmt"
	"reflect"
	"strings"
)

// Error is a mistake in a file.
type Error struct {
	File         string
	Line, Column int    // from 1; 0 if the whole file is meant
	Path         string // the field, such as devices[0].name; "" for the whole file
	Err          error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	if e.Path != "" {
		b.WriteString(": " + e.Path)
	}
	return b.String() + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Text reads a scalar for a type that has no UnmarshalText, or in place of that. ok
// is false if it does not know the type.
type Text func(t reflect.Type, text string) (v any, ok bool, err error)

// Document has the places of the fields of a decoded file.
type Document struct {
	file   string
	places map[string][2]int
}

// ErrorAt returns err with the place of the field path, or of the nearest field around it
// that the file has.
func (d *Document) ErrorAt(path string, err error) *Error {
	e := &Error{File: d.file, Path: path, Err: err}
	for at := path; ; {
		if p, ok := d.places[at]; ok {
			e.Line, e.Column = p[0], p[1]
			return e
		}
		i := strings.LastIndexAny(at, ".[")
		if i < 0 {
			return e
		}
		at = at[:i]
	}
}
