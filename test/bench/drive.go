package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// result is one line of the results: what a side did N times at once, or once.
type result struct {
	Side string
	What string
	N    int      `json:",omitempty"`
	MS   float64  `json:",omitempty"` // as its user waits
	CPU  float64  `json:",omitempty"` // of all processes of the side, in ms
	PSS  float64  `json:",omitempty"` // in MB
	HCI  *packets `json:",omitempty"`
}

// side is one of the two that are compared.
type side struct {
	name      string
	adapter   uint16
	in        io.Writer
	out       *bufio.Scanner
	processes []int
}

// startSide starts a central. others are the names of the processes that work for it.
func startSide(ctx context.Context, name string, adapter uint16, others []string, argv ...string) (*side, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &side{name: name, adapter: adapter, in: in, out: bufio.NewScanner(out), processes: []int{cmd.Process.Pid}}
	for _, o := range others {
		pids := findProcesses(o)
		if len(pids) == 0 {
			return nil, fmt.Errorf("no process %s", o)
		}
		s.processes = append(s.processes, pids...)
	}
	return s, nil
}

// do has the side do something, and measures it.
func (s *side) do(what string, n int) (result, error) {
	before := cpuOf(s.processes)
	if _, err := fmt.Fprintln(s.in, what, n); err != nil {
		return result{}, err
	}
	if !s.out.Scan() {
		return result{}, errors.Join(fmt.Errorf("%s ended at %s", s.name, what), s.out.Err())
	}
	var r reply
	if err := json.Unmarshal(s.out.Bytes(), &r); err != nil {
		return result{}, fmt.Errorf("%s: %q: %w", s.name, s.out.Text(), err)
	}
	if r.Error != "" {
		return result{}, fmt.Errorf("%s: %s: %s", s.name, what, r.Error)
	}
	return result{Side: s.name, What: what, N: n, MS: r.MS, CPU: cpuOf(s.processes) - before}, nil
}

// drive has moor on hci0 and bleak on hci2, with the bluetoothd and the message bus that
// run, do the same in turn, ROUNDS times, and writes the results to FILE, a line each. They do
// everything, or connects alone.
func drive(ctx context.Context, args []string) error {
	if len(args) != 6 {
		return fmt.Errorf("usage: bench drive PYTHON SCRIPT ADDR ROUNDS everything|connects FILE")
	}
	python, script, address, file := args[0], args[1], args[2], args[5]
	rounds, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	moor, err := startSide(ctx, "moor", 0, nil, self, "central", "hci0", address, "/tmp/state")
	if err != nil {
		return err
	}
	bleak, err := startSide(ctx, "bleak", 2, []string{"bluetoothd", "dbus-daemon"}, python, script, "hci2", address)
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	d := driver{sides: []*side{moor, bleak}, out: json.NewEncoder(f), connects: args[4] == "connects"}
	return errors.Join(d.compare(ctx, rounds, filepath.Dir(file)), f.Close())
}

type driver struct {
	sides    []*side
	out      *json.Encoder
	connects bool // nothing but connects
}

func (d *driver) compare(ctx context.Context, rounds int, dir string) error {
	// Both have connected twice before anything counts.
	for range 2 {
		for _, s := range d.sides {
			if err := d.connect(s, nil); err != nil {
				return err
			}
		}
	}
	for i := range rounds {
		fmt.Printf("bench: round %d of %d\n", i+1, rounds)
		for _, s := range d.sides {
			if err := d.connect(s, d.out); err != nil {
				return err
			}
			if d.connects {
				continue
			}
			if err := d.operate(s); err != nil {
				return err
			}
		}
		slices.Reverse(d.sides)
	}
	if d.connects {
		return nil
	}
	for _, s := range d.sides {
		if err := d.out.Encode(result{Side: s.name, What: "memory", PSS: pssOf(s.processes)}); err != nil {
			return err
		}
		if err := d.count(ctx, s, dir); err != nil {
			return err
		}
	}
	return nil
}

// run has a side do things, and writes the results if out is not nil.
func run(s *side, out *json.Encoder, n int, whats ...string) error {
	for _, what := range whats {
		r, err := s.do(what, n)
		if err != nil {
			return err
		}
		if out != nil && what != "prepare" {
			if err := out.Encode(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// connect connects with nothing cached, and with the table cached.
func (d *driver) connect(s *side, out *json.Encoder) error {
	if err := run(s, out, 1, "prepare", "cold", "close"); err != nil {
		return err
	}
	// bleak has not cached the table, since it was told not to.
	if err := run(s, nil, 1, "warm", "close"); err != nil {
		return err
	}
	return run(s, out, 1, "warm", "close")
}

// operate works on one link.
func (d *driver) operate(s *side) error {
	if err := run(s, nil, 1, "warm"); err != nil {
		return err
	}
	if err := run(s, d.out, 30, "reads", "writes", "commands"); err != nil {
		return err
	}
	if err := run(s, d.out, 200, "notifications"); err != nil {
		return err
	}
	return run(s, nil, 1, "close")
}

// count captures what a side sends and receives.
func (d *driver) count(ctx context.Context, s *side, dir string) error {
	for _, c := range []struct{ before, what, after string }{
		{"prepare", "cold", "close"}, {"", "warm", "close"}, {"", "warm", ""}, {"", "reads", "close"},
	} {
		if c.before != "" {
			if err := run(s, nil, 1, c.before); err != nil {
				return err
			}
		}
		path := filepath.Join(dir, s.name+"-"+c.what+".btsnoop")
		n, err := capture(ctx, path, s.adapter, func() error { return run(s, nil, 1, c.what) })
		if err != nil {
			return err
		}
		if c.after != "" {
			if err := run(s, nil, 1, c.after); err != nil {
				return err
			}
			if err := d.out.Encode(result{Side: s.name, What: c.what, HCI: &n}); err != nil {
				return err
			}
		}
	}
	return nil
}
