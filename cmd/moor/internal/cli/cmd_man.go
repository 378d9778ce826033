package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// newMan is the hidden command that writes a page of the manual for roff: moor __man
// and the name of a page and a date. Without them it lists the names of the pages.
func newMan() *command {
	var words []string
	cmd := newCommand("", "__man", "", func(_ context.Context, a *app) error { return a.writePage(words) })
	cmd.raw = func(all []string) { words = all }
	return cmd
}

func (a *app) writePage(words []string) error {
	if len(words) == 0 {
		a.out.printf("moor\n")
		for _, c := range a.commands {
			if !c.isHidden() {
				a.out.printf("moor-%s\n", c.name)
			}
		}
		return nil
	}
	p := &page{version: newVersion().Version}
	if len(words) > 1 {
		p.date = words[1]
	}
	if words[0] == "moor" {
		a.writeMainPage(p)
	} else {
		i := slices.IndexFunc(a.commands, func(c *command) bool { return !c.isHidden() && "moor-"+c.name == words[0] })
		if i < 0 {
			return usagef("%q is no page of the manual: moor __man lists them", words[0])
		}
		p.writeCommand(a.commands[i], a.global)
	}
	a.out.writeBytes([]byte(p.b.String()))
	return nil
}

// writeMainPage writes moor(1).
func (a *app) writeMainPage(p *page) {
	p.begin("moor", "use Bluetooth LE devices over raw HCI")
	p.synopsis("moor [FLAGS] COMMAND")
	p.section("DESCRIPTION")
	p.paragraphs(description)
	p.section("COMMANDS")
	group := ""
	var others []string
	for _, c := range a.commands {
		if c.isHidden() {
			continue
		}
		if c.group != group {
			group = c.group
			p.macro("SS", group)
		}
		p.item(bold(c.synopsis()), c.help)
		others = append(others, "moor-"+c.name)
	}
	p.section("OPTIONS")
	p.flags(a.global)
	// In the order of addresses in grammar.go.
	texts := strings.Split(addressText(), "\n\n")
	for i, title := range []string{"ADDRESSES", "ADAPTERS", "EXIT STATUS"} {
		p.section(title)
		p.paragraphs(texts[i])
	}
	p.section("ENVIRONMENT")
	p.item(bold("MOOR_ADAPTER"), "the adapters to use if --adapter is not given")
	p.item(bold("MOOR_STATE"), "the state directory if --state is not given")
	p.item(bold("MOOR_ESPHOME_KEY"), "the key of Bluetooth proxies whose address names no file and that the state directory has no key of")
	p.section("FILES")
	p.item(bold("$XDG_STATE_HOME/moor")+" or "+bold("~/.local/state/moor"), "the devices heard, their attribute tables and their bonds, for this user alone")
	p.seeAlso(others)
}

// writeCommand writes the page of a command.
func (p *page) writeCommand(c *command, global *pflag.FlagSet) {
	p.begin("moor-"+c.name, lowerFirst(strings.TrimSuffix(c.help, ".")))
	p.synopsis("moor [FLAGS] " + c.synopsis())
	p.section("DESCRIPTION")
	p.paragraphs(c.help)
	p.paragraphs(c.detail)
	if len(c.args) > 0 {
		p.section("ARGUMENTS")
		for _, arg := range c.args {
			p.item(bold(arg.label()), arg.help)
		}
	}
	p.section("OPTIONS")
	p.flags(c.ownFlags(global))
	p.paragraphs("The flags of all commands, the forms of addresses and the exit codes are in moor(1).")
	p.seeAlso([]string{"moor"})
}

// lowerFirst returns s without its first capital letter.
func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// page is a page of the manual in the man macros of roff.
type page struct {
	b             strings.Builder
	date, version string
	begun         bool // the section has text
}

// roffEscapes make text literal. A hyphen would become a typographic one.
var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

// literal returns s as text that roff shows unchanged.
func literal(s string) string {
	s = roffEscapes.Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// bold returns s in bold type.
func bold(s string) string { return `\fB` + literal(s) + `\fR` }

func (p *page) begin(name, purpose string) {
	fmt.Fprintf(&p.b, ".\\\" Written by moor __man.\n.TH %s 1 \"%s\" \"moor %s\" \"User Commands\"\n", strings.ToUpper(literal(name)), p.date, literal(p.version))
	p.section("NAME")
	fmt.Fprintf(&p.b, "%s \\- %s\n", literal(name), literal(purpose))
}

func (p *page) macro(name, s string) { fmt.Fprintf(&p.b, ".%s \"%s\"\n", name, literal(s)) }

func (p *page) section(title string) {
	p.macro("SH", title)
	p.begun = false
}

func (p *page) synopsis(line string) {
	p.section("SYNOPSIS")
	p.b.WriteString(bold(line) + "\n")
}

// paragraphs writes paragraphs that empty lines separate.
func (p *page) paragraphs(s string) {
	if s == "" {
		return
	}
	for paragraph := range strings.SplitSeq(s, "\n\n") {
		if p.begun {
			p.b.WriteString(".PP\n")
		}
		p.begun = true
		for line := range strings.SplitSeq(paragraph, "\n") {
			p.b.WriteString(literal(strings.TrimSpace(line)) + "\n")
		}
	}
}

// item writes a term, which is roff already, and its explanation.
func (p *page) item(term, s string) {
	p.begun = true
	fmt.Fprintf(&p.b, ".TP\n%s\n%s\n", term, literal(s))
}

func (p *page) flags(fs *pflag.FlagSet) {
	fs.VisitAll(func(f *pflag.Flag) {
		value, help := pflag.UnquoteUsage(f)
		name := bold("--" + f.Name)
		if f.Shorthand != "" {
			name = bold("-"+f.Shorthand) + ", " + name
		}
		if !noArgument(f) {
			name += ` \fI` + literal(value) + `\fR`
		}
		p.item(name, help)
	})
}

// seeAlso writes the references to other pages.
func (p *page) seeAlso(names []string) {
	slices.Sort(names)
	p.section("SEE ALSO")
	for i, n := range names {
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		fmt.Fprintf(&p.b, ".BR %s (1)%s\n", literal(n), end)
	}
}
