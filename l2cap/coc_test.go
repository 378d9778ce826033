package l2cap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

func TestCoCConfig(t *testing.T) {
	s, err := (*CoCConfig)(nil).settings()
	if err != nil || s.mtu != 2048 || s.mps != 247 || s.credits != 16 || s.backlog != 8 {
		t.Errorf("defaults %+v, %v", s, err)
	}
	for _, bad := range []CoCConfig{{MTU: 22}, {MTU: 65536}, {MPS: 22}, {MPS: 65534}, {Credits: -1}, {Credits: 1025}, {Backlog: -1}} {
		if _, err := bad.settings(); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	l := newFakeLink(t, hci.RoleCentral, nil)
	for _, psm := range []PSM{0, 0x100} {
		var ce *ConnectError
		if _, err := l.m.Dial(t.Context(), psm, nil); !errors.As(err, &ce) || ce.PSM != psm {
			t.Errorf("Dial to SPSM %#x: %v", psm, err)
		}
	}
	if _, err := l.m.Listen(0x100, nil); err == nil {
		t.Error("Listen on SPSM 0x100 was taken")
	}
	l.wantIdle("refused here")
}

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(3)
		if c.PSM() != 0x80 || c.CID() != 0x40 || c.MTU() != 50 || c.Link() != Link(l) || c.Err() != nil {
			t.Errorf("channel %#x %v with MTU %d, error %v", c.PSM(), c.CID(), c.MTU(), c.Err())
		}
		if !l.deadline.IsZero() {
			t.Error("a deadline is left")
		}
	})
}

func TestDialFails(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		want         error
		sent         []string // afterwards
	}{
		{"SPSM not supported", "15 01 0a00 0000 0000 0000 0000 0200", ResultSPSMNotSupported, nil},
		{"insufficient encryption", "15 01 0a00 5500 3200 1700 0100 0800", ResultInsufficientEncryption, nil},
		{"unknown result", "15 01 0a00 5500 3200 1700 0100 7700", Result(0x77), nil},
		{"rejected", "01 01 0200 0000", RejectNotUnderstood, nil},
		{"CID below the dynamic ones", "15 01 0a00 3f00 3200 1700 0100 0000", ErrViolation, nil},
		{"CID above the dynamic ones", "15 01 0a00 8000 3200 1700 0100 0000", ErrViolation, nil},
		{"MTU 22", "15 01 0a00 5500 1600 1700 0100 0000", ErrViolation, []string{"0005 06 02 0400 5500 4000"}},
		{"MPS 22", "15 01 0a00 5500 3200 1600 0100 0000", ErrViolation, []string{"0005 06 02 0400 5500 4000"}},
		{"malformed answer", "15 01 0900 5500 3200 1700 0100 00", wire.ErrShort, nil},
		{"no answer", "", errTimeout, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newCoCLink(t, nil)
				ch := start(func() (*Conn, error) { return l.m.Dial(t.Context(), 0x80, smallCoC) })
				l.settle()
				l.take()
				if tt.answer != "" {
					l.recv(cidSignal, tt.answer)
				} else {
					l.advance(rtx - 1)
					pending(t, "one tick before 30 s", ch)
					l.advance(1)
				}
				_, err := ended(t, "Dial", ch)
				var ce *ConnectError
				if !errors.As(err, &ce) || ce.PSM != 0x80 {
					t.Errorf("error %v is no *ConnectError for 0x80", err)
				}
				if !isErr(err, tt.want) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
				l.settle()
				l.want("afterwards", tt.sent...)
				if tt.sent != nil {
					l.recv(cidSignal, "07 02 0400 5500 4000")
				}
				if len(l.m.coc.local) != 0 || len(l.m.coc.remote) != 0 {
					t.Errorf("channels %v and %v are left", l.m.coc.local, l.m.coc.remote)
				}
			})
		})
	}
}

func TestDialToCIDInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		l.dialed(1)
		ch := start(func() (*Conn, error) { return l.m.Dial(t.Context(), 0x81, smallCoC) })
		l.settle()
		l.want("the next CID", "0005 14 02 0a00 8100 4100 4000 2000 0400")
		l.recv(cidSignal, "15 02 0a00 5500 3200 1700 0100 0000")
		if _, err := ended(t, "Dial", ch); !errors.Is(err, ErrViolation) {
			t.Errorf("error %v, want ErrViolation", err)
		}
		l.settle()
		l.wantIdle("0x0055 is the first channel's; it must not be closed")
	})
}

func TestDialCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ch := start(func() (*Conn, error) { return l.m.Dial(ctx, 0x80, smallCoC) })
		l.settle()
		l.take()
		cancel(cause)
		if _, err := ended(t, "Dial", ch); !errors.Is(err, cause) {
			t.Errorf("error %v, want the cause", err)
		}
		l.settle()
		l.recv(cidSignal, "15 01 0a00 5500 3200 1700 0100 0000")
		l.want("a channel nobody wants is closed", "0005 06 02 0400 5500 4000")
	})
}

func TestDialAll64(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		for i := range 64 {
			ch := start(func() (*Conn, error) { return l.m.Dial(t.Context(), 0x80, smallCoC) })
			l.settle()
			l.take()
			l.recv(cidSignal, fmt.Sprintf("15 %02x 0a00 %02x00 3200 1700 0100 0000", i+1, 0x7F-i))
			if c, err := ended(t, "Dial", ch); err != nil || c.CID() != CID(0x40+i) {
				t.Fatalf("channel %d: %v, %v", i, c, err)
			}
		}
		ch := start(func() (*Conn, error) { return l.m.Dial(t.Context(), 0x80, smallCoC) })
		l.settle()
		if _, err := ended(t, "Dial", ch); !errors.Is(err, ErrNoCID) {
			t.Errorf("the 65th: %v, want ErrNoCID", err)
		}
		l.wantIdle("no identifier to ask with")
	})
}

func TestPeerDisconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		l.recvSDU("aabb")
		w := writeSDU(t.Context(), c, []byte{1})
		l.settle()
		l.recv(cidSignal, "06 05 0400 4000 5600")
		l.wantIdle("a source that does not match is ignored")
		l.recv(cidSignal, "06 05 0400 4100 5500")
		l.want("no such channel", "0005 01 05 0600 0200 4100 5500")
		pending(t, "WriteSDU without credits", w)
		l.recv(cidSignal, "06 06 0400 4000 5500")
		l.want("confirmed", "0005 07 06 0400 4000 5500")
		_, err := ended(t, "WriteSDU", w)
		var ce *ChannelError
		if !errors.As(err, &ce) || ce.Local || ce.CID != 0x40 || ce.PSM != 0x80 || !errors.Is(err, ErrPeerClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("WriteSDU: %v", err)
		}
		if got, err := ended(t, "ReadSDU", readSDU(t, c)); got != "aabb" || err != nil {
			t.Errorf("what came before the end: %s, %v", got, err)
		}
		if _, err := ended(t, "ReadSDU", readSDU(t, c)); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v, want io.EOF", err)
		}
		if !errors.Is(c.Err(), ErrPeerClosed) {
			t.Errorf("Err() = %v", c.Err())
		}
		l.recvSDU("cc")
		l.recv(cidSignal, "06 07 0400 4000 5500")
		l.want("gone", "0005 01 07 0600 0200 4000 5500")
		c.Close()
		l.settle()
		l.wantIdle("nothing to close")
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		r, w := readSDU(t, c), writeSDU(t.Context(), c, []byte{1})
		l.settle()
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
		l.settle()
		l.want("request", "0005 06 02 0400 5500 4000")
		for name, err := range map[string]error{
			"ReadSDU":        second(ended(t, "ReadSDU", r)),
			"WriteSDU":       second(ended(t, "WriteSDU", w)),
			"later ReadSDU":  second(ended(t, "ReadSDU", readSDU(t, c))),
			"later WriteSDU": second(ended(t, "WriteSDU", writeSDU(t.Context(), c, nil))),
			"Err":            c.Err(),
		} {
			var ce *ChannelError
			if !errors.As(err, &ce) || !ce.Local || !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v, want a local ErrClosed", name, err)
			}
		}
		l.recvSDU("aa")
		l.recv(cidSignal, "16 05 0400 5500 0000")
		l.wantIdle("what crosses the request is dropped")
		ch := start(func() (*Conn, error) { return l.m.Dial(t.Context(), 0x80, smallCoC) })
		l.settle()
		l.want("0x0040 is not free yet", "0005 14 03 0a00 8000 4100 4000 2000 0400")
		l.recv(cidSignal, "07 02 0400 5500 4000")
		l.recv(cidSignal, "16 06 0400 5500 0100")
		l.want("gone", "0005 01 06 0600 0200 0000 5500")
		l.recv(cidSignal, "15 03 0a00 5500 3200 1700 0100 0000")
		if _, err := ended(t, "Dial", ch); err != nil {
			t.Errorf("the peer may use its end again: %v", err)
		}
	})
}

func TestCloseCrossesPeersRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		c.Close()
		l.settle()
		l.want("request", "0005 06 02 0400 5500 4000")
		l.recv(cidSignal, "06 05 0400 4000 5500")
		l.want("confirmed", "0005 07 05 0400 4000 5500")
		l.recv(cidSignal, "01 02 0600 0200 5500 4000")
		if !errors.Is(c.Err(), ErrClosed) || len(l.m.sig.pending) != 0 || len(l.m.coc.local) != 0 {
			t.Errorf("error %v, pending %v, channels %v", c.Err(), l.m.sig.pending, l.m.coc.local)
		}
	})
}

func TestCloseWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		c.Close()
		l.settle()
		l.take()
		l.advance(rtx - time.Nanosecond)
		if len(l.m.coc.local) != 1 {
			t.Error("the CID was given back before 30 s")
		}
		l.advance(time.Nanosecond)
		if len(l.m.coc.local) != 0 || len(l.m.coc.remote) != 0 {
			t.Error("the CID was not given back after 30 s")
		}
	})
}

func TestLinkDownEndsChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		ln := listen(t, l, 0x80, nil)
		r, w := readSDU(t, c), writeSDU(t.Context(), c, []byte{1})
		a := start(func() (*Conn, error) { return ln.Accept(t.Context()) })
		d := start(func() (*Conn, error) { return l.m.Dial(t.Context(), 0x81, nil) })
		l.settle()
		cause := errors.New("connection timeout")
		l.down(cause)
		l.settle()
		for name, err := range map[string]error{
			"ReadSDU":  second(ended(t, "ReadSDU", r)),
			"WriteSDU": second(ended(t, "WriteSDU", w)),
			"Accept":   second(ended(t, "Accept", a)),
			"Dial":     second(ended(t, "Dial", d)),
			"Err":      c.Err(),
		} {
			if !errors.Is(err, cause) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v, want the cause", name, err)
			}
		}
		c.Close()
		ln.Close()
		l.settle()
	})
}

func second[T any](_ T, err error) error { return err }
