package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/moor-ble/moor/hci"
)

// columns is the width that the output is made for.
const columns = 80

// printer writes the story and, between its lines, what happens on HCI. The
// loop and the reader of the controller write too, so that it has a lock.
type printer struct {
	mu      sync.Mutex
	w       io.Writer             // guarded by mu
	err     error                 // the writer's first; guarded by mu
	steps   int                   // guarded by mu
	hidden  counts                // guarded by mu
	pending map[hci.Opcode]string // commands without an answer yet; guarded by mu
}

// counts are packets that get no line of their own.
type counts struct {
	commands, reports, sent, received int
}

func (p *printer) print(line string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, line+"\n")
	}
}

// step begins a new part of the story.
func (p *printer) step(title string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps++
	p.print(fmt.Sprintf("\n%d. %s", p.steps, title))
}

// command keeps a command until its answer comes, to show both on one line.
func (p *printer) command(op hci.Opcode, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending[op] = text
}

// answer shows a command that command was told of, with its outcome.
func (p *printer) answer(op hci.Opcode, status hci.Status) {
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
	p.print(cut("   -> " + text))
}

// event shows what the controller reports.
func (p *printer) event(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(cut("   <- " + text))
}

// count notes a packet that gets no line.
func (p *printer) count(add func(*counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	add(&p.hidden)
}

// say ends a step with its outcome, after a line about the packets that got
// none.
func (p *printer) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.hidden.String(); s != "" {
		p.print("      " + s)
		p.hidden = counts{}
	}
	for _, line := range wrap(fmt.Sprintf(format, args...), columns-3) {
		p.print("   " + line)
	}
}

// list shows lines as they are, indented.
func (p *printer) list(lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range lines {
		if line != "" {
			line = cut("   " + line)
		}
		p.print(line)
	}
}

func (p *printer) failed() error {
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

// cut shortens a line to the width of the output.
func cut(s string) string {
	if utf8.RuneCountInString(s) <= columns {
		return s
	}
	return string([]rune(s)[:columns-1]) + "…"
}

// wrap breaks text into lines of at most n runes, and at its line breaks.
func wrap(text string, n int) (lines []string) {
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
