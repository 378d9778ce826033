package cli

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/cmd/moor/internal/doctor"
	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ownfile"
)

// reportName is the file of doctor --report.
type reportName string

// UnmarshalText takes the name of a file.
func (n *reportName) UnmarshalText(b []byte) error {
	if len(b) == 0 || string(b) == "-" {
		return fmt.Errorf("%q is no file: write one, such as moor-report.txt", b)
	}
	*n = reportName(b)
	return nil
}

// reporter collects the contents of a report while the doctor runs.
type reporter struct {
	name string
	doctor.Written
}

// newReporter makes env examine the adapter that answers. It returns nil without --report.
func (c *doctorCmd) newReporter(a *app, env *doctor.Env) (*reporter, error) {
	if c.Report == "" {
		return nil, nil
	}
	isReport := func(start []byte) bool { return bytes.HasPrefix(start, []byte(doctor.WrittenTitle)) }
	if err := checkReplaces(string(c.Report), "report of moor doctor", isReport); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	r := &reporter{name: string(c.Report)}
	r.Program, r.Machine, r.Stored = newVersion().String(), doctor.ThisMachine(), a.storedCounts()
	r.Named = a.Adapters
	env.Examine = func(ctx context.Context, adapter string, tr hci.Transport) {
		r.Examined = doctor.Examine(ctx, adapter, tr)
	}
	return r, nil
}

// writeReport writes the file.
func (r *reporter) writeReport(a *app, found doctor.Report) error {
	if r == nil {
		return nil
	}
	r.Report = found
	r.Adapters, _ = a.env.listAdapters() // the findings have the error
	if err := ownfile.Replace(r.name, []byte(r.Text())); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if !a.JSON {
		a.out.printf("\nThe report is in %s. It has no addresses, names or keys; read it before you send it.\n", r.name)
	}
	return nil
}

// storedCounts counts the contents of the state directory.
func (a *app) storedCounts() (lines []string) {
	dir, err := a.readStateDir()
	if err != nil {
		return nil
	}
	add := func(what string, n int, err error) {
		line := fmt.Sprintf("%s: %d", what, n)
		if err != nil {
			line += ", and an error"
		}
		lines = append(lines, line)
	}
	devices, err := connmgr.KeptDevices(dir)
	add("devices", len(devices), err)
	if cache, err := connmgr.OpenCache(dir, a.log); err == nil {
		items, err := cache.List()
		add("tables", len(items), err)
	}
	traits, err := connmgr.KeptTraits(dir)
	add("devices with traits", len(traits), err)
	var steps []string
	for _, d := range traits {
		for _, t := range d.Traits {
			steps = append(steps, fmt.Sprint(t.Step))
		}
	}
	slices.Sort(steps)
	if len(steps) > 0 {
		lines = append(lines, "steps left out: "+strings.Join(steps, ", "))
	}
	return lines
}
