// Package cli is the command line of moor: its grammar, its commands, and how
// results and errors are shown. Everything goes to the writers in Env, so that
// tests run whole command lines in their own process.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/pflag"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
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

// Env is what a command line has around it.
type Env struct {
	// Stdout takes results, Stderr errors and notes.
	Stdout, Stderr io.Writer
	// Stdin takes what a user is asked for when pairing; nil is nobody to ask.
	Stdin io.Reader
	// Terminal returns the size of the terminal that Stdout writes to; nil if
	// it is none.
	Terminal func() (columns, rows int)
	// State is the directory for what is kept from one command to the next where
	// the command line names none; empty keeps nothing then.
	State string
	// Open opens a controller; nil is every address that hcisock and sim know.
	Open func(ctx context.Context, address string) (hci.Transport, error)
	// Adapters lists the adapters of the machine; nil is what the kernel says.
	Adapters func() ([]hcisock.Adapter, error)
}

func (e *Env) listAdapters() ([]hcisock.Adapter, error) {
	if e.Adapters != nil {
		return e.Adapters()
	}
	return hcisock.Adapters()
}

// app is what a command works with.
type app struct {
	globals
	env      *Env
	out      *output
	log      *slog.Logger
	commands []*command
	global   *pflag.FlagSet
	asks     smp.Delegate // see delegate
}

// Run carries out one command line and returns the exit code of the process.
// When ctx ends, Run disconnects and returns; scan, notify and connect then have
// ended as they should.
func Run(ctx context.Context, args []string, env *Env) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	shared := *env
	shared.Stderr = &lockedWriter{w: env.Stderr}
	env = &shared
	a := &app{env: env, out: &output{w: env.Stdout, cancel: cancel}, commands: commands()}
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
		a.log = newLogger(env.Stderr, a.Verbose)
		err = c.run(ctx, a)
	}
	if a.out.err != nil { // what came after it is only its consequence
		err = a.out.err
	}
	if err != nil {
		return a.showError(ctx, c, err)
	}
	return exitOK
}

// parse finds the command, which flags of all commands may stand in front of
// and behind, and reads its arguments into it.
func (a *app) parse(args []string) (*command, error) {
	a.global.SetInterspersed(false)
	if err := a.global.Parse(args); err != nil {
		return nil, flagError(err)
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
			if a.Version && c.name != "version" { // asked for behind the command
				return a.parse(nil)
			}
			return c, err
		}
	}
	return nil, unknownCommand(words[0], a.commands)
}

// newLogger maps -v, -vv and -vvv to the levels of the stack: device, link and
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

// note tells a person at a terminal what is going on; scripts are left alone.
func (a *app) note(format string, args ...any) {
	if a.env.Terminal != nil && !a.JSON {
		fmt.Fprintf(a.env.Stderr, format+"\n", args...)
	}
}

// showError shows err with what to do about it and returns the exit code.
func (a *app) showError(ctx context.Context, c *command, err error) int {
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return a.showUsageError(c, usage.err)
	case isSilent(err):
		return exitError
	case a.out.err == nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		err = errors.New("interrupted")
	}
	a.printError(message(err), advice(err))
	return exitCode(err)
}

// exitCode tells why a connection was not established.
func exitCode(err error) int {
	if _, ok := errors.AsType[*notSeenError](err); ok {
		return exitNotFound
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

// printError shows an error and what to do about it, broken into lines for a
// terminal.
func (a *app) printError(text, tip string) {
	const indent = "      "
	lines := strings.Split(text, "\n")
	tips := []string{tip}
	if a.env.Terminal != nil {
		columns, _ := a.env.Terminal()
		lines, tips = wrapIndented(text, columns-len(indent)), wrapIndented(tip, columns-len(indent))
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

// usageError is a command line that parses but asks for what cannot be.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// showUsageError shows a mistake in the command line; c is nil if it is about the
// command itself.
func (a *app) showUsageError(c *command, err error) int {
	name := "moor"
	if c != nil {
		name += " " + c.name
	}
	a.printError(err.Error(), fmt.Sprintf("run \"%s --help\" to see what can be said", name))
	return exitUsage
}
