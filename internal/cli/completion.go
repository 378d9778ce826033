package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

type completionCmd struct{ shell string }

func newCompletion() *command {
	c := &completionCmd{}
	cmd := newCommand(groupMore, "completion", "Write a completion script for a shell.", c.run)
	cmd.detail = "bash: moor completion bash > ~/.local/share/bash-completion/completions/moor\n\n" +
		"zsh: moor completion zsh > _moor, in a directory of $fpath\n\n" +
		"fish: moor completion fish > ~/.config/fish/completions/moor.fish"
	cmd.args = []arg{{
		name: "shell", help: "the shell that the script is for", words: []string{"bash", "zsh", "fish"},
		set: func(w string) error { c.shell = w; return nil },
	}}
	return cmd
}

func (c *completionCmd) run(_ context.Context, a *app) error {
	script := ""
	switch c.shell {
	case "bash":
		script = bashCompletion(a.commands, a.global)
	case "zsh":
		script = zshCompletion(a.commands, a.global)
	case "fish":
		script = fishCompletion(a.commands, a.global)
	}
	a.out.write([]byte(script))
	return nil
}

// words are the arguments of a command that are known beforehand.
func words(c *command) []string {
	for _, a := range c.args {
		if a.words != nil {
			return a.words
		}
	}
	return nil
}

// isPath reports whether the value of a flag is a file or a directory.
func isPath(f *pflag.Flag) bool { return f.Name == "snoop" || f.Name == "state" || f.Name == "file" }

// names are the ways to write a flag.
func names(f *pflag.Flag) []string {
	if f.Shorthand == "" {
		return []string{"--" + f.Name}
	}
	return []string{"--" + f.Name, "-" + f.Shorthand}
}

// bashCompletion needs nothing but bash: it finds the command among the words
// so far and offers its flags.
func bashCompletion(commands []*command, global *pflag.FlagSet) string {
	var valued, files, all []string
	visit := func(f *pflag.Flag) {
		switch {
		case isPath(f):
			files = append(files, names(f)...)
			valued = append(valued, names(f)...)
		case !noArgument(f):
			valued = append(valued, names(f)...)
		}
	}
	global.VisitAll(func(f *pflag.Flag) {
		visit(f)
		all = append(all, names(f)...)
	})
	var first []string
	var cases strings.Builder
	for _, c := range commands {
		first = append(first, c.name)
		own := words(c)
		c.flags.VisitAll(func(f *pflag.Flag) {
			if global.Lookup(f.Name) == nil {
				visit(f)
				own = append(own, names(f)...)
			}
		})
		fmt.Fprintf(&cases, "\t%s) words=%q ;;\n", c.name, strings.Join(append(own, all...), " "))
	}
	return fmt.Sprintf(`# bash completion for moor
_moor() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= words= i
	COMPREPLY=()
	case $prev in
	%[1]s) compopt -o default; return ;;
	%[2]s) return ;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		%[2]s) ((i++)) ;;
		-*) ;;
		*) command=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $command in
	"") words=%[3]q ;;
%[4]s	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _moor moor
`, strings.Join(files, "|"), strings.Join(valued, "|"), strings.Join(append(first, all...), " "), cases.String())
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
			case noArgument(f):
				value = ""
			default:
				value = ":" + quote.Replace(value) + ":"
			}
			for _, name := range names(f) {
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
		if w := words(c); w != nil {
			fmt.Fprintf(&cases, " \\\n\t\t'1:value:(%s)'", strings.Join(w, " "))
		}
		cases.WriteString(" ;;\n")
	}
	return fmt.Sprintf(`#compdef moor
_moor() {
	local curcontext=$curcontext state line
	typeset -A opt_args
	_arguments -C%s \
		'1:command:->command' \
		'*::argument:->argument'
	case $state in
	command)
		local -a commands=(
%s		)
		_describe command commands ;;
	argument)
		case $line[1] in
%s		esac ;;
	esac
}
_moor "$@"
`, spec(global), list.String(), cases.String())
}

func fishCompletion(commands []*command, global *pflag.FlagSet) string {
	quote := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	var b strings.Builder
	b.WriteString("# fish completion for moor\ncomplete -c moor -f\n")
	flag := func(condition string, f *pflag.Flag) {
		fmt.Fprintf(&b, "complete -c moor%s -l %s", condition, f.Name)
		if f.Shorthand != "" {
			fmt.Fprintf(&b, " -s %s", f.Shorthand)
		}
		switch {
		case isPath(f):
			b.WriteString(" -rF")
		case !noArgument(f):
			b.WriteString(" -x")
		}
		_, help := pflag.UnquoteUsage(f)
		fmt.Fprintf(&b, " -d '%s'\n", quote.Replace(help))
	}
	global.VisitAll(func(f *pflag.Flag) { flag("", f) })
	for _, c := range commands {
		fmt.Fprintf(&b, "complete -c moor -n __fish_use_subcommand -a %s -d '%s'\n", c.name, quote.Replace(c.help))
		condition := fmt.Sprintf(" -n '__fish_seen_subcommand_from %s'", c.name)
		c.flags.VisitAll(func(f *pflag.Flag) {
			if global.Lookup(f.Name) == nil {
				flag(condition, f)
			}
		})
		if w := words(c); w != nil {
			fmt.Fprintf(&b, "complete -c moor%s -a '%s'\n", condition, strings.Join(w, " "))
		}
	}
	return b.String()
}
