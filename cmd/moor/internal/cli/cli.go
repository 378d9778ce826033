// Package cli is the command line of moor: its grammar, its commands, and the
// output of results and errors. All output goes to the writers in Env, so that
// tests run whole command lines in their own process.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"github.com/spf13/pflag"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/smp"
)

// Env is the environment of a command line.
type Env struct {
	// Stdout takes results, Stderr errors and notes.
	Stdout, Stderr io.Writer
	// Stdin has the user's answers to the questions of a pairing; nil means that
	// there is no user to ask.
	Stdin io.Reader
	// Terminal returns the size of the terminal that Stdout writes to; nil if
	// Stdout is not a terminal.
	Terminal func() (columns, rows int)
	// State is the default state directory; empty keeps no state unless the
	// command line names a directory.
	State string
	// Open opens an adapter; nil opens every address that hcisock and sim know.
	Open func(ctx context.Context, address string) (hci.Transport, error)
	// Hangups returns the channel of the requests to read files again, SIGHUP. Before it is
	// called, such a request ends the program. nil means that there are none.
	Hangups func() <-chan struct{}
	// Adapters lists the adapters of the machine; nil lists those of the kernel.
	Adapters func() ([]hcisock.Adapter, error)
}

func (e *Env) listAdapters() ([]hcisock.Adapter, error) {
	if e.Adapters != nil {
		return e.Adapters()
	}
	return hcisock.Adapters()
}

// app is one run of the program: the environment, the parsed flags of all commands,
// and the output.
type app struct {
	globals
	env      *Env
	stderr   *lineWriter // env.Stderr
	out      *output
	log      *slog.Logger
	commands []*command
	global   *pflag.FlagSet
	asks     smp.Delegate // see pairingDelegate
	// simulatedBonds opens the bonds of simulated devices, which several airs may have.
	simulatedBonds func() smp.OpenStore
}

// Run runs one command line and returns the exit code of the process. When ctx
// ends, Run disconnects and returns; for scan, peripheral, notify and connect this is
// the usual end, with exit code 0.
func Run(ctx context.Context, args []string, env *Env) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	shared := *env
	shared.Stdout = &interruptibleWriter{ctx: ctx, w: env.Stdout}
	stderr := &lineWriter{interruptibleWriter: interruptibleWriter{ctx: ctx, w: env.Stderr}}
	shared.Stderr = stderr
	env = &shared
	a := &app{env: env, stderr: stderr, out: &output{w: env.Stdout, cancel: cancel}, commands: commands()}
	a.simulatedBonds = sync.OnceValue(func() smp.OpenStore {
		return smp.Shared(smp.Files(filepath.Join(a.stateDir(), "simulated")))
	})
	a.global = a.flags()
	c, err := a.parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp) && c != nil:
		a.printCommandHelp(c, a.global)
		err = nil
	case errors.Is(err, pflag.ErrHelp):
		a.printHelp(a.global)
		err = nil
	case err != nil:
		a.JSON = a.JSON || slices.Contains(args, "--json") // also after the mistake
		return a.showUsageError(c, err)
	default:
		if err := a.applyEnvironment(); err != nil {
			return a.showUsageError(c, err)
		}
		if c.noCapture && (a.Snoop != "" || a.SnoopKeys) {
			return a.showUsageError(c, fmt.Errorf("--snoop: %s leaves no packets to capture; scan, read and the other commands on air do", c.name))
		}
		a.log = newLogger(env.Stderr, a.Verbose)
		err = c.run(ctx, a)
	}
	if a.out.err != nil { // later errors are only its consequence
		err = a.out.err
	}
	if err != nil {
		return a.showError(ctx, c, err)
	}
	return exitOK
}

// parse finds the command and parses its arguments into it. Flags of all commands
// may stand before and after its name.
func (a *app) parse(args []string) (*command, error) {
	a.global.SetInterspersed(false)
	if err := a.global.Parse(args); err != nil {
		return nil, flagError(a.global, err)
	}
	words := a.global.Args()
	if a.Version {
		words = []string{"version"}
	}
	if len(words) == 0 || words[0] == "help" && len(words) == 1 {
		return nil, pflag.ErrHelp
	}
	if words[0] == "help" {
		words = []string{words[1], "--help"}
	}
	for _, c := range a.commands {
		if c.name == words[0] {
			c.flags.AddFlagSet(a.global)
			err := c.parse(words[1:])
			if a.Version && c.name != "version" { // --version stands after the command
				return a.parse(nil)
			}
			return c, err
		}
	}
	return nil, unknownCommand(words[0], a.commands)
}

// newLogger maps -v, -vv and -vvv to the levels of the stack: controller, link and
// packet.
func newLogger(w io.Writer, verbose int) *slog.Logger {
	levels := [...]slog.Level{controller.LevelController, controller.LevelLink, controller.LevelPacket}
	if verbose == 0 {
		return slog.New(slog.DiscardHandler)
	}
	level := levels[min(verbose, len(levels))-1]
	named := func(_ []string, attr slog.Attr) slog.Attr {
		switch attr.Value.Any() {
		case controller.LevelLink:
			return slog.String(attr.Key, "LINK")
		case controller.LevelPacket:
			return slog.String(attr.Key, "PACKET")
		}
		return attr
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: named}))
}

// note writes a note to standard error for a person at a terminal. Scripts get none.
func (a *app) note(format string, args ...any) {
	if a.env.Terminal != nil && !a.JSON {
		fmt.Fprintf(a.env.Stderr, format+"\n", args...)
	}
}
