// Command moor uses Bluetooth LE devices through raw HCI; see its help.
package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"github.com/moor-ble/moor/cmd/moor/internal/cli"
)

func main() {
	// The first signal lets the command disconnect and end.
	ctx := untilSignal()
	// A reader that goes away shows as an error of the write, which disconnects.
	signal.Ignore(syscall.SIGPIPE)

	env := &cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, State: state()}
	if term.IsTerminal(int(os.Stdout.Fd())) {
		env.Terminal = size
	}
	exit(ctx, cli.Run(ctx, os.Args[1:], env))
}

// size returns the size of the terminal, or that of the smallest usual one
// where it cannot be had.
func size() (columns, rows int) {
	columns, rows, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

// state returns the user's directory for what programs keep that is neither
// configuration nor worth a backup (XDG Base Directory Specification); "" if
// there is no home.
func state() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "moor")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "moor")
}
