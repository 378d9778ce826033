// Command container runs a program with an adapter as its descriptor 3, for containers
// that cannot open one: the adapter stays here, where the rights are.
//
//	container [-a ADAPTER] podman run --preserve-fds 1 IMAGE moor -a fd:3 scan
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/lab"
	"github.com/moor-ble/moor/sim"
)

func main() {
	adapter := flag.String("a", "hci0", "use `ADAPTER`, such as hci1 or sim:sensors")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: container [-a ADAPTER] COMMAND...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := runWith(ctx, *adapter, flag.Args())
	if ended, ok := errors.AsType[*exec.ExitError](err); ok && ended.Exited() {
		os.Exit(ended.ExitCode()) // the program has said why
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "container:", err)
		os.Exit(1)
	}
}

// runWith runs a command that has the adapter as descriptor 3, until it ends.
func runWith(ctx context.Context, adapter string, command []string) error {
	kind, err := connmgr.KindOf([]connmgr.Kind{connmgr.HCI(nil), {Prefix: "sim:", Open: sim.OpenTransport}}, adapter)
	if err != nil {
		return err
	}
	tr, err := kind.Open(ctx, adapter) // now, so that its error comes before the program
	if err != nil {
		return err
	}
	end, err := offer(ctx, tr)
	if err != nil {
		return errors.Join(err, tr.Close())
	}
	defer end.Close() // the port then closes the adapter
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{end} // descriptor 3
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}

// offer returns the end of a connection over which a program reaches the adapter.
func offer(ctx context.Context, tr hci.Transport) (*os.File, error) {
	dir, err := os.MkdirTemp("", "container") // readable by this user alone
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // the connection outlives its name
	path := filepath.Join(dir, "hci")
	port, err := lab.Listen(ctx, lab.Place{Kind: lab.PlaceUnix, Name: path})
	if err != nil {
		return nil, err
	}
	go func() { // ends with ctx, or with this program
		_ = port.Serve(ctx, &lab.Config{Reset: true, Open: func(context.Context) (hci.Transport, error) { return tr, nil }})
	}()
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // File duplicates the descriptor
	return conn.(*net.UnixConn).File()
}
