//go:build !minimal

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/lab"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

type labCmd struct {
	File    string
	Words   []string // of set
	Attach  attachList
	Control controlArg
	Example bool
	Check   bool
	Force   bool
}

// attachList is the places of a flag that may be repeated, by the name of the controller.
type attachList map[string]lab.Place

// nowhere is the place of a controller that is not attached, although the file asks for it.
const nowhere = "none"

// UnmarshalText reads NAME=PLACE.
func (l *attachList) UnmarshalText(b []byte) error {
	name, where, ok := strings.Cut(string(b), "=")
	if !ok || name == "" {
		return fmt.Errorf("%q: write NAME=PLACE, such as hci0=tcp:127.0.0.1:9001", b)
	}
	if *l == nil {
		*l = attachList{}
	}
	if _, ok := (*l)[name]; ok {
		return fmt.Errorf("%s is attached twice: leave one of them out", name)
	}
	var p placeArg
	if where != nowhere {
		if err := p.UnmarshalText([]byte(where)); err != nil {
			return err
		}
	}
	(*l)[name] = p.Place
	return nil
}

func newLab() *command {
	c := &labCmd{}
	cmd := newCommand(groupAir, "lab", "Run a scenario in real time, and give its controllers to other stacks.", c.runLab)
	cmd.args = []arg{
		{name: "file", help: "a scenario file, see docs/lab.md, or the name of a scenario; set gives an order to a lab", may: true,
			set: func(w string) error { c.File = w; return nil }},
		{name: "word", help: "the order, after set", many: true, set: func(w string) error { c.Words = append(c.Words, w); return nil }},
	}
	cmd.flag("attach", "attach a controller (`NAME=PLACE`) to tcp:HOST:PORT, unix:PATH, pty or vhci, or to none, in place of the file's attach; may be repeated", &c.Attach)
	cmd.flag("control", "serve or use the control interface at `ADDRESS`: unix:PATH, or tcp:127.0.0.1:PORT", &c.Control)
	cmd.flags.BoolVar(&c.Force, "force", false, "allow places that other machines reach")
	cmd.flags.BoolVar(&c.Example, "example", false, "write an example of a scenario file, with comments")
	cmd.flags.BoolVar(&c.Check, "check", false, "only read the file")
	cmd.detail = `A controller is at the place where its attach in the file says. One client at a time has it, and each gets a fresh one: Linux with vhci, which needs root, and with the others every stack that speaks HCI in the H4 format, such as moor --adapter tcp:HOST:PORT, or Bumble's tcp-client:HOST:PORT. With --json, there is an object for each event: event is listening, client, left, refused, action, control, dropped, or one of moor peripheral with the name of the device. A lab does not wait for the reader of its output: dropped has the number of events that are missing.

A controller whose place other machines reach needs --force, since there is no password. --snoop DIR captures the packets of each client of a controller in DIR/NAME.btsnoop; --snoop NAME=FILE captures those of one controller.

` + setDetail
	return cmd
}

func (c *labCmd) runLab(ctx context.Context, a *app) error {
	switch {
	case (c.Example || c.Check || c.File == "set") && (a.Snoop != "" || a.SnoopKeys):
		return usagef("--snoop: there are no packets to capture: leave it out")
	case c.Example && c.File != "":
		return usagef("--example needs no FILE: leave one of them out")
	case c.Example:
		a.out.writeBytes(sim.ExampleFile())
		return nil
	case c.File == "":
		return usagef("FILE is missing: a scenario file; --example writes one")
	case c.File == "set":
		return c.runSet(ctx)
	case len(c.Words) > 0:
		return usagef("unexpected argument %q", c.Words[0])
	}
	s, err := sim.ParseScenario(c.File)
	if err != nil {
		return err
	}
	if c.Check {
		a.out.printf("%s is right: it has %s\n", c.File, plural(len(s.Peripherals()), "peripheral"))
		return nil
	}
	return c.serveWorld(ctx, a, s)
}

// attachedPort is a controller at its place.
type attachedPort struct {
	name string
	port *lab.Port
}

// serveWorld runs the scenario until Ctrl-C, which is a regular end.
func (c *labCmd) serveWorld(ctx context.Context, a *app, s sim.Scenario) (err error) {
	v, end := newLabView(a, false)
	defer end()
	w, err := s.OpenWorld(ctx, &sim.ScenarioOptions{
		Event: v.showWorld,
		Passkey: func(device string, p smp.Passkey) {
			fmt.Fprintf(a.env.Stderr, "The simulated %s shows %v.\n", device, p)
		},
	})
	if err != nil {
		return err
	}
	defer func() {
		if closed := w.Close(); err == nil {
			err = closed
		}
	}()
	ports, err := c.openPorts(ctx, a, w)
	defer func() { // those that Serve has closed are closed already
		for _, p := range ports {
			_ = p.port.Close()
		}
	}()
	if err != nil {
		return err
	}
	captures, err := a.openCaptures(ctx, ports)
	if err != nil {
		return err
	}
	defer func() { err = a.closeCaptures(captures, err) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tasks := []func() error{}
	for _, p := range ports {
		cfg := &lab.Config{
			Capture: snoopPackets(a, captures[p.name]),
			Open:    func(ctx context.Context) (hci.Transport, error) { return w.Air().OpenTransport(ctx, p.name) },
			Event:   func(e lab.Event) { v.showClient(p.name, e) },
		}
		tasks = append(tasks, func() error { return p.port.Serve(ctx, cfg) })
	}
	control, err := c.openControl(ctx, v, w, ports)
	if err != nil {
		return err
	}
	if control != nil {
		tasks = append(tasks, control)
	}
	ended := make(chan error, len(tasks))
	for _, task := range tasks {
		go func() { ended <- task() }()
	}
	for range tasks {
		if failed := <-ended; failed != nil && err == nil {
			err = failed
		}
		cancel()
	}
	return err
}

// openPorts opens the places of the controllers.
func (c *labCmd) openPorts(ctx context.Context, a *app, w *sim.World) (ports []attachedPort, err error) {
	var names []string
	for _, at := range w.Attachments() {
		names = append(names, at.Name)
		where, ok := c.Attach[at.Name]
		if !ok {
			if at.Attach == "" {
				continue
			}
			if where, err = lab.ParsePlace(at.Attach); err != nil {
				return ports, err
			}
		}
		if where == (lab.Place{}) {
			continue
		}
		if !where.IsLocal() {
			if !c.Force {
				return ports, usagef("%s: everybody who reaches %v can use the controller: attach it to tcp:127.0.0.1:PORT or unix:PATH, or add --force", at.Name, where)
			}
			a.printError(fmt.Sprintf("%s: there is no password, and everybody who reaches %v can use the controller", at.Name, where), "")
		}
		port, err := lab.Listen(ctx, where)
		if err != nil {
			return ports, fmt.Errorf("%s: %w", at.Name, err)
		}
		ports = append(ports, attachedPort{at.Name, port})
	}
	for name := range c.Attach {
		if !slices.Contains(names, name) {
			return ports, usagef("--attach: no controller %q: there are %s", name, strings.Join(names, ", "))
		}
	}
	if len(ports) == 0 {
		return nil, usagef("no controller is attached: write --attach %s=tcp:127.0.0.1:9001, or attach in the file", names[0])
	}
	return ports, nil
}

var errNoControl = errors.New("--control is missing: the address that the lab has with --control")

// orderTime bounds an order to a lab.
const orderTime = 10 * time.Second

// runSet gives an order to a running lab.
func (c *labCmd) runSet(ctx context.Context) error {
	if c.Control.Place == (lab.Place{}) {
		return usagef("%w", errNoControl)
	}
	order, err := orderOf(c.Words)
	if err != nil {
		return usagef("%w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	if err := lab.SendOrder(ctx, c.Control.Place, order); err != nil {
		return errors.New(text.DropPackages(err.Error()))
	}
	return nil
}
