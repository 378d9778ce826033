package examples

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestCompose: the commands of the compose file fit each other.
func TestCompose(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(root + "/examples/container/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text = bytes.ReplaceAll(text, []byte("/run/moor"), []byte(dir))
	text = bytes.ReplaceAll(text, []byte("${ADAPTER:-hci0}"), []byte("sim:sensors"))
	commands := composeCommands(t, text)
	if len(commands) != 2 {
		t.Fatalf("the file has the commands %q", commands)
	}
	adapter := start(t, append([]string{program("moor")}, commands[0]...)...)
	adapter.want("unix:" + dir)
	user := start(t, append([]string{program("moor")}, commands[1]...)...)
	user.want(`"name":"Thermometer"`)
	user.wantEnd(0)
	adapter.interrupt()
}

var commandLine = regexp.MustCompile(`(?m)^    command: \[(.*)\]`)

// composeCommands returns the commands of a compose file, in its order.
func composeCommands(t *testing.T, file []byte) (commands [][]string) {
	t.Helper()
	for _, m := range commandLine.FindAllSubmatch(file, -1) {
		var words []string
		for word := range strings.SplitSeq(string(m[1]), ", ") {
			words = append(words, strings.Trim(word, `"`))
		}
		commands = append(commands, words)
	}
	return commands
}
