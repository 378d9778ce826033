package sim

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/hci"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble runs f with an air inside a synctest bubble, and closes the air.
func bubble(t *testing.T, cfg *Config, f func(t *testing.T, a *Air)) {
	synctest.Test(t, func(t *testing.T) {
		a := New(cfg)
		t.Cleanup(func() { _ = a.Close() })
		f(t, a)
	})
}

// rawHost drives a controller packet by packet.
type rawHost struct {
	t    *testing.T
	tr   hci.Transport
	in   chan []byte
	err  chan error
	quit chan struct{}
}

func newHost(t *testing.T, tr hci.Transport) *rawHost {
	h := &rawHost{t: t, tr: tr, in: make(chan []byte), err: make(chan error, 1), quit: make(chan struct{})}
	go func() {
		for {
			b := make([]byte, hci.MaxPacketLen)
			n, err := tr.ReadPacket(b)
			if err != nil {
				h.err <- err
				return
			}
			select {
			case h.in <- b[:n]:
			case <-h.quit:
				return
			}
		}
	}()
	t.Cleanup(func() { close(h.quit) })
	return h
}

// up resets the controller and unmasks all events.
func (h *rawHost) up() *rawHost {
	h.t.Helper()
	h.do(hci.Reset{})
	h.do(hci.SetEventMask{Mask: ^uint64(0)})
	h.do(hci.LESetEventMask{Mask: ^uint64(0)})
	return h
}

func (h *rawHost) write(b []byte) {
	h.t.Helper()
	if err := h.tr.WritePacket(b); err != nil {
		h.t.Fatalf("write % x: %v", b, err)
	}
}

func (h *rawHost) send(p hci.Params) {
	h.t.Helper()
	b, err := hci.AppendCommand(nil, p)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(b)
}

// read waits for the next packet for as long as a minute.
func (h *rawHost) read() []byte {
	h.t.Helper()
	select {
	case b := <-h.in:
		return b
	case <-time.After(time.Minute):
		h.t.Fatal("nothing from the controller for a minute")
	}
	return nil
}

// event waits for the next packet, which must be an event.
func (h *rawHost) event() hci.Event {
	h.t.Helper()
	b := h.read()
	if b[0] != eventPacket {
		h.t.Fatalf("got packet % x, want an event", b)
	}
	ev, err := hci.ParseEvent(b[1:])
	if err != nil {
		h.t.Fatal(err)
	}
	return ev
}

// next waits for an event of kind E.
func next[E hci.Event](h *rawHost) E {
	h.t.Helper()
	ev := h.event()
	e, ok := ev.(E)
	if !ok {
		h.t.Fatalf("got %s, want %v", describe(ev), reflect.TypeFor[E]())
	}
	return e
}

func describe(ev hci.Event) string { return fmt.Sprintf("%T%+v", ev, reflect.ValueOf(ev).Elem()) }

// want waits for an event and compares it.
func (h *rawHost) want(want hci.Event) {
	h.t.Helper()
	got := h.event()
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Fatalf("event (-want +got):\n%s", diff)
	}
}

// do sends a command that succeeds, and returns its return parameters with the
// status octet.
func (h *rawHost) do(p hci.Params) []byte {
	h.t.Helper()
	return h.doStatus(p, hci.StatusSuccess)
}

// doStatus sends a command that is answered with st.
func (h *rawHost) doStatus(p hci.Params, st hci.Status) []byte {
	h.t.Helper()
	h.send(p)
	switch ev := h.event().(type) {
	case *hci.CommandComplete:
		if ev.Opcode == p.Opcode() && len(ev.Return) > 0 && hci.Status(ev.Return[0]) == st {
			return bytes.Clone(ev.Return)
		}
		h.t.Fatalf("%v: got %s, want status %v", p.Opcode(), describe(ev), st)
	case *hci.CommandStatus:
		if ev.Opcode == p.Opcode() && ev.Status == st {
			return nil
		}
		h.t.Fatalf("%v: got %s, want status %v", p.Opcode(), describe(ev), st)
	default:
		h.t.Fatalf("%v: got %s, want its answer", p.Opcode(), describe(ev))
	}
	return nil
}

// idle checks that nothing comes from the controller for a while.
func (h *rawHost) idle(d time.Duration) {
	h.t.Helper()
	select {
	case b := <-h.in:
		h.t.Fatalf("got % x, want nothing for %v", b, d)
	case <-time.After(d):
	}
}

// data writes an ACL packet.
func (h *rawHost) data(handle hci.Handle, start bool, payload []byte) {
	h.t.Helper()
	pb := uint16(0)
	if !start {
		pb = 1
	}
	head := uint16(handle) | pb<<12
	b := []byte{dataPacket, byte(head), byte(head >> 8), byte(len(payload)), byte(len(payload) >> 8)}
	h.write(append(b, payload...))
}

// wantData waits for an ACL packet with exactly these octets.
func (h *rawHost) wantData(handle hci.Handle, start bool, payload []byte) {
	h.t.Helper()
	pb := uint16(pbContinue)
	if start {
		pb = pbStart
	}
	head := uint16(handle) | pb<<12
	want := []byte{dataPacket, byte(head), byte(head >> 8), byte(len(payload)), byte(len(payload) >> 8)}
	want = append(want, payload...)
	if got := h.read(); !bytes.Equal(got, want) {
		h.t.Fatalf("got % x, want % x", got, want)
	}
}

// params are those of the links in these tests unless they say otherwise.
var params = hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 30 * time.Millisecond, Timeout: 2 * time.Second}

// create is a legacy connect to a peer, listening all the time.
func create(peer hci.Addr) hci.LECreateConnection {
	return hci.LECreateConnection{
		ScanInterval: 60 * time.Millisecond, ScanWindow: 60 * time.Millisecond, Peer: peer, Params: params,
	}
}

// connect makes a link with a raw peer and returns both ends.
func (h *rawHost) connect(p *RawPeer) (hci.Handle, *RawLink) {
	h.t.Helper()
	h.do(create(p.Address()))
	ev := next[*hci.LEEnhancedConnectionComplete](h)
	if ev.Status != hci.StatusSuccess {
		h.t.Fatalf("connect: %v", ev.Status)
	}
	next[*hci.LEChannelSelectionAlgorithm](h)
	l, err := p.Accept(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	return ev.Handle, l
}

// frame makes an L2CAP frame.
func frame(cid uint16, payload ...byte) []byte {
	return append([]byte{byte(len(payload)), byte(len(payload) >> 8), byte(cid), byte(cid >> 8)}, payload...)
}

func wantFrame(t *testing.T, l *RawLink, cid uint16, payload ...byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	f, err := l.Receive(ctx)
	if err != nil {
		t.Error(err)
		return
	}
	if f.CID != cid || !bytes.Equal(f.Payload, payload) {
		t.Errorf("frame on channel %d: % x, want channel %d: % x", f.CID, f.Payload, cid, payload)
	}
}
