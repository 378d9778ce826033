package cli

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/cmd/moor/internal/doctor"
)

type doctorCmd struct{ Report reportName }

func newDoctor() *command {
	c := &doctorCmd{}
	cmd := newCommand(groupHere, "doctor", "Find out why Bluetooth does not work here, and name the remedy.", c.runDoctor)
	cmd.detail = "The file of --report is text for the people who help: the checks, the kernel, the adapters, the features and the counters of a controller that has listened for 4s. It has no addresses, names of devices or keys, and its first lines say what it holds."
	cmd.flag("report", "also write a report to `FILE`, without addresses, names or keys", &c.Report)
	return cmd
}

// jsonFinding is the output of doctor --json for each check.
type jsonFinding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

var errUnusable = errors.New("no adapter can be opened here")

// runDoctor shows the findings of the doctor and writes the report. It returns an error if no adapter can
// be opened.
func (c *doctorCmd) runDoctor(ctx context.Context, a *app) error {
	name := ""
	if len(a.Adapters) > 0 {
		name = a.Adapters[0]
	}
	env := doctor.System(name, nil)
	env.Open = a.openTransport
	report, err := c.newReporter(a, &env)
	if err != nil {
		return err
	}
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
	if r.OK && !a.JSON {
		a.out.printf("\nBluetooth works here.\n")
	}
	if err := report.writeReport(a, r); err != nil {
		return err
	}
	if !r.OK {
		return errUnusable
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
