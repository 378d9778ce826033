//go:build minimal

package cli

import "testing"

// TestLabLeftOut: the command says that it is left out, whatever its arguments.
func TestLabLeftOut(t *testing.T) {
	const want = "moor: this program was built without lab: build it without the tag minimal\n"
	moor(t.Context(), "lab", "room.yaml", "--attach", "hci0=pty").want(t, 1, "", want)
	moor(t.Context(), "lab", "set", "--control", "unix:x", "hci0", "unplug").want(t, 1, "", want)
}
