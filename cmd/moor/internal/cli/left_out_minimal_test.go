//go:build minimal

package cli

import (
	"strings"
	"testing"
)

// TestLeftOut: the commands say that they are left out, whatever their arguments.
func TestLeftOut(t *testing.T) {
	const want = "moor: this program was built without lab: build it without the tag minimal\n"
	moor(t.Context(), "lab", "room.yaml", "--attach", "hci0=pty").want(t, 1, "", want)
	moor(t.Context(), "lab", "set", "--control", "unix:x", "hci0", "unplug").want(t, 1, "", want)
	moor(t.Context(), "proxy", "--listen", ":1").want(t, 1, "", strings.Replace(want, "lab", "proxy", 1))
	moor(t.Context(), "adapters", "--discover").want(t, 1, "", strings.Replace(want, "lab", "--discover", 1))
}
