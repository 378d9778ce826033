package doctor

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/cmd/moor/internal/assigned"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// WrittenTitle is the first line of a written report.
const WrittenTitle = "moor doctor report"

const writtenIntroduction = WrittenTitle + `

This file describes Bluetooth on one machine, for the people who look into a problem with it.

It holds: the versions of the program, the kernel and the distribution; the Bluetooth drivers and their settings; the
adapters with their vendors, products and features; the checks of moor doctor; the messages of the kernel's Bluetooth
subsystem; how many devices were heard in four seconds; how many devices, tables and traits are stored; and counters.

It holds no addresses, no names and no data of devices, no keys, and no names of users or of the machine. A label such
as [address 1] stands for an address, and for the same one everywhere in the file. Read the file before you send it.
`

// Written is a report for other people. See writtenIntroduction for its contents.
type Written struct {
	Program  string // its version; written as it is
	Machine  Machine
	Adapters []hcisock.Adapter
	Report   Report
	Examined *Examination // nil if no controller could be examined
	Stored   []string     // counts of the files in the state directory
	Named    []string     // the adapters that the user has named
}

// Text returns the report as text. All but the program's version passes the mask.
func (w *Written) Text() string {
	p := &paper{mask: newMask()}
	for _, name := range w.Named {
		p.mask.hideAdapter(name)
	}
	for i := range w.Adapters {
		p.mask.hideHolders(&w.Adapters[i])
	}
	p.b.WriteString(writtenIntroduction)
	p.title("Program")
	p.b.WriteString(w.Program + "\n")
	w.writeMachine(p)
	w.writeAdapters(p)
	p.title("Checks")
	for _, f := range w.Report.Findings {
		mark := "ok  "
		if !f.OK {
			mark = "BAD "
		}
		p.line("%s %s: %s", mark, f.Check, f.Detail)
		if f.Remedy != "" {
			p.line("     -> %s", f.Remedy)
		}
	}
	if w.Examined != nil {
		w.Examined.writeExamined(p)
	}
	p.title("Stored")
	p.lines(w.Stored)
	p.title("Messages of the kernel")
	p.lines(w.Machine.Log)
	return p.b.String()
}

// paper is the text of a report so far.
type paper struct {
	b    strings.Builder
	mask *mask
}

func (p *paper) title(s string) { fmt.Fprintf(&p.b, "\n== %s\n", s) }

func (p *paper) line(format string, args ...any) {
	p.b.WriteString(p.mask.hide(fmt.Sprintf(format, args...)) + "\n")
}

// lines writes one line each, or that there are none.
func (p *paper) lines(all []string) {
	if len(all) == 0 {
		p.line("none")
	}
	for _, l := range all {
		p.line("%s", l)
	}
}

func (w *Written) writeMachine(p *paper) {
	p.title("Machine")
	p.line("kernel: %s", w.Machine.Kernel)
	p.line("distribution: %s", w.Machine.Distribution)
	for _, m := range w.Machine.Modules {
		p.line("driver: %s", m)
	}
}

// writeAdapters writes neither the strings of USB devices nor the processes: both can be
// names of people.
func (w *Written) writeAdapters(p *paper) {
	p.title("Adapters")
	if len(w.Adapters) == 0 {
		p.line("none")
	}
	for i := range w.Adapters {
		a := &w.Adapters[i]
		p.line("%s: bus %s, driver %q, USB %04x:%04x, up %t, rfkill soft %t hard %t, user channel %t, address %t, processes %d",
			a.Name, a.Bus, a.Driver, a.USB.VendorID, a.USB.ProductID, a.Up, a.RFKill.Soft, a.RFKill.Hard, a.UserChannel,
			a.MAC != (hci.MAC{}), len(a.Holders))
	}
}

func (x *Examination) writeExamined(p *paper) {
	p.title("Controller")
	p.line("adapter: %s", x.Adapter)
	if x.Err != nil {
		p.line("the examination ended with: %v", x.Err)
	}
	i := &x.Info
	v := i.Version
	p.line("version: HCI %d (%s) revision %d, LMP %d subversion %d", v.HCIVersion, assigned.Version(v.HCIVersion), v.HCIRevision, v.LMPVersion, v.LMPSubversion)
	p.line("manufacturer: %d (%s)", v.Manufacturer, assigned.Company(v.Manufacturer))
	p.line("features: %#x (%s)", uint64(i.Features), strings.Join(i.Features.Names(), ", "))
	p.line("feature pages: % x", i.FeaturePages)
	p.line("commands: % x", i.Commands[:])
	p.line("states: %#x", uint64(i.States))
	p.line("buffers: %d of %d octets, shared %t", i.ACLNum, i.ACLLen, i.SharedBuffers)
	p.line("packets: %+v", i.MaxData)
	p.line("lists: accept %d, resolving %d", i.AcceptListSize, i.ResolvingListSize)
	p.line("extended commands: %t", i.Extended)
	if i.ExtendedRefused != nil {
		p.line("extended commands refused: %v", i.ExtendedRefused)
	}
	if i.CodedRefused != nil {
		p.line("coded PHY refused: %v", i.CodedRefused)
	}
	p.line("public address: %t", i.Public != (hci.MAC{}))
	p.line("quirks: %s", cmp.Or(strings.Join(i.Quirks, "; "), "none"))
	p.title("Counters")
	p.line("heard in %v: %d devices, %d reports, the nearest at %d dBm", listenTime, x.Devices, x.Reports, x.Nearest)
	for field := range strings.FieldsSeq(strings.Trim(fmt.Sprintf("%+v", x.Stats), "{}")) {
		p.line("%s", strings.Replace(field, ":", ": ", 1))
	}
}
