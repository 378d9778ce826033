package cli

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/cmd/moor/internal/doctor"
)

// jsonFinding is the output of doctor --json for each check.
type jsonFinding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

var errUnusable = errors.New("no adapter can be opened here")

// runDoctor shows the findings of the doctor. It returns an error if no adapter can
// be opened.
func runDoctor(ctx context.Context, a *app) error {
	name := ""
	if len(a.Adapters) > 0 {
		name = a.Adapters[0]
	}
	env := doctor.System(name, nil)
	env.Open = a.openTransport
	stop := callLater(func() { a.note("trying the adapters") })
	r := doctor.Run(ctx, env)
	stop()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	for _, f := range r.Findings {
		if a.JSON {
			a.out.json(jsonFinding(f))
			continue
		}
		mark := "ok"
		if !f.OK {
			mark = "BAD"
		}
		a.printFinding(mark, f.Check+": "+f.Detail)
		if f.Remedy != "" {
			a.printFinding("", "-> "+f.Remedy)
		}
	}
	if !r.OK {
		return errUnusable
	}
	if !a.JSON {
		a.out.printf("\nBluetooth works here.\n")
	}
	return nil
}

// printFinding shows a text after a mark, in lines that fit a terminal; without a
// terminal in one line.
func (a *app) printFinding(mark, text string) {
	const indent = 5
	lines := []string{text}
	if a.env.Terminal != nil {
		columns, _ := a.env.Terminal()
		lines = wrapText(text, max(columns-indent, 20))
	}
	for _, line := range lines {
		a.out.printf("%s%s\n", pad(mark, indent), line)
		mark = ""
	}
}
