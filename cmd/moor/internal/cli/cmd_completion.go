package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/moor-ble/moor/sim"
)

type completionCmd struct{ shell string }

func newCompletion() *command {
	c := &completionCmd{}
	cmd := newCommand(groupMore, "completion", "Write a completion script for a shell.", c.runCompletion)
	cmd.detail = "bash: moor completion bash > ~/.local/share/bash-completion/completions/moor\n\n" +
		"zsh: moor completion zsh > _moor, in a directory of $fpath; or, behind compinit, source <(moor completion zsh)\n\n" +
		"fish: moor completion fish > ~/.config/fish/completions/moor.fish"
	cmd.args = []arg{{
		name: "shell", help: "the shell that the script is for", words: []string{"bash", "zsh", "fish"},
		set: func(w string) error { c.shell = w; return nil },
	}}
	return cmd
}

func (c *completionCmd) runCompletion(_ context.Context, a *app) error {
	script := ""
	switch c.shell {
	case "bash":
		script = bashCompletion(a.commands, a.global)
	case "zsh":
		script = zshCompletion(a.commands, a.global)
	case "fish":
		script = fishCompletion(a.commands, a.global)
	}
	a.out.writeBytes([]byte(script))
	return nil
}

// firstWords are what the first argument of a command may be, if that is known
// beforehand.
func firstWords(c *command) []string {
	if len(c.args) == 0 {
		return nil
	}
	return c.args[0].words
}

// isPath reports whether the value of a flag is a file or a directory, and
// isAdapter whether it is an adapter.
func isPath(f *pflag.Flag) bool {
	value, _ := pflag.UnquoteUsage(f)
	return value == "FILE" || value == "DIR"
}

func isAdapter(f *pflag.Flag) bool {
	value, _ := pflag.UnquoteUsage(f)
	return value == "ADAPTER"
}

// simulatedAdapters are the adapters that every machine has.
func simulatedAdapters() string {
	var all []string
	for _, s := range sim.Scenarios() {
		all = append(all, "sim:"+s.Name)
	}
	return strings.Join(all, " ")
}

// flagNames are the ways to write a flag.
func flagNames(f *pflag.Flag) []string {
	if f.Shorthand == "" {
		return []string{"--" + f.Name}
	}
	return []string{"--" + f.Name, "-" + f.Shorthand}
}

// bashCompletion needs nothing but bash: it finds the command among the words
// so far and offers its flags. It splits the line itself, because bash takes
// addresses apart at their colons.
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

// fishCompletion finds the command by itself, too: fish takes any word that is
// no flag for it, even what belongs to a flag in front of it.
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
