package lab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcitest"
	"github.com/moor-ble/moor/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Packets of a host and their answers by a controller.
var (
	reset      = []byte{1, 0x03, 0x0C, 0}
	resetDone  = []byte{4, 0x0E, 4, 1, 0x03, 0x0C, 0}
	scanOn     = []byte{1, 0x0C, 0x20, 2, 1, 0}
	scanOnDone = []byte{4, 0x0E, 4, 1, 0x0C, 0x20, 0}
)

// pipes is a net.Listener whose clients are pipes in the process.
type pipes struct {
	clients chan net.Conn
	once    sync.Once
	done    chan struct{}
}

func newPipes() *pipes { return &pipes{clients: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.clients:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial() net.Conn {
	mine, theirs := net.Pipe()
	p.clients <- theirs
	return mine
}

// bench is a port with the controller of an air.
type bench struct {
	t      *testing.T
	air    *sim.Air
	c      *sim.Controller
	stop   context.CancelFunc
	served chan error

	mu     sync.Mutex
	events []string
}

// serve serves the controller hci0 at p.
func serve(t *testing.T, p *Port, change func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, air: sim.New(&sim.Config{Seed: 1}), served: make(chan error, 1)}
	b.c = b.air.NewController(&sim.ControllerConfig{Name: "hci0"})
	cfg := &Config{
		Open: func(ctx context.Context) (hci.Transport, error) { return b.air.OpenTransport(ctx, "hci0") },
		Event: func(e Event) {
			line := string(e.Kind)
			if e.Err != nil {
				line += ": " + e.Err.Error()
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.events = append(b.events, line)
		},
	}
	if change != nil {
		change(cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() { b.served <- p.Serve(ctx, cfg) }()
	return b
}

// end ends the port and wants the events.
func (b *bench) end(want ...string) {
	b.t.Helper()
	b.stop()
	if err := <-b.served; err != nil {
		b.t.Errorf("Serve: %v", err)
	}
	if err := b.air.Close(); err != nil {
		b.t.Error(err)
	}
	b.wantEvents(want...)
}

func (b *bench) wantEvents(want ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := strings.Join(b.events, "\n"); got != strings.Join(want, "\n") {
		b.t.Errorf("events:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// ask writes a packet and wants the answer.
func ask(t *testing.T, c io.ReadWriter, packet, want []byte) {
	t.Helper()
	if _, err := c.Write(packet); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got [% X], %v; want [% X]", got, err, want)
	}
}

// wantEnd wants the end of the client's connection.
func wantEnd(t *testing.T, c io.Reader) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d octets, %v; want the end", n, err)
	}
}

// TestClientsInTurn: each client has a fresh controller, and a second one is refused.
func TestClientsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		b := serve(t, NewPort(l), nil)
		first := l.dial()
		ask(t, first, reset, resetDone)
		ask(t, first, scanOn, scanOnDone)
		start := time.Now()
		second := l.dial()
		wantEnd(t, second)
		if took := time.Since(start); took != leaveTime {
			t.Errorf("refused after %v, want %v", took, leaveTime)
		}
		ask(t, first, reset, resetDone)
		ask(t, first, scanOn, scanOnDone)
		if used := b.air.Usage(b.c).Listening; used == 0 {
			time.Sleep(time.Second)
			if used = b.air.Usage(b.c).Listening; used == 0 {
				t.Error("the controller does not scan")
			}
		}
		first.Close()
		third := l.dial() // at once
		ask(t, third, reset, resetDone)
		before := b.air.Usage(b.c).Listening
		time.Sleep(time.Second)
		if after := b.air.Usage(b.c).Listening; after != before {
			t.Errorf("the controller scanned %v for the client before", after-before)
		}
		third.Close()
		synctest.Wait()
		b.end("listening", "client", "refused: "+errBusy.Error(), "left: "+ErrLeft.Error(), "client", "left: "+ErrLeft.Error())
	})
}

// TestBadClients: each mistake ends the session with its reason, and the next client is
// served.
func TestBadClients(t *testing.T) {
	for _, c := range []struct {
		name string
		send []byte
		want string
	}{
		{"noise before", []byte("GET / HTTP/1.1\r\n"), ErrLeft.Error() + "; it sent 16 octets that begin no packet"},
		{"half a packet", append(bytes.Clone(reset), 1, 0x03), ErrHalfPacket.Error()},
		{"half a header", []byte{2}, ErrHalfPacket.Error()},
		{"garbage", append(bytes.Clone(reset), 0x47), "out of step"},
		{"an event", append(bytes.Clone(reset), 4, 0x0E, 0), "lab: the client sent a packet of type 0x04, which hosts do not send"},
		{"too long", append(bytes.Clone(reset), append([]byte{2, 0, 0, 0xFF, 0xFF}, make([]byte, 2000)...)...), "packet longer than 1029 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				b := serve(t, NewPort(l), nil)
				bad := l.dial()
				go func() { _, _ = io.Copy(io.Discard, bad) }()
				_, _ = bad.Write(c.send) // the port may hang up within it
				time.Sleep(time.Millisecond)
				bad.Close()
				next := l.dial()
				ask(t, next, reset, resetDone)
				next.Close()
				synctest.Wait()
				b.mu.Lock()
				got := b.events[2]
				b.mu.Unlock()
				if !strings.HasPrefix(got, "left: ") || !strings.Contains(got, c.want) {
					t.Errorf("%q, want %q", got, c.want)
				}
				b.end("listening", "client", got, "client", "left: "+ErrLeft.Error())
			})
		})
	}
}

// TestSlowClient: a client that does not read is dropped after Patience.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		b := serve(t, NewPort(l), nil)
		c := l.dial()
		if _, err := c.Write(reset); err != nil {
			t.Fatal(err)
		}
		time.Sleep(Patience)
		b.wantEvents("listening", "client")
		time.Sleep(time.Millisecond)
		b.wantEvents("listening", "client", "left: "+ErrSlow.Error())
		c.Close()
		next := l.dial()
		ask(t, next, reset, resetDone)
		next.Close()
		synctest.Wait()
		b.end("listening", "client", "left: "+ErrSlow.Error(), "client", "left: "+ErrLeft.Error())
	})
}

// TestUnpluggedController: its client loses it, and others are refused until it is back.
func TestUnpluggedController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		b := serve(t, NewPort(l), nil)
		c := l.dial()
		ask(t, c, reset, resetDone)
		b.c.Replug(3*time.Second, "")
		wantEnd(t, c)
		refused := l.dial()
		wantEnd(t, refused)
		time.Sleep(3 * time.Second)
		next := l.dial()
		ask(t, next, reset, resetDone)
		next.Close()
		synctest.Wait()
		b.end("listening", "client", "left: sim: controller unplugged", "refused: sim: controller unplugged: hci0", "client", "left: "+ErrLeft.Error())
	})
}

// TestReset: with Config.Reset, the controller is reset once its client has gone, and the
// capture has the packets of the client alone.
func TestReset(t *testing.T) {
	for _, answers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			host, ctl := hcitest.Pipe()
			var captured []string
			l := newPipes()
			b := serve(t, NewPort(l), func(cfg *Config) {
				cfg.Reset = true
				cfg.Open = func(context.Context) (hci.Transport, error) { return host, nil }
				cfg.Capture = func(_ time.Time, sent bool, p []byte) error {
					captured = append(captured, map[bool]string{true: ">", false: "<"}[sent]+string(p))
					return nil
				}
			})
			c := l.dial()
			if _, err := c.Write(scanOn); err != nil {
				t.Fatal(err)
			}
			ctl.WantSent(t, scanOn)
			start := time.Now()
			c.Close()
			ctl.WantSent(t, reset)
			want := resetTime
			if answers {
				want = 0
				ctl.Send(resetDone)
			}
			var took time.Duration
			for err := error(nil); err == nil; time.Sleep(time.Millisecond) {
				took = time.Since(start)
				err = host.WritePacket(scanOn)
			}
			if took > want+2*time.Millisecond || took < want {
				t.Errorf("closed after %v, want %v", took, want)
			}
			synctest.Wait()
			b.end("listening", "client", "left: "+ErrLeft.Error())
			if len(captured) != 1 || captured[0] != ">"+string(scanOn) {
				t.Errorf("captured %q", captured)
			}
		})
	}
}

// TestCaptureFails: an error of the capture ends the port.
func TestCaptureFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		l := newPipes()
		b := serve(t, NewPort(l), func(cfg *Config) {
			cfg.Capture = func(time.Time, bool, []byte) error { return full }
		})
		c := l.dial()
		if _, err := c.Write(reset); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, c)
		if err := <-b.served; !errors.Is(err, full) {
			t.Errorf("Serve: %v", err)
		}
		b.stop()
		b.air.Close()
	})
}

// TestSockets serves clients at a TCP port and at a Unix socket.
func TestSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hci")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	for _, place := range []string{"tcp:127.0.0.1:0", "unix:" + path} {
		where, err := ParsePlace(place)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Listen(t.Context(), where)
		if err != nil {
			t.Fatal(err)
		}
		b := serve(t, p, nil)
		network, address, _ := strings.Cut(p.Address(), ":")
		for range 2 {
			c, err := net.Dial(network, address)
			if err != nil {
				t.Fatal(err)
			}
			ask(t, c, reset, resetDone)
			c.Close()
		}
		again, err := ParsePlace(p.Address())
		if err != nil {
			t.Fatal(err)
		}
		var refused *ListenError
		if _, err := Listen(t.Context(), again); !errors.As(err, &refused) || !strings.Contains(err.Error(), "end ") {
			t.Errorf("%s again: %v", place, err)
		}
		if network == "unix" {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v; want mode 600", info, err)
			}
		}
		b.stop()
		if err := <-b.served; err != nil {
			t.Error(err)
		}
		b.air.Close()
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestWrongPlaces(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ place, want string }{
		{"", "write vhci, pty, tcp:HOST:PORT or unix:PATH"},
		{"tcp:9001", "write vhci, pty, tcp:HOST:PORT or unix:PATH"},
		{"tcp:127.0.0.1:99999", `port "99999" is not a number from 0 to 65535`},
		{"tcp:127.0.0.1:http", `port "http" is not a number`},
		{"unix:", "write vhci"},
		{"pty:x", "write vhci"},
		{"unix:" + file, "there is a file that is no socket: remove it, or choose another path"},
		{"unix:" + dir + "/none/hci", "no such file or directory: choose a path in a directory that exists"},
		{"tcp:203.0.113.7:0", "cannot assign requested address: it is no address of this machine"},
	} {
		p, err := ParsePlace(c.place)
		if err == nil {
			_, err = Listen(t.Context(), p)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.place, err, c.want)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file is %q, %v", b, err)
	}
}
