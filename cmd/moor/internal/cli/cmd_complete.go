package cli

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/sim"
)

// newComplete is the hidden command that the scripts of completion call with the words
// up to the cursor.
func newComplete() *command {
	var words []string
	cmd := newCommand("", "__complete", "", func(_ context.Context, a *app) error {
		a.runComplete(words)
		return nil
	})
	cmd.raw = func(all []string) { words = all }
	return cmd
}

// offer is a word that completion offers, with an explanation.
type offer struct{ word, help string }

// pathOffer asks the shell for the names of files.
var pathOffer = []offer{{word: ":files"}}

func (a *app) runComplete(words []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	before, current := words[:len(words)-1], words[len(words)-1]
	for _, o := range a.completeLine(before, current) {
		if o.word != pathOffer[0].word && !hasPrefixFold(o.word, current) {
			continue
		}
		// Shells compare with what was typed, in its own case.
		word := o.word
		if word != pathOffer[0].word {
			word = current + word[len(current):]
		}
		a.out.printf("%s\n", strings.TrimSpace(word+"\t"+text.Clean(o.help)))
	}
}

// hasPrefixFold reports whether s begins with prefix, in capital letters or not.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// partialLine is a command line that is being typed. Mistakes in it are left for the
// command to report.
type partialLine struct {
	app     *app
	command *command
	help    bool // the word help stands for the command
	args    []string
	waiting *pflag.Flag // its value is the next word
	ended   bool        // by "--": no flags follow
	adapter bool        // --adapter was given
}

// completeLine returns the words that may follow before, in place of current.
func (a *app) completeLine(before []string, current string) []offer {
	l := &partialLine{app: a}
	for _, w := range before {
		l.takeWord(w)
	}
	name, _, inline := strings.Cut(current, "=")
	switch {
	case l.waiting != nil:
		return l.values(l.waiting)
	case strings.HasPrefix(current, "--") && inline && !l.ended:
		f := l.lookup(name)
		if f == nil || isPath(f) {
			return nil
		}
		all := l.values(f)
		for i := range all {
			all[i].word = name + "=" + all[i].word
		}
		return all
	case strings.HasPrefix(current, "-") && !l.ended:
		return l.flags()
	case l.command == nil:
		return l.commands()
	}
	return l.argument()
}

// takeWord takes a whole word.
func (l *partialLine) takeWord(w string) {
	switch {
	case l.waiting != nil:
		l.setFlag(l.waiting, w)
		l.waiting = nil
	case w == "--" && !l.ended:
		l.ended = true
	case strings.HasPrefix(w, "-") && len(w) > 1 && !l.ended:
		name, value, inline := strings.Cut(w, "=")
		switch f := l.lookup(name); {
		case f == nil || noArgument(f):
		case inline:
			l.setFlag(f, value)
		default:
			l.waiting = f
		}
	case l.command != nil:
		l.args = append(l.args, w)
	case w == "help":
		l.help = true
	default:
		for _, c := range l.app.commands {
			if c.name == w {
				l.command = c
			}
		}
	}
}

// lookup returns the flag that a word such as --state or -a names; nil if there is none.
func (l *partialLine) lookup(word string) *pflag.Flag {
	for _, fs := range l.flagSets() {
		var found *pflag.Flag
		fs.VisitAll(func(f *pflag.Flag) {
			if word == "--"+f.Name || f.Shorthand != "" && word == "-"+f.Shorthand {
				found = f
			}
		})
		if found != nil {
			return found
		}
	}
	return nil
}

func (l *partialLine) flagSets() []*pflag.FlagSet {
	if l.command == nil {
		return []*pflag.FlagSet{l.app.global}
	}
	return []*pflag.FlagSet{l.command.flags, l.app.global}
}

// setFlag sets a flag of all commands, which may decide about the state directory.
func (l *partialLine) setFlag(f *pflag.Flag, value string) {
	if l.app.global.Lookup(f.Name) != f {
		return
	}
	if isAdapter(f) && !l.adapter { // in place of those of the environment
		l.adapter, l.app.Adapters = true, nil
	}
	_ = f.Value.Set(value)
}

func (l *partialLine) commands() (all []offer) {
	for _, c := range l.app.commands {
		if !c.isHidden() {
			all = append(all, offer{c.name, c.help})
		}
	}
	if !l.help {
		all = append(all, offer{"help", "Show the help of a command."})
	}
	return all
}

func (l *partialLine) flags() (all []offer) {
	for _, fs := range l.flagSets() {
		fs.VisitAll(func(f *pflag.Flag) {
			_, help := pflag.UnquoteUsage(f)
			help, _, _ = strings.Cut(help, "; ") // the first clause
			all = append(all, offer{"--" + f.Name, help})
		})
	}
	return all
}

// values returns the words for the value of a flag.
func (l *partialLine) values(f *pflag.Flag) []offer {
	switch {
	case isPath(f):
		return pathOffer
	case isAdapter(f):
		return l.app.offerAdapters()
	}
	return nil
}

// argument returns the words for the next argument of the command.
func (l *partialLine) argument() (all []offer) {
	args := l.command.args
	if len(args) == 0 || len(l.args) >= len(args) && !args[len(args)-1].many {
		return nil
	}
	next := args[min(len(l.args), len(args)-1)]
	switch {
	case next.words != nil:
		for _, w := range next.words {
			all = append(all, offer{word: w})
		}
	case next.name == "file":
		return pathOffer
	case next.name == "adapter":
		return l.app.offerAdapters()
	case next.name == "addr":
		return l.app.offerDevices()
	case next.name == attributeName && len(l.args) > 0:
		return l.app.offerAttributes(l.args[len(l.args)-1])
	}
	return all
}

// isPath reports whether the value of a flag is a file or a directory.
func isPath(f *pflag.Flag) bool {
	value, _ := pflag.UnquoteUsage(f)
	return value == "FILE" || value == "DIR"
}

// isAdapter reports whether the value of a flag is an adapter.
func isAdapter(f *pflag.Flag) bool {
	value, _ := pflag.UnquoteUsage(f)
	return value == "ADAPTER"
}

// offerAdapters returns the adapters of the machine and those that every machine has.
func (a *app) offerAdapters() (all []offer) {
	list, _ := a.env.listAdapters() // of an error, the command tells the reason
	for i := range list {
		all = append(all, offer{list[i].Name, strings.TrimSpace(list[i].Bus + " " + product(&list[i]))})
	}
	for _, s := range sim.Scenarios() {
		all = append(all, offer{"sim:" + s.Name, s.Text})
	}
	return all
}
