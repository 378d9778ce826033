package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// fishCompletion returns a script that finds the command by itself, too: fish takes
// any word that is not a flag for the command, even the value of a flag.
func fishCompletion(commands []*command, global *pflag.FlagSet) string {
	quote := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	var b strings.Builder
	var valued []string
	flag := func(condition string, f *pflag.Flag) {
		fmt.Fprintf(&b, "complete -c moor%s -l %s", condition, f.Name)
		if f.Shorthand != "" {
			fmt.Fprintf(&b, " -s %s", f.Shorthand)
		}
		switch {
		case isPath(f):
			b.WriteString(" -rF")
		case isAdapter(f):
			b.WriteString(" -xa '(__moor_adapters)'")
		case !noArgument(f):
			b.WriteString(" -x")
		}
		if !noArgument(f) && !slices.Contains(valued, "--"+f.Name) {
			valued = append(valued, flagNames(f)...)
		}
		_, help := pflag.UnquoteUsage(f)
		fmt.Fprintf(&b, " -d '%s'\n", quote.Replace(help))
	}
	global.VisitAll(func(f *pflag.Flag) { flag("", f) })
	for _, c := range commands {
		fmt.Fprintf(&b, "complete -c moor -n \"__moor_in ''\" -a %s -d '%s'\n", c.name, quote.Replace(c.help))
		c.flags.VisitAll(func(f *pflag.Flag) {
			if global.Lookup(f.Name) == nil {
				flag(fmt.Sprintf(" -n '__moor_in %s'", c.name), f)
			}
		})
		if w := firstWords(c); w != nil {
			fmt.Fprintf(&b, "complete -c moor -n '__moor_in %s first' -a '%s'\n", c.name, strings.Join(w, " "))
		}
	}
	return fmt.Sprintf(`# fish completion for moor
function __moor_words -d 'the words so far that are neither flags nor their values'
	set -l flag
	for word in (commandline -opc)[2..]
		if set -q flag[1]
			set -e flag[1]
		else if contains -- $word %s
			set flag $word
		else if not string match -q -- '-*' $word
			echo $word
		end
	end
end
function __moor_in -a name first -d 'whether this is an argument of a command, the first one'
	set -l words (__moor_words)
	test "$words[1]" = "$name"; and test -z "$first" -o (count $words) -eq 1
end
function __moor_adapters
	set -l adapters /sys/class/bluetooth/hci*
	string match -r 'hci\d+$' -- $adapters
	string split ' ' '%s'
end
complete -c moor -f
%s`, strings.Join(valued, " "), simulatedAdapters(), b.String())
}
