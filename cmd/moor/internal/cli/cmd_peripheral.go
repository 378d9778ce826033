package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/peripheral"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

type peripheralCmd struct {
	File wordArg
	Name wordArg
}

// wordArg is a word that is not empty.
type wordArg string

// UnmarshalText takes any text but an empty one.
func (t *wordArg) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		return errors.New("it is empty")
	}
	*t = wordArg(b)
	return nil
}

func newPeripheral() *command {
	c := &peripheralCmd{}
	cmd := newCommand(groupAir, "peripheral", "Serve a device of a scenario file, until Ctrl-C.", c.runPeripheral)
	cmd.word("file", "a scenario file, see docs/lab.md", &c.File)
	cmd.word("name", "the name of the peripheral in the file, if it has several", &c.Name)
	cmd.args[1].may = true
	cmd.detail = `The device advertises, serves its table to the centrals that connect, and pairs as the file says. Lines of the form NAME=VALUE on standard input set values; NAME is the name or the UUID of a characteristic. A value with the behavior exec is the output of a command of the file, which a shell runs with the rights of moor.

On SIGHUP, moor reads the file again, and Service Changed tells the centrals of the new table. Bonds are stored in the state directory. With --json, there is an object for each action: event is advertising, connected, disconnected, paired, subscribed, written, value, reloaded, failed, lost or back; the last two are of the adapter.

If the adapter fails or is unplugged, moor waits until it is back, and serves on with the same values.`
	return cmd
}

// runPeripheral serves until Ctrl-C, which is a regular end.
func (c *peripheralCmd) runPeripheral(ctx context.Context, a *app) error {
	d, err := c.describe()
	if err != nil {
		return err
	}
	names, err := a.adapterNames()
	if err != nil {
		return err
	}
	if len(a.Adapters) > 1 {
		return usagef("peripheral uses one adapter: name one with --adapter")
	}
	if a.Privacy {
		return usagef("--privacy: the file has the address of the peripheral: write address: resolvable there")
	}
	v := &peripheralView{a: a, adapter: names[0], name: d.Name}
	o := &peripheral.Options{Seed: uint64(time.Now().UnixNano()), Event: v.showEvent, Run: runShell, Passkey: v.showPasskey, Logger: a.log}
	if dir := a.stateDir(); dir != "" {
		o.Bonds = smp.Files(filepath.Join(dir, "peripheral"))
	}
	e, err := peripheral.New(d, o)
	if err != nil {
		return err
	}
	capture, err := a.openCapture(ctx)
	if err != nil {
		return err
	}
	return a.closeCapture(capture, c.serve(ctx, a, e, names[0], capture))
}

// describe reads the file and returns the peripheral of the command line.
func (c *peripheralCmd) describe() (*peripheral.Description, error) {
	s, err := sim.Load(string(c.File))
	if err != nil {
		return nil, err
	}
	all := s.Peripherals()
	if c.Name == "" && len(all) == 1 {
		return all[0], nil
	}
	var names []string
	for _, d := range all {
		if d.Name == string(c.Name) {
			return d, nil
		}
		names = append(names, d.Name)
	}
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("%s has no peripherals", string(c.File))
	case c.Name == "":
		return nil, usagef("%s has several peripherals: name one of %s", string(c.File), strings.Join(names, ", "))
	}
	return nil, usagef("%s has no peripheral %q: there are %s", string(c.File), string(c.Name), strings.Join(names, ", "))
}

// serve serves the peripheral on the adapter. The table outlives the loss of the adapter,
// with its values and the subscriptions of bonded centrals.
func (c *peripheralCmd) serve(ctx context.Context, a *app, e *peripheral.Engine, adapter string, to *capture) error {
	server, err := e.NewServer()
	if err != nil {
		return err
	}
	defer server.Close()
	x := &peripheralInput{c: c, a: a, e: e}
	var h *host.Host
	held := &heldAdapter{
		a: a, name: adapter,
		open: func(ctx context.Context, tr hci.Transport) (*controller.Controller, func() error, error) {
			cfg := e.HostConfig()
			cfg.Server = server
			cfg.HCI = controller.Config{
				Name: adapter, Address: cfg.HCI.Address, Logger: a.log, Snoop: to.writer(), SnoopKeys: a.SnoopKeys, DisableExtended: a.NoExtended,
			}
			var err error
			if h, err = host.Open(ctx, tr, cfg); err != nil {
				return nil, nil, err
			}
			return h.Controller(), h.Close, nil
		},
		use: func(ctx context.Context, _ *controller.Controller) error {
			served := make(chan error, 1)
			go func() { served <- e.Serve(ctx, h) }()
			return x.control(ctx, served)
		},
	}
	return held.hold(ctx)
}

// peripheralInput is what changes a peripheral while it is served: the lines of standard
// input, and the requests to read the file again.
type peripheralInput struct {
	c       *peripheralCmd
	a       *app
	e       *peripheral.Engine
	begun   bool
	hangups <-chan struct{}
	lines   <-chan string
}

// control handles the input until the peripheral ends.
func (x *peripheralInput) control(ctx context.Context, served <-chan error) error {
	select {
	case <-x.e.Ready():
	case err := <-served:
		return err
	}
	if !x.begun {
		x.begun, x.lines = true, x.a.readLines(ctx)
		if x.a.env.Hangups != nil {
			x.hangups = x.a.env.Hangups()
		}
	}
	for {
		select {
		case err := <-served:
			return err
		case line, ok := <-x.lines:
			if !ok {
				x.lines = nil
				continue
			}
			if err := setLine(ctx, x.e, line); err != nil && ctx.Err() == nil {
				x.a.printError(err.Error(), "")
			}
		case <-x.hangups:
			d, err := x.c.describe()
			if err == nil {
				err = x.e.Reload(ctx, d)
			}
			if err != nil && ctx.Err() == nil {
				x.a.printError("the peripheral stays as it is: "+err.Error(), "")
			}
		}
	}
}

// readLines returns the lines of standard input. The channel is closed at their end. A
// goroutine that waits for a line stays until the process ends.
func (a *app) readLines(ctx context.Context) <-chan string {
	lines := make(chan string)
	if a.env.Stdin == nil {
		return nil
	}
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(a.env.Stdin); in.Scan(); {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// setLine carries out a line NAME=VALUE.
func setLine(ctx context.Context, e *peripheral.Engine, line string) error {
	if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	name, value, ok := strings.Cut(line, "=")
	if !ok {
		return fmt.Errorf("%q sets no value: write NAME=VALUE", line)
	}
	return e.SetValue(ctx, strings.TrimSpace(name), strings.TrimSpace(value))
}

// Bounds of a command of a scenario file.
const (
	commandTime = 10 * time.Second
	maxOutput   = 4096
)

// runShell returns the output of a command of a scenario file.
func runShell(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	x := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	x.WaitDelay = time.Second // for children that keep the pipe open
	out, err := x.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := x.Start(); err != nil {
		return "", fmt.Errorf("exec %q: %w", command, err)
	}
	b, err := io.ReadAll(io.LimitReader(out, maxOutput+1))
	if len(b) > maxOutput {
		cancel()
		err = fmt.Errorf("more than %d octets of output", maxOutput)
	}
	if ended := x.Wait(); err == nil {
		err = ended
	}
	if err != nil {
		return "", fmt.Errorf("exec %q: %w", command, err)
	}
	return string(b), nil
}

// peripheralView shows the events of a peripheral.
type peripheralView struct {
	a             *app
	adapter, name string
}

// jsonPeripheral is the output of peripheral --json for each event.
type jsonPeripheral struct {
	Time           time.Time            `json:"time"`
	Event          peripheral.EventKind `json:"event"`
	Adapter        string               `json:"adapter,omitempty"`
	Address        *hci.Addr            `json:"address,omitempty"`
	Characteristic string               `json:"characteristic,omitempty"`
	Value          *string              `json:"value,omitempty"` // hexadecimal
	Notify         *bool                `json:"notify,omitempty"`
	Indicate       *bool                `json:"indicate,omitempty"`
	Authenticated  *bool                `json:"authenticated,omitempty"`
	Reason         string               `json:"reason,omitempty"`
	Error          string               `json:"error,omitempty"`
}

// showPasskey shows the passkey for the user to type at the central.
func (v *peripheralView) showPasskey(p smp.Passkey) {
	fmt.Fprintf(v.a.env.Stderr, "%s shows %v.\n", v.name, p)
}

// showEvent shows an event. Values that move by themselves are only in the JSON.
func (v *peripheralView) showEvent(ev peripheral.Event) {
	if v.a.JSON {
		v.a.out.json(v.toJSON(&ev))
		return
	}
	out := v.a.out
	switch ev.Kind {
	case peripheral.EventAdvertising:
		out.printf("%s advertises on %s as %v; Ctrl-C ends\n", v.name, v.adapter, ev.Own)
	case peripheral.EventConnected, peripheral.EventPaired:
		out.printf("%v %s\n", ev.Peer, ev.Kind)
	case peripheral.EventDisconnected:
		out.printf("%v disconnected: %v\n", ev.Peer, ev.Reason)
	case peripheral.EventSubscribed:
		word := "subscribed to"
		if !ev.Notify && !ev.Indicate {
			word = "unsubscribed from"
		}
		out.printf("%v %s %s\n", ev.Peer, word, ev.Characteristic)
	case peripheral.EventWritten:
		out.printf("%v wrote %s: % x\n", ev.Peer, ev.Characteristic, ev.Value)
	case peripheral.EventReloaded:
		out.printf("%s has a new table with %d characteristics\n", v.name, ev.Characteristics)
	case peripheral.EventFailed:
		v.a.printError(fmt.Sprintf("%s keeps its value: %v", ev.Characteristic, ev.Err), "")
	default:
	}
}

func (v *peripheralView) toJSON(ev *peripheral.Event) *jsonPeripheral {
	j := &jsonPeripheral{Time: ev.Time, Event: ev.Kind, Characteristic: ev.Characteristic}
	if ev.Peer != (hci.Addr{}) {
		j.Address = &ev.Peer
	}
	switch ev.Kind {
	case peripheral.EventAdvertising:
		j.Adapter, j.Address = v.adapter, &ev.Own
	case peripheral.EventDisconnected:
		j.Reason = ev.Reason.String()
	case peripheral.EventPaired:
		j.Authenticated = &ev.Authenticated
	case peripheral.EventSubscribed:
		j.Notify, j.Indicate = &ev.Notify, &ev.Indicate
	case peripheral.EventWritten, peripheral.EventValue:
		text := fmt.Sprintf("%x", ev.Value)
		j.Value = &text
	default:
	}
	if ev.Err != nil {
		j.Error = ev.Err.Error()
	}
	return j
}
