package cli

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// command is one word of the command line with what may follow it.
type command struct {
	name   string
	group  string
	help   string
	detail string // further paragraphs of its own help
	flags  *pflag.FlagSet
	args   []arg
	run    func(ctx context.Context, a *app) error
}

// arg is a word that stands for itself.
type arg struct {
	name  string
	help  string
	set   func(word string) error
	many  bool     // any number of words, none included; the last one of a command
	may   bool     // it may be left out
	words []string // all that it may be, if that is limited
}

func newCommand(group, name, help string, run func(context.Context, *app) error) *command {
	return &command{name: name, group: group, help: help, flags: newFlags(name), run: run}
}

// newFlags returns a set of flags that says nothing by itself.
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

// flag adds a flag whose value reads itself. The word in backquotes in help
// names the value.
func (c *command) flag(name, help string, u encoding.TextUnmarshaler) {
	c.flags.Var(textFlag{u}, name, help)
}

// textFlag makes a flag of whatever can be read from text.
type textFlag struct{ encoding.TextUnmarshaler }

func (f textFlag) String() string     { return "" }
func (f textFlag) Set(s string) error { return f.UnmarshalText([]byte(s)) }
func (f textFlag) Type() string       { return "value" }

// parse reads what stands behind the command's name.
func (c *command) parse(words []string) error {
	if err := c.flags.Parse(words); err != nil {
		return flagError(err)
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
			return fmt.Errorf("%s is missing: %s", strings.ToUpper(a.name), a.help)
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
		return fmt.Errorf("%q is one word too many", words[0])
	}
	return nil
}

// flagError says which flag has a value that cannot be, and why, in fewer words
// than pflag.
func flagError(err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, errors.Unwrap(invalid))
	}
	return err
}

// synopsis is the command with its arguments.
func (c *command) synopsis() string {
	words := []string{c.name}
	for _, a := range c.args {
		name := strings.ToUpper(a.name)
		if a.words != nil {
			name = strings.Join(a.words, "|")
		}
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

// noArgument says that a flag is a word by itself.
func noArgument(f *pflag.Flag) bool { return f.NoOptDefVal != "" }
