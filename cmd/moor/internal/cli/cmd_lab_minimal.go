//go:build minimal

package cli

import (
	"context"
	"errors"
)

// errLeftOut means that the program was built with the tag minimal.
var errLeftOut = errors.New("this program was built without lab: build it without the tag minimal")

func newLab() *command {
	cmd := newCommand(groupAir, "lab", "Run a scenario in real time: left out of this program.", func(context.Context, *app) error { return errLeftOut })
	cmd.args = []arg{{name: "word", help: "anything", many: true, set: func(string) error { return nil }}}
	cmd.flags.ParseErrorsAllowlist.UnknownFlags = true
	return cmd
}
