package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// bashCompletion returns a script that needs nothing but bash. The script finds the
// command among the words so far and offers its flags. It splits the line itself,
// because bash splits addresses at their colons.
func bashCompletion(commands []*command, global *pflag.FlagSet) string {
	var valued, files, adapters, all []string
	visit := func(f *pflag.Flag) {
		switch {
		case noArgument(f), slices.Contains(valued, "--"+f.Name):
			return
		case isPath(f):
			files = append(files, flagNames(f)...)
		case isAdapter(f):
			adapters = append(adapters, flagNames(f)...)
		}
		valued = append(valued, flagNames(f)...)
	}
	global.VisitAll(func(f *pflag.Flag) {
		visit(f)
		all = append(all, flagNames(f)...)
	})
	var first []string
	var cases strings.Builder
	for _, c := range commands {
		first = append(first, c.name)
		var own []string
		c.flags.VisitAll(func(f *pflag.Flag) {
			if global.Lookup(f.Name) == nil {
				visit(f)
				own = append(own, flagNames(f)...)
			}
		})
		fmt.Fprintf(&cases, "\t%s) offer=%q", c.name, strings.Join(append(own, all...), " "))
		if w := firstWords(c); w != nil {
			fmt.Fprintf(&cases, "; ((arguments)) || offer=\"%s $offer\"", strings.Join(w, " "))
		}
		cases.WriteString(" ;;\n")
	}
	return fmt.Sprintf(`# bash completion for moor
_moor() {
	local line=${COMP_LINE:0:COMP_POINT} cur= prev command= offer= arguments=0 words i f
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] || { cur=${words[-1]}; unset 'words[-1]'; }
	prev=${words[-1]}
	for ((i = 1; i < ${#words[@]}; i++)); do
		case ${words[i]} in
		%[2]s) ((i++)) ;;
		-*) ;;
		*) if [[ $command ]]; then ((arguments++)); else command=${words[i]}; fi ;;
		esac
	done
	COMPREPLY=()
	case $prev in
	%[1]s) compopt -o default; return ;;
	%[5]s)
		offer=%[6]q
		for f in /sys/class/bluetooth/hci*; do
			f=${f##*/}
			[[ $f == *[:*]* ]] || offer+=" $f"
		done ;;
	%[2]s) return ;;
	*)
		case $command in
		"") offer=%[3]q ;;
	%[4]s	esac ;;
	esac
	COMPREPLY=($(compgen -W "$offer" -- "$cur"))
	# What stands in front of a colon is not bash's to replace.
	if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${cur%%"${cur##*:}"}"}")
	fi
}
complete -F _moor moor
`, strings.Join(files, "|"), strings.Join(valued, "|"), strings.Join(append(first, all...), " "),
		strings.ReplaceAll(cases.String(), "\n\t", "\n\t\t"), strings.Join(adapters, "|"), simulatedAdapters())
}
