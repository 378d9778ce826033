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
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/smp"
)

// Exit codes. Those from 3 on say why a connection could not be established.
const (
	exitOK         = 0
	exitError      = 1
	exitUsage      = 2
	exitNotFound   = 3
	exitOutOfSlots = 4
	exitAborted    = 5
	exitConnection = 6
	exitBondLost   = 7
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

// showError shows err and its remedy, and returns the exit code. c is nil if no
// command was recognized.
func (a *app) showError(ctx context.Context, c *command, err error) int {
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return a.showUsageError(c, usage.err)
	case isSilent(err):
		return exitError
	case a.out.err == nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		err = errInterrupted
	}
	shown, tip := message(err), advice(err)
	if used, ok := errors.AsType[*smp.InUseError](err); ok {
		shown = a.inUseText(used)
	}
	if strings.Contains(shown, tip) {
		tip = "" // an error of several adapters has a remedy for each
	}
	if tip != "" && errors.Is(err, controller.ErrNoAnswer) && slices.ContainsFunc(a.Adapters, isDescriptor) {
		tip += "; or another process has the same descriptor"
	}
	a.printError(shown, tip)
	return exitCode(err)
}

var errInterrupted = errors.New("interrupted")

// isDescriptor reports whether adapter names an inherited descriptor, which several
// processes may have.
func isDescriptor(adapter string) bool { return strings.HasPrefix(adapter, "fd:") }

// exitCode returns the exit code for err, which says why a connection could not be
// established.
func exitCode(err error) int {
	if _, ok := errors.AsType[*notSeenError](err); ok {
		return exitNotFound
	}
	if _, ok := errors.AsType[*smp.SaveError](err); ok { // the connection was there
		return exitError
	}
	failed, ok := errors.AsType[*connmgr.EstablishError](err)
	switch {
	case ok:
	case errors.Is(err, smp.ErrBondLost): // when the link was there already
		return exitBondLost
	default:
		return exitError
	}
	for _, c := range []struct {
		category error
		code     int
	}{
		{connmgr.ErrNotFound, exitNotFound},
		{connmgr.ErrOutOfSlots, exitOutOfSlots},
		{connmgr.ErrAborted, exitAborted},
		{connmgr.ErrConnection, exitConnection},
		{connmgr.ErrBondLost, exitBondLost},
	} {
		if errors.Is(failed.Category, c.category) {
			return c.code
		}
	}
	return exitError
}

// printError shows an error and its remedy, broken into lines for a terminal.
func (a *app) printError(message, tip string) {
	const indent = "      "
	message = text.DropPackages(message)
	lines := strings.Split(message, "\n")
	tips := []string{tip}
	if a.env.Terminal != nil {
		columns, _ := a.env.Terminal()
		lines, tips = wrapIndented(message, columns-len(indent)), wrapIndented(tip, columns-len(indent))
	}
	if tip != "" {
		lines = append(lines, tips...)
	}
	prefix := "moor: "
	for _, line := range lines {
		fmt.Fprintln(a.env.Stderr, prefix+line)
		prefix = indent
	}
}
