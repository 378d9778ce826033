// Command moor scans for Bluetooth LE devices and uses them over raw HCI; see moor
// --help.
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
	// The first signal makes the command disconnect and end.
	ctx, hangups := untilSignal()
	// If the reader of the output goes away, a write fails, and that disconnects.
	signal.Ignore(syscall.SIGPIPE)

	env := &cli.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, State: state(), Hangups: hangups}
	if term.IsTerminal(int(os.Stdout.Fd())) {
		env.Terminal = size
	}
	exit(ctx, cli.Run(ctx, os.Args[1:], env))
}

// size returns the size of the terminal.
func size() (columns, rows int) {
	columns, rows, _ = term.GetSize(int(os.Stdout.Fd()))
	return knownSize(columns, rows)
}

// knownSize replaces what a terminal does not tell, as on a serial line, by 80 columns and
// 24 rows.
func knownSize(columns, rows int) (int, int) {
	if columns <= 0 {
		columns = 80
	}
	if rows <= 0 {
		rows = 24
	}
	return columns, rows
}

// state returns the default state directory, in the user's directory for the state of
// programs (XDG Base Directory Specification); "" if the user has no home.
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
