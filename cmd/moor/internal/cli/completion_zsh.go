package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// zshCompletion returns a script for zsh, to be sourced or to lie in $fpath.
func zshCompletion(commands []*command, global *pflag.FlagSet) string {
	quote := strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`)
	spec := func(fs *pflag.FlagSet) string {
		var b strings.Builder
		fs.VisitAll(func(f *pflag.Flag) {
			value, help := pflag.UnquoteUsage(f)
			switch {
			case isPath(f):
				value = ":" + value + ":_files"
			case isAdapter(f):
				value = ":" + value + ":_moor_adapters"
			case noArgument(f):
				value = ""
			default:
				value = ":" + quote.Replace(value) + ":"
			}
			for _, name := range flagNames(f) {
				fmt.Fprintf(&b, " \\\n\t\t'%s[%s]%s'", name, quote.Replace(help), value)
			}
		})
		return b.String()
	}
	var list, cases strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&list, "\t\t\t'%s:%s'\n", c.name, quote.Replace(c.help))
		c.flags.AddFlagSet(global)
		fmt.Fprintf(&cases, "\t\t%s)\n\t\t_arguments%s", c.name, spec(c.flags))
		if w := firstWords(c); w != nil {
			fmt.Fprintf(&cases, " \\\n\t\t'1:value:(%s)'", strings.Join(w, " "))
		}
		cases.WriteString(" ;;\n")
	}
	return fmt.Sprintf(`#compdef moor
_moor_adapters() {
	local -a adapters=(/sys/class/bluetooth/hci<->(N:t) %[4]s)
	compadd -a adapters
}
_moor() {
	local curcontext=$curcontext state line
	typeset -A opt_args
	_arguments -C%[1]s \
		'1:command:->command' \
		'*::argument:->argument'
	case $state in
	command)
		local -a commands=(
%[2]s		)
		_describe command commands ;;
	argument)
		case $line[1] in
%[3]s		esac ;;
	esac
}
# A file in $fpath is the function itself; one that is sourced says so.
if [[ $funcstack[1] == _moor ]]; then
	_moor "$@"
else
	compdef _moor moor
fi
`, spec(global), list.String(), cases.String(), simulatedAdapters())
}
