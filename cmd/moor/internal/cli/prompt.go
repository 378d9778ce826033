package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// lineWriter is standard error. A question stands in a line of its own, which ends where
// the user answers: other text that comes before begins a new line.
type lineWriter struct {
	interruptibleWriter
	open bool // guarded by mu: the last line has no end
}

// Write writes b, in a new line.
func (l *lineWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLine()
	if len(b) > 0 {
		l.open = b[len(b)-1] != '\n'
	}
	return l.writeLocked(b)
}

// endLine ends the last line. Must be called with mu locked.
func (l *lineWriter) endLine() {
	if l.open {
		l.open = false
		_, _ = l.writeLocked([]byte("\n")) // the next write has the same error
	}
}

// isOpen reports whether a question waits for its answer.
func (l *lineWriter) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// answerReader is standard input for the questions in a lineWriter.
type answerReader struct {
	r    io.Reader
	asks *lineWriter
	echo bool // a terminal shows what the user types, the end of the line included
}

func newAnswerReader(r io.Reader, asks *lineWriter) *answerReader {
	f, ok := r.(*os.File)
	return &answerReader{r, asks, ok && term.IsTerminal(int(f.Fd()))}
}

// Read reads an answer.
func (a *answerReader) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	a.asks.mu.Lock()
	defer a.asks.mu.Unlock()
	if a.echo && n > 0 && b[n-1] == '\n' {
		a.asks.open = false
	}
	a.asks.endLine()
	return n, err
}
