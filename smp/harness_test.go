package smp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// user is a Delegate that sees both devices: it types at one the passkey that the other
// displays.
type user struct {
	io     smp.IOCapability
	screen chan smp.Passkey // what either device shows
	ended  chan error
	// fail is the user's answer, if not nil; wait prevents an answer.
	fail error
	wait bool
	said smp.Passkey // typed, if not 0
}

func newUser(io smp.IOCapability, screen chan smp.Passkey) *user {
	return &user{io: io, screen: screen, ended: make(chan error, 10)}
}

func (u *user) IO() smp.IOCapability { return u.io }

func (u *user) Display(_ context.Context, _ hci.Addr, p smp.Passkey) error {
	u.screen <- p
	return u.fail
}

func (u *user) Confirm(ctx context.Context, _ hci.Addr, p smp.Passkey) (bool, error) {
	if u.wait {
		<-ctx.Done()
		return false, context.Cause(ctx)
	}
	select {
	case other := <-u.screen: // the second of the two
		return p == other && u.fail == nil, u.fail
	case u.screen <- p:
		return u.fail == nil, u.fail
	}
}

func (u *user) Enter(ctx context.Context, _ hci.Addr) (smp.Passkey, error) {
	if u.said != 0 || u.fail != nil {
		return u.said, u.fail
	}
	select {
	case p := <-u.screen:
		return p, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (u *user) Ended(_ hci.Addr, err error) { u.ended <- err }

// pair is a central and a peripheral with Security Managers, linked by air.
type pair struct {
	t          *testing.T
	air        *sim.Air
	ctl, peer  *sim.Controller
	c, p       *host.Host
	ccfg, pcfg smp.Config
	logs       *logs
}

func newPair(t *testing.T, cc, pc *smp.Config) *pair {
	t.Helper()
	x := &pair{t: t, air: sim.New(&sim.Config{Seed: 1}), logs: &logs{}}
	t.Cleanup(func() { x.air.Close() })
	if cc != nil {
		x.ccfg = *cc
	}
	if pc != nil {
		x.pcfg = *pc
	}
	// The bonds outlive the hosts.
	for _, c := range []*smp.Config{&x.ccfg, &x.pcfg} {
		if c.Store == nil {
			c.Store = keep(smp.Memory())
		}
	}
	x.ctl, x.peer = x.air.NewController(nil), x.air.NewController(nil)
	x.c, x.p = x.open(x.ctl, &x.ccfg), x.open(x.peer, &x.pcfg)
	x.advertise()
	return x
}

func (x *pair) advertise() {
	x.t.Helper()
	if err := x.p.Advertise(x.t.Context(), nil); err != nil {
		x.t.Fatal(err)
	}
}

// keep returns an OpenStore that opens one Store and returns it every time.
func keep(open smp.OpenStore) smp.OpenStore {
	var s smp.Store
	return func(l smp.Local) (_ smp.Store, err error) {
		if s == nil {
			s, err = open(l)
		}
		return s, err
	}
}

func (x *pair) open(tr hci.Transport, cfg *smp.Config) *host.Host {
	x.t.Helper()
	h, err := host.Open(x.t.Context(), tr, &host.Config{SMP: cfg, HCI: controller.Config{Logger: slog.New(x.logs), DisableTuning: true}})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { h.Close() })
	return h
}

// link connects, without waiting for encryption, and returns both ends.
func (x *pair) link() (c, p *host.Conn) {
	x.t.Helper()
	to, err := x.p.Controller().OwnAddress(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	c, err = x.c.ConnectPlain(x.t.Context(), to, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	p, err = x.p.Accept(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	return c, p
}

// unlink ends a link and waits until both ends are down.
func (x *pair) unlink(c, p *host.Conn) {
	x.t.Helper()
	if err := c.Close(); err != nil {
		x.t.Fatal(err)
	}
	<-p.Done()
}

// bond pairs as central, and ends the link.
func (x *pair) bond() {
	x.t.Helper()
	c, p := x.link()
	if _, err := c.SMP().Pair(x.t.Context(), nil); err != nil {
		x.t.Fatal(err)
	}
	x.unlink(c, p)
}

func wantReason(t *testing.T, err error, r smp.Reason, local bool) {
	t.Helper()
	var e *smp.Error
	if !errors.As(err, &e) || e.Reason != r || e.Local != local {
		t.Errorf("got %v, want %v with local %v", err, r, local)
	}
}

// logs records log lines of every level.
type logs struct {
	mu    sync.Mutex
	lines []string
}

func (l *logs) Enabled(context.Context, slog.Level) bool { return true }

func (l *logs) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v %#v %x", a.Key, a.Value, a.Value.Any(), fmt.Sprint(a.Value))
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, b.String())
	return nil
}

func (l *logs) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *logs) WithGroup(string) slog.Handler      { return l }

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.ToLower(strings.Join(l.lines, "\n"))
}

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
