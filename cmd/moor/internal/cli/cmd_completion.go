package cli

import (
	"context"
	"strings"

	"github.com/spf13/pflag"

	"github.com/moor-ble/moor/sim"
)

type completionCmd struct{ shell string }

func newCompletion() *command {
	c := &completionCmd{}
	cmd := newCommand(groupMore, "completion", "Write a completion script for a shell.", c.runCompletion)
	cmd.detail = "bash: moor completion bash > ~/.local/share/bash-completion/completions/moor\n\n" +
		"zsh: moor completion zsh > _moor, in a directory of $fpath; or, after compinit, source <(moor completion zsh)\n\n" +
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

// firstWords returns the allowed values of the first argument of a command; nil if
// they are not limited.
func firstWords(c *command) []string {
	if len(c.args) == 0 {
		return nil
	}
	return c.args[0].words
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

// simulatedAdapters returns the adapters that every machine has.
func simulatedAdapters() string {
	var all []string
	for _, s := range sim.Scenarios() {
		all = append(all, "sim:"+s.Name)
	}
	return strings.Join(all, " ")
}

// flagNames returns the long and the short name of a flag.
func flagNames(f *pflag.Flag) []string {
	if f.Shorthand == "" {
		return []string{"--" + f.Name}
	}
	return []string{"--" + f.Name, "-" + f.Shorthand}
}
