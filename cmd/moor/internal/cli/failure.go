package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/smp"
)

// Exit codes. Those from 3 to 7 say why a connection could not be established, and 8 says that
// a pairing failed.
const (
	exitOK         = 0
	exitError      = 1
	exitUsage      = 2
	exitNotFound   = 3
	exitOutOfSlots = 4
	exitAborted    = 5
	exitConnection = 6
	exitBondLost   = 7
	exitPairing    = 8
)

// exitClasses are the classes of the exit codes that have one meaning.
var exitClasses = map[int]string{
	exitUsage: "usage", exitNotFound: "not found", exitOutOfSlots: "out of slots", exitAborted: "aborted",
	exitConnection: "connection", exitBondLost: "bond lost", exitPairing: "pairing",
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
	code := exitCode(err)
	a.printFailure(shown, tip, errorClass(err, code), code)
	return code
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
	if _, ok := errors.AsType[*smp.Error](err); ok && !errors.Is(err, smp.ErrBondLost) { // so it was here
		return exitPairing
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

// errorClass returns the class of an error for scripts: the meaning of its exit code, or else
// the category of package errclass.
func errorClass(err error, code int) string {
	class, ok := exitClasses[code]
	category := classOf(err).Category
	switch {
	case ok:
		return class
	case errors.Is(err, errInterrupted):
		return "interrupted"
	case category == errclass.None, classOf(err).Row == errclass.Unclassified:
		return "other"
	}
	return category.String()
}

// jsonFailure is the error that ends a command with --json, on standard error.
type jsonFailure struct {
	Error    string `json:"error"`
	Class    string `json:"class"`
	Advice   string `json:"advice,omitempty"`
	ExitCode int    `json:"exit_code"`
}

// jsonWarning is any other error with --json, on standard error: the command goes on.
type jsonWarning struct {
	Warning string `json:"warning"`
	Advice  string `json:"advice,omitempty"`
}

// printFailure shows the error that ends the command, with its class and the exit code.
func (a *app) printFailure(message, tip, class string, code int) {
	if a.JSON {
		a.printJSONError(jsonFailure{text.DropPackages(message), class, tip, code})
		return
	}
	a.printText(message, tip)
}

// printError shows an error and its remedy. The command goes on.
func (a *app) printError(message, tip string) {
	if a.JSON {
		a.printJSONError(jsonWarning{text.DropPackages(message), tip})
		return
	}
	a.printText(message, tip)
}

// printJSONError writes v as one line to standard error.
func (a *app) printJSONError(v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		a.printText(err.Error(), "")
		return
	}
	_, _ = a.env.Stderr.Write(b.Bytes()) // nowhere else to tell
}

// printText shows an error and its remedy, broken into lines for a terminal.
func (a *app) printText(message, tip string) {
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
