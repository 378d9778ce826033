package cli

import "context"

type completionCmd struct{ shell string }

func newCompletion() *command {
	c := &completionCmd{}
	cmd := newCommand(groupMore, "completion", "Write a completion script for a shell.", c.runCompletion)
	cmd.detail = "bash: moor completion bash > ~/.local/share/bash-completion/completions/moor\n\n" +
		"zsh: moor completion zsh > _moor, in a directory of $fpath; or, after compinit, source <(moor completion zsh)\n\n" +
		"fish: moor completion fish > ~/.config/fish/completions/moor.fish\n\n" +
		"The script asks moor itself for the words to offer. They include the devices heard earlier and the attributes in their tables, from the directory of --state; no adapter is used."
	cmd.args = []arg{{
		name: "shell", help: "the shell that the script is for", words: []string{"bash", "zsh", "fish"},
		set: func(w string) error { c.shell = w; return nil },
	}}
	return cmd
}

func (c *completionCmd) runCompletion(_ context.Context, a *app) error {
	a.out.writeBytes([]byte(map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.shell]))
	return nil
}

// The scripts call the hidden command __complete with the words up to the cursor. It writes
// a word and its explanation, separated by a tab, on each line; a line ":files" asks the
// shell for file names instead.
const (
	// bash splits addresses at their colons, so that the script splits the line itself.
	bashScript = `# bash completion for moor
_moor() {
	local line=${COMP_LINE:0:COMP_POINT} words cur word
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	cur=${words[-1]}
	COMPREPLY=()
	while IFS=$'\t' read -r word _; do
		if [[ $word == :files ]]; then
			compopt -o default
			return
		fi
		COMPREPLY+=("$word")
	done < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
	# The part before a colon is not bash's to replace.
	if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
	fi
}
complete -F _moor moor
`

	zshScript = `#compdef moor
_moor() {
	local word help
	local -a offered shown
	while IFS=$'\t' read -r word help; do
		if [[ $word == :files ]]; then
			_files
			return
		fi
		offered+=("$word")
		shown+=("$word${help:+  -- $help}")
	done < <("${(Q)words[1]}" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
	compadd -l -d shown -a offered
}
# A file in $fpath is the function itself; one that is sourced registers it.
if [[ $funcstack[1] == _moor ]]; then
	_moor "$@"
else
	compdef _moor moor
fi
`

	fishScript = `# fish completion for moor
function __moor_complete
	set -l words (commandline -opc)
	set -l program $words[1]
	set -l current (commandline -ct)
	for line in ($program __complete $words[2..] "$current" 2>/dev/null)
		if test "$line" = :files
			__fish_complete_path "$current"
		else
			echo $line
		end
	end
end
complete -c moor -f -a '(__moor_complete)'
`
)
