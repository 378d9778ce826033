package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/moor-ble/moor/sim"
)

// helpWidth is the width of help in columns, unless the terminal is narrower.
const helpWidth = 80

// helpColumn is the column in which explanations begin. A narrow terminal needs the
// room: there they begin in a line of their own.
func (a *app) helpColumn() int {
	if a.helpWidth() < 50 {
		return 10
	}
	return 30
}

func (a *app) helpWidth() int {
	if a.env.Terminal == nil {
		return helpWidth
	}
	columns, _ := a.env.Terminal()
	return min(max(columns, 40), helpWidth)
}

// printHelp shows the commands and the flags of all commands.
func (a *app) printHelp(global *pflag.FlagSet) {
	a.out.printf("Usage: moor [FLAGS] COMMAND\n\n")
	a.printParagraphs(description)
	group := ""
	var t table
	for _, c := range a.commands {
		if c.isHidden() {
			continue
		}
		if c.group != group {
			if group != "" {
				t.row()
			}
			group = c.group
			t.row(group + ":")
		}
		t.row("  "+c.synopsis(), c.help)
	}
	for _, line := range t.wrapped(a.helpColumn(), a.helpWidth()) {
		a.out.printf("%s\n", line)
	}
	a.out.printf("\nFlags:\n")
	a.printFlags(global)
	a.out.printf("\n")
	a.printParagraphs(addressText())
	for _, line := range wrapText("Run \"moor COMMAND --help\" for the flags of a command.", a.helpWidth()) {
		a.out.printf("%s\n", line)
	}
}

// addressText returns the text about addresses with the names of the scenarios.
func addressText() string {
	var scenarios []string
	for _, s := range sim.Scenarios() {
		scenarios = append(scenarios, fmt.Sprintf("%s (%s)", s.Name, s.Text))
	}
	return fmt.Sprintf(addresses, strings.Join(scenarios, ", "))
}

// printCommandHelp shows the arguments and the flags of a command.
func (a *app) printCommandHelp(c *command, global *pflag.FlagSet) {
	a.out.printf("Usage: moor [FLAGS] %s\n\n", c.synopsis())
	a.printParagraphs(c.help)
	if c.detail != "" {
		a.printParagraphs(c.detail)
	}
	if len(c.args) > 0 {
		var t table
		for _, arg := range c.args {
			t.row("  "+arg.label(), arg.help)
		}
		a.out.printf("Arguments:\n%s\n\n", strings.Join(t.wrapped(a.helpColumn(), a.helpWidth()), "\n"))
	}
	if own := c.ownFlags(global); own.HasFlags() {
		a.out.printf("Flags of this command:\n")
		a.printFlags(own)
		a.out.printf("\n")
	}
	a.out.printf("Flags of all commands:\n")
	a.printFlags(global)
}

// ownFlags returns the flags of c that are not global.
func (c *command) ownFlags(global *pflag.FlagSet) *pflag.FlagSet {
	own := newFlags(c.name)
	c.flags.VisitAll(func(f *pflag.Flag) {
		if global.Lookup(f.Name) == nil {
			own.AddFlag(f)
		}
	})
	return own
}

func (a *app) printFlags(fs *pflag.FlagSet) {
	var t table
	fs.VisitAll(func(f *pflag.Flag) {
		value, help := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if !noArgument(f) {
			name += " " + value
		}
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		} else {
			name = "    " + name
		}
		t.row("  "+name, help)
	})
	for _, line := range t.wrapped(a.helpColumn(), a.helpWidth()) {
		a.out.printf("%s\n", line)
	}
}

func (a *app) printParagraphs(text string) {
	for p := range strings.SplitSeq(text, "\n\n") {
		a.out.printf("%s\n\n", strings.Join(wrapText(p, a.helpWidth()), "\n"))
	}
}
