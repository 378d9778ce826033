package cli

import (
	"context"
	"encoding"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// command is a command of moor with its arguments and flags.
type command struct {
	name   string
	group  string
	help   string
	detail string // further paragraphs of its own help
	flags  *pflag.FlagSet
	args   []arg
	run    func(ctx context.Context, a *app) error
	// noCapture refuses --snoop: the command opens no adapter, or only to test it.
	noCapture bool
	// raw, if set, gets the words after the command instead of args and flags.
	raw func(words []string)
}

// isHidden reports whether help and completion leave the command out.
func (c *command) isHidden() bool { return c.group == "" }

// arg is a positional argument.
type arg struct {
	name  string
	help  string
	set   func(word string) error
	many  bool     // any number of words, also none; only the last argument may be it
	may   bool     // optional
	words []string // the allowed values; nil allows all that set accepts
}

func newCommand(group, name, help string, run func(context.Context, *app) error) *command {
	return &command{name: name, group: group, help: help, flags: newFlags(name), run: run}
}

func withoutCapture(c *command) *command {
	c.noCapture = true
	return c
}

// newFlags returns a set of flags that prints nothing by itself.
func newFlags(name string) *pflag.FlagSet {
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	fs.SortFlags = false
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	return fs
}

// word adds a positional argument.
func (c *command) word(name, help string, u encoding.TextUnmarshaler) {
	c.args = append(c.args, arg{name: name, help: help, set: func(w string) error { return u.UnmarshalText([]byte(w)) }})
}

// flag adds a flag with a value that u parses. The word in backquotes in help
// names the value.
func (c *command) flag(name, help string, u encoding.TextUnmarshaler) {
	c.flags.Var(textFlag{u}, name, help)
}

// textFlag is a flag whose value parses itself.
type textFlag struct{ encoding.TextUnmarshaler }

func (f textFlag) String() string     { return "" }
func (f textFlag) Set(s string) error { return f.UnmarshalText([]byte(s)) }
func (f textFlag) Type() string       { return "value" }

// parse reads the words after the command's name.
func (c *command) parse(words []string) error {
	if c.raw != nil {
		c.raw(words)
		return nil
	}
	if err := c.flags.Parse(words); err != nil {
		return flagError(c.flags, err)
	}
	words = c.flags.Args()
	for _, a := range c.args {
		switch {
		case a.many:
			for _, w := range words {
				if err := a.set(w); err != nil {
					return err
				}
			}
			words = nil
		case len(words) == 0 && a.may:
		case len(words) == 0:
			return fmt.Errorf("%s is missing: %s", a.label(), a.help)
		case a.words != nil && !slices.Contains(a.words, words[0]):
			return fmt.Errorf("%q: write one of %s", words[0], strings.Join(a.words, ", "))
		default:
			if err := a.set(words[0]); err != nil {
				return err
			}
			words = words[1:]
		}
	}
	if len(words) > 0 {
		return fmt.Errorf("unexpected argument %q", words[0])
	}
	return nil
}

// label returns the argument as help shows it: its allowed values, or else its name.
func (a *arg) label() string {
	if a.words != nil {
		return strings.Join(a.words, "|")
	}
	return strings.ToUpper(a.name)
}

// synopsis returns the command with its arguments.
func (c *command) synopsis() string {
	words := []string{c.name}
	for _, a := range c.args {
		name := a.label()
		if a.many {
			name = "[" + name + "...]"
		}
		if a.may {
			name = "[" + name + "]"
		}
		words = append(words, name)
	}
	return strings.Join(words, " ")
}

// noArgument reports whether a flag takes no value.
func noArgument(f *pflag.Flag) bool { return f.NoOptDefVal != "" }
