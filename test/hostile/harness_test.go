package hostile_test

import (
	"encoding/hex"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	cidATT    = 0x0004
	cidSignal = 0x0005

	interval = 30 * time.Millisecond
)

// level is the value of the world's server, at levelHandle.
var level = gatt.UUID16(0x2A19)

// world is a host with the whole stack on a simulated controller, with one link to a
// peer that keeps the rules.
type world struct {
	t    *testing.T
	air  *sim.Air
	ctl  *sim.Controller
	host *host.Host
	good *host.Conn
	// wantUnknownHandles allows the controller to count unknown handles.
	wantUnknownHandles bool
	// wantOverruns allows the controller to count data beyond its buffers.
	wantOverruns bool
}

// bubble runs f in a new world, inside synctest, and checks afterwards that the world is
// in order.
func bubble(f func(w *world)) func(t *testing.T) {
	return bubbleOn(&sim.ControllerConfig{MaxLinks: 16}, f)
}

func bubbleOn(cc *sim.ControllerConfig, f func(w *world)) func(t *testing.T) {
	return func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, cc)
			f(w)
			w.leave()
		})
	}
}

func newWorld(t *testing.T, cc *sim.ControllerConfig) *world {
	t.Helper()
	w := &world{t: t, air: sim.New(&sim.Config{Seed: 1})}
	t.Cleanup(func() { w.air.Close() })
	w.ctl = w.air.NewController(cc)
	w.host = w.open(w.ctl)
	w.good, _ = w.connect()
	return w
}

func (w *world) open(tr hci.Transport) *host.Host {
	w.t.Helper()
	srv, err := gatt.NewServer(&gatt.ServerConfig{Services: []gatt.ServiceDef{{
		UUID: gatt.UUID16(0x180F),
		Characteristics: []gatt.CharDef{
			{UUID: level, Properties: gatt.PropRead | gatt.PropWrite | gatt.PropNotify, Value: []byte{77}, MaxLen: 512},
		},
	}}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(srv.Close)
	h, err := host.Open(w.t.Context(), tr, &host.Config{Server: srv, HCI: controller.Config{DisableTuning: true}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { h.Close() })
	return h
}

// options are the options of every link.
func options() *controller.ConnectOptions {
	return &controller.ConnectOptions{Params: hci.ConnParams{IntervalMin: interval, IntervalMax: interval, Timeout: 4 * time.Second}}
}

// connect makes a link to a new peer, which answers reads.
func (w *world) connect() (*host.Conn, *end) {
	w.t.Helper()
	return w.connectTo(sim.RawPeerConfig{}, options())
}

func (w *world) connectTo(cfg sim.RawPeerConfig, o *controller.ConnectOptions) (*host.Conn, *end) {
	w.t.Helper()
	e := &end{t: w.t, answer: true}
	cfg.Script.Frame = e.frame
	p := w.air.NewRawPeer(&cfg)
	e.node = p
	c, err := w.host.Connect(w.t.Context(), p.Address(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	if e.RawLink, err = p.Accept(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return c, e
}

// end is a peer's end of a link. By default it answers reads with one octet. It keeps
// all other frames.
type end struct {
	*sim.RawLink
	node *sim.RawPeer
	t    *testing.T

	mu     sync.Mutex
	answer bool     // guarded by mu, as all below
	got    []string // "CID: octets", in hex
	reply  func(l *sim.RawLink, pdu []byte) bool
}

func (e *end) frame(l *sim.RawLink, cid uint16, b []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if cid == cidATT && len(b) > 0 {
		if e.reply != nil && e.reply(l, b) {
			return
		}
		if e.answer && att.Opcode(b[0]) == att.OpReadReq {
			l.Send(cidATT, []byte{byte(att.OpReadRsp), 0x2A})
			return
		}
	}
	if len(e.got) < 1000 {
		e.got = append(e.got, hex.EncodeToString([]byte{byte(cid >> 8), byte(cid)})+": "+hex.EncodeToString(b))
	}
}

// replies makes f answer ATT PDUs. If f returns false, the default applies.
func (e *end) replies(f func(l *sim.RawLink, pdu []byte) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reply = f
}

// mute makes the peer answer nothing.
func (e *end) mute() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = false
}

// take waits a second and returns the frames since the last call.
func (e *end) take() []string {
	time.Sleep(time.Second)
	e.mu.Lock()
	defer e.mu.Unlock()
	got := e.got
	e.got = nil
	return got
}

// stripped returns hexadecimal digits without blanks.
func stripped(s string) string { return strings.ReplaceAll(s, " ", "") }

// want checks the frames that come within a second.
func (e *end) want(why string, frames ...string) {
	e.t.Helper()
	if got := e.take(); !slices.Equal(got, frames) {
		e.t.Errorf("%s: the peer was sent %q, want %q", why, got, frames)
	}
}

// octets parses hexadecimal digits with blanks.
func octets(s string) []byte {
	b, err := hex.DecodeString(stripped(s))
	if err != nil {
		panic(err)
	}
	return b
}

// att sends an ATT PDU, sig a signaling frame.
func (e *end) att(s string) { e.Send(cidATT, octets(s)) }
func (e *end) sig(s string) { e.Send(cidSignal, octets(s)) }

// wantRead checks that a link works without delay: the request goes out in the next
// connection event, and the answer comes in the one after it.
func (w *world) wantRead(c *host.Conn, why string) {
	w.t.Helper()
	begin := time.Now()
	v, err := c.GATT().ReadHandle(w.t.Context(), 3)
	limit := 3 * c.Link().State().Params.Interval
	if took := time.Since(begin); err != nil || len(v) != 1 || v[0] != 0x2A || took > limit {
		w.t.Errorf("%s: read % x, %v, after %v", why, v, err, took)
	}
}

// wantLost checks that a link ends within a time, with an error that wraps cause and
// includes words.
func (w *world) wantLost(c *host.Conn, within time.Duration, cause error, words string) {
	w.t.Helper()
	select {
	case <-c.Done():
	case <-time.After(within):
		w.t.Fatalf("the link is still there after %v, want its end with %v", within, cause)
	}
	if cause != nil && !errors.Is(c.Err(), cause) || !strings.Contains(c.Err().Error(), words) {
		w.t.Errorf("the link ended with %q, want %v and %q", c.Err(), cause, words)
	}
}

// wantBroken checks that a link ends because the peer broke a rule of ATT.
func (w *world) wantBroken(c *host.Conn, rule att.Rule) {
	w.t.Helper()
	w.wantLost(c, 5*time.Second, nil, "peer sent")
	var pe *att.ProtocolError
	if !errors.As(c.Err(), &pe) || pe.Rule != rule {
		w.t.Errorf("the link ended with %v, want rule %v", c.Err(), rule)
	}
}

// leave checks that the good link still works, closes the host, and checks that the
// controller has counted no fault of the host.
func (w *world) leave() {
	w.t.Helper()
	w.wantRead(w.good, "on the good link")
	if err := w.host.Err(); err != nil {
		w.t.Errorf("the host ended with %v", err)
	}
	w.host.Close()
	w.wantAccounts()
}

func (w *world) wantAccounts() {
	w.t.Helper()
	s := w.ctl.Stats()
	if s.Crowding != 0 || s.Overruns != 0 && !w.wantOverruns || s.BadPackets != 0 || s.Held != 0 || s.Links != 0 || s.UnknownHandle != 0 && !w.wantUnknownHandles {
		w.t.Errorf("the controller counts %+v", s)
	}
}

// drain waits until the peer has sent all its frames, and drops those that it got.
func (e *end) drain() {
	for e.Queued() > 0 {
		select {
		case <-e.Done():
			return
		case <-time.After(time.Second):
		}
	}
	e.take()
}

// wantFlat runs f up to five times and checks that memory stops growing. The first runs
// may fill bounded queues; how much of those on the air they leave to later runs depends
// on scheduling.
func (w *world) wantFlat(f func()) {
	w.t.Helper()
	f()
	var grown int64
	for range 4 {
		before := heap()
		f()
		if grown = heap() - before; grown <= 1<<20 {
			return
		}
	}
	w.t.Errorf("%d octets more are in use", grown)
}

// heap returns the octets in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// returned waits for the result of a call on another goroutine.
func returned[T any](t *testing.T, ch <-chan T, within time.Duration) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(within):
		t.Fatalf("nothing came back within %v", within)
	}
	return v
}

// call runs f on a new goroutine.
func call(f func() error) <-chan error {
	ch := make(chan error, 1)
	go func() { ch <- f() }()
	return ch
}
