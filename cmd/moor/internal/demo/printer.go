package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/moor-ble/moor/hci"
)

// columns is the width of the output.
const columns = 80

// printer writes the steps of the demo and the HCI packets between them. The loop and
// the reader of the controller use it as well, hence the lock.
type printer struct {
	mu      sync.Mutex
	w       io.Writer             // guarded by mu
	err     error                 // the first of w; guarded by mu
	steps   int                   // guarded by mu
	hidden  counts                // guarded by mu
	pending map[hci.Opcode]string // commands without an answer yet; guarded by mu
}

// counts are the packets without a line of their own.
type counts struct {
	commands, reports, sent, received int
}

func (p *printer) printLine(line string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, line+"\n")
	}
}

// beginStep begins the next step.
func (p *printer) beginStep(title string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps++
	p.printLine(fmt.Sprintf("\n%d. %s", p.steps, title))
}

// holdCommand keeps a command until its answer arrives, to show both on one line.
func (p *printer) holdCommand(op hci.Opcode, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending[op] = text
}

// printAnswer shows a command from holdCommand with its status.
func (p *printer) printAnswer(op hci.Opcode, status hci.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, ok := p.pending[op]
	if !ok {
		return
	}
	delete(p.pending, op)
	if status != hci.StatusSuccess {
		text += " => " + status.String()
	}
	p.printLine(cutLine("   -> " + text))
}

// printEvent shows an event of the controller.
func (p *printer) printEvent(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.printLine(cutLine("   <- " + text))
}

// countPacket counts a packet without a line of its own.
func (p *printer) countPacket(add func(*counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	add(&p.hidden)
}

// printOutcome shows the outcome of a step, after a line with the counts.
func (p *printer) printOutcome(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.hidden.String(); s != "" {
		p.printLine("      " + s)
		p.hidden = counts{}
	}
	for _, line := range wrapRunes(fmt.Sprintf(format, args...), columns-3) {
		p.printLine("   " + line)
	}
}

// printLines shows lines, indented.
func (p *printer) printLines(lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range lines {
		if line != "" {
			line = cutLine("   " + line)
		}
		p.printLine(line)
	}
}

// firstError returns the first error of the writer.
func (p *printer) firstError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (c counts) String() string {
	var parts []string
	add := func(n int, what string) {
		if n == 1 {
			parts = append(parts, "1 "+what)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %ss", n, what))
		}
	}
	add(c.commands, "command")
	add(c.reports, "advertising report")
	add(c.sent, "data packet")
	if c.sent > 0 {
		parts[len(parts)-1] += " out"
	}
	add(c.received, "data packet")
	if c.received > 0 {
		parts[len(parts)-1] += " in"
	}
	if parts == nil {
		return ""
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// cutLine shortens a line to the width of the output.
func cutLine(s string) string {
	if utf8.RuneCountInString(s) <= columns {
		return s
	}
	return string([]rune(s)[:columns-1]) + "…"
}

// wrapRunes breaks text into lines of at most n runes, and at its line breaks.
func wrapRunes(text string, n int) (lines []string) {
	for paragraph := range strings.SplitSeq(text, "\n") {
		if utf8.RuneCountInString(paragraph) <= n {
			lines = append(lines, paragraph)
			continue
		}
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > n {
				lines = append(lines, line)
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return lines
}
