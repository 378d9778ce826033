//go:build peers

package peers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/test/conntest"
	"github.com/moor-ble/moor/test/moortest"
)

// canal is a running RootCanal. Each connection to one of its ports gets a
// controller, all of them on one air.
type canal struct {
	Extended int // port of controllers with every feature
	Legacy   int // port of controllers without extended advertising

	mu      sync.Mutex
	clients map[string]bool // the connections, by RootCanal's number
}

// adapter returns the address of a controller at a port.
func adapter(port int) string { return fmt.Sprintf("tcp:127.0.0.1:%d", port) }

func startCanal(t *testing.T) *canal {
	t.Helper()
	path := os.Getenv("MOOR_ROOTCANAL")
	if path == "" {
		t.Skip("RootCanal has no program for this machine's architecture")
	}
	// RootCanal opens its other ports as well: 0 lets the kernel choose them.
	cmd := exec.Command(path, "-test_port=0", "-hci_port=0", "-link_port=0", "-link_ble_port=0", "-configuration",
		"tcp_server { tcp_port: 0 } tcp_server { tcp_port: 0 configuration { features { le_extended_advertising: false le_periodic_advertising: false } } }")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	log := io.Discard
	if dir := os.Getenv("MOOR_LOGS"); dir != "" {
		f, err := os.OpenFile(filepath.Join(dir, "rootcanal.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		log = f
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &canal{clients: map[string]bool{}}
	ready, over := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-over
		_ = cmd.Wait() // it was killed
	})
	go func() {
		defer close(over)
		said := bufio.NewScanner(io.TeeReader(out, log))
		c.readPorts(said)
		close(ready)
		for said.Scan() {
			c.noteClient(said.Text())
		}
	}()
	select {
	case <-ready:
	case <-time.After(conntest.Limit):
	}
	if c.Extended == 0 || c.Legacy == 0 {
		t.Fatal("RootCanal did not report its ports")
	}
	return c
}

var clientLine = regexp.MustCompile(`(\d+)\s+(Initialized device|HCI transport closed)`)

// noteClient reads a line of RootCanal's output that may tell of a client. The end of a
// client may come twice.
func (c *canal) noteClient(line string) {
	found := clientLine.FindStringSubmatch(line)
	if found == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if found[2] == "Initialized device" {
		c.clients[found[1]] = true
	} else {
		delete(c.clients, found[1])
	}
}

// ready waits until RootCanal has n clients: those that stay. Before it has noticed that
// a client has gone, the next one gets another address, to which no bond belongs.
func (c *canal) ready(n int) func(t *testing.T) {
	count := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.clients)
	}
	return func(t *testing.T) {
		t.Helper()
		for ctx := conntest.Within(t); count() != n; time.Sleep(10 * time.Millisecond) {
			if ctx.Err() != nil {
				t.Fatalf("RootCanal has %d clients, want %d", count(), n)
			}
		}
	}
}

var listening = regexp.MustCompile(`Listening on: (\d+)`)

// readPorts reads the ports from RootCanal's output, until RootCanal is ready. The
// line with a port follows the line that announces it.
func (c *canal) readPorts(said *bufio.Scanner) {
	ports, next := []*int{&c.Extended, &c.Legacy}, false
	for said.Scan() && !strings.Contains(said.Text(), "initialize: Finished") {
		if strings.Contains(said.Text(), "Opening an HCI") {
			next = true
		} else if found := listening.FindStringSubmatch(said.Text()); found != nil && next && len(ports) > 0 {
			fmt.Sscan(found[1], ports[0])
			ports, next = ports[1:], false
		}
	}
}

// TestRootCanal runs moor and Bumble on controllers of RootCanal, which advertise
// and connect with the commands and PDUs of Bluetooth 5, and with those of 4.
func TestRootCanal(t *testing.T) {
	for _, pdus := range []string{"extended", "legacy"} {
		t.Run(pdus, func(t *testing.T) {
			t.Parallel()
			c := startCanal(t)
			port := c.Extended
			if pdus == "legacy" {
				port = c.Legacy
			}
			b := startBumble(t, fmt.Sprint(port), pdus)
			m := moortest.New(t, "--adapter", adapter(port))
			m.Ready = c.ready(1)
			js := m.With(append(m.Args, "--json")...)
			full := address + "/" + kind
			t.Run("PDUs", func(t *testing.T) {
				run := js.Start(t, "scan", "--duration", "0", "--name", "moor-bumble")
				var r struct{ Extended bool }
				if err := json.Unmarshal([]byte(run.Line(t)), &r); err != nil || r.Extended != (pdus == "extended") {
					t.Errorf("the report says that it is extended: %v, %v", r.Extended, err)
				}
				run.Interrupt(t)
				run.Wait(t).OK(t)
			})
			moortest.Jobs(t, m, &moortest.Peer{
				Address: address, Kind: kind, Name: "moor-bumble",
				Service: "180f", Custom: custom(1), Scratch: custom(2), Initial: "01020304",
				Long: custom(2), Values: custom(3),
				Interval: 50 * time.Millisecond,
			})
			t.Run("the peer saw a write and a clean end", func(t *testing.T) {
				m.Run(t, "write", full, custom(2), "0102").OK(t)
				b.await(t, "written", func(e event) bool { return e.Value == "0102" })
				b.ended(t)
			})
			t.Run("cancel", func(t *testing.T) {
				run := js.Start(t, "connect", "C0:00:00:00:0B:AD/random")
				for !strings.Contains(run.Line(t), `"event":"attempt"`) {
				}
				begin := time.Now()
				run.Interrupt(t)
				if r := run.Wait(t); r.Exit != -1 || !strings.Contains(r.Stdout, `"event":"end"`) { // it dies by the signal
					t.Errorf("exit %d, stdout %s", r.Exit, r.Stdout)
				}
				if took := time.Since(begin); took > moortest.Soon {
					t.Errorf("it took %v", took)
				}
				m.Run(t, "read", full, custom(2)).OK(t)
			})
			t.Run("doctor", func(t *testing.T) {
				m.Run(t, "doctor").OK(t)
			})
		})
	}
}

// TestManagerRootCanal runs the connection manager in this process.
func TestManagerRootCanal(t *testing.T) {
	t.Parallel()
	c := startCanal(t)
	b := startBumble(t, fmt.Sprint(c.Extended), "legacy")
	conntest.Open(t, adapter(c.Extended)).Run(t, &conntest.Peer{
		Address: address + "/" + kind,
		Service: conntest.UUID(t, custom(1)), Scratch: conntest.UUID(t, custom(2)), Values: conntest.UUID(t, custom(3)),
		Initial: []byte{1, 2, 3, 4},
		Restart: b.change, Change: b.change,
	})
}

// TestPairRootCanal pairs over controllers that compare the keys.
func TestPairRootCanal(t *testing.T) {
	for name, legacy := range map[string]bool{"LE Secure Connections": false, "legacy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCanal(t)
			b := startMate(t, fmt.Sprint(c.Extended))
			m := moortest.New(t, "--adapter", adapter(c.Extended))
			m.Ready = c.ready(2)
			pairBumble(t, m, b, legacy)
		})
	}
}

// TestPrivateOnRootCanal resolves addresses in the controller.
func TestPrivateOnRootCanal(t *testing.T) {
	t.Parallel()
	c := startCanal(t)
	startMate(t, fmt.Sprint(c.Extended))
	m := moortest.New(t, "--adapter", adapter(c.Extended), "--privacy")
	m.Ready = c.ready(2)
	m.Run(t, "pair", mateAddress).OK(t).Says(t, "paired by Just Works")
	moortest.Private(t, m, mateAddress, custom(2), "01 02 03 04", func() {})
}

// TestPairedOnRootCanal makes moor the peripheral.
func TestPairedOnRootCanal(t *testing.T) {
	t.Parallel()
	c := startCanal(t)
	for pdus, port := range map[string]int{"extended": c.Extended, "legacy": c.Legacy} {
		t.Run(pdus, func(t *testing.T) {
			b := startMate(t, fmt.Sprint(c.Extended))
			h := (&conntest.Lock{
				Service: conntest.UUID(t, custom(1)), Guarded: conntest.UUID(t, custom(2)), Value: []byte{1, 2, 3, 4},
				SMP: &smp.Config{Privacy: true},
			}).Open(t, adapter(port))
			own, err := h.Controller().OwnAddress(conntest.Within(t))
			if err != nil {
				t.Fatal(err)
			}
			b.order(t, map[string]any{"do": "pair", "address": own.String()})
			if e := b.next(t, "read"); e.Value != "01020304" || !e.SC {
				t.Errorf("paired: %+v", e)
			}
			awaitBond(t, h)
			b.order(t, map[string]any{"do": "return", "address": own.String()})
			if e := b.next(t, "read"); e.Value != "01020304" {
				t.Errorf("with the bond: %+v", e)
			}
		})
	}
}
