package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// output writes the results of a command. The first error of the writer is kept and
// ends the command through cancel, so that a reader that goes away
// (moor scan | head) leaves no link behind.
type output struct {
	w      io.Writer
	cancel func(error)
	err    error
}

// Write writes b, unless an earlier write has failed.
func (o *output) Write(b []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(b)
	if err != nil {
		o.failWrite(err)
		return n, o.err
	}
	return n, nil
}

func (o *output) failWrite(err error) {
	o.err = &outputError{err}
	o.cancel(o.err)
}

func (o *output) writeBytes(b []byte) { _, _ = o.Write(b) }

func (o *output) printf(format string, args ...any) { o.writeBytes(fmt.Appendf(nil, format, args...)) }

// json writes v as one line.
func (o *output) json(v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		o.failWrite(err)
		return
	}
	o.writeBytes(b.Bytes())
}

// outputError says that the result could not be written.
type outputError struct{ err error }

func (e *outputError) Error() string { return "write the output: " + e.err.Error() }
func (e *outputError) Unwrap() error { return e.err }

// table lays out rows in columns, two spaces apart. The last column is not padded.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// lines returns the rows as text, cut to limit columns; 0 means no limit.
func (t *table) lines(limit int) []string {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if i < len(row)-1 { // nothing follows the last cell of a row
				widths[i] = max(widths[i], width(cell))
			}
		}
	}
	out := make([]string, len(t.rows))
	for i, row := range t.rows {
		var b strings.Builder
		for j, cell := range row {
			if j < len(row)-1 {
				cell = pad(cell, widths[j]) + "  "
			}
			b.WriteString(cell)
		}
		out[i] = strings.TrimRight(b.String(), " ")
		if limit > 0 {
			out[i] = fit(out[i], limit)
		}
	}
	return out
}

// wrapped returns rows of two cells, with the second broken into lines between the
// columns left and limit. It begins one line lower where the first cell reaches
// column left.
func (t *table) wrapped(left, limit int) (lines []string) {
	for _, row := range t.rows {
		if len(row) < 2 {
			lines = append(lines, strings.Join(row, ""))
			continue
		}
		first := row[0]
		if width(first) > left-2 {
			lines = append(lines, first)
			first = ""
		}
		for _, text := range wrapText(row[1], max(limit-left, 20)) {
			lines = append(lines, pad(first, left)+text)
			first = ""
		}
	}
	return lines
}

// table writes all lines of t.
func (o *output) table(t *table) {
	for _, line := range t.lines(0) {
		o.printf("%s\n", line)
	}
}
