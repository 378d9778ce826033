package l2cap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
)

func TestWriteSDUCutsAndSpendsCredits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(2)
		p := counting(50) // frames of 2+21, 23 and 6
		w := writeSDU(t.Context(), c, p)
		l.settle()
		l.want("two credits, two frames",
			fmt.Sprintf("0055 3200 %x", p[:21]),
			fmt.Sprintf("0055 %x", p[21:44]))
		pending(t, "WriteSDU", w)
		l.recv(CIDSignal, "16 05 0400 5500 0100")
		l.want("the rest", fmt.Sprintf("0055 %x", p[44:]))
		if _, err := ended(t, "WriteSDU", w); err != nil {
			t.Error(err)
		}
		w = writeSDU(t.Context(), c, nil)
		l.settle()
		l.wantIdle("no credit")
		l.recv(CIDSignal, "16 06 0400 5500 ffff")
		l.want("an empty SDU", "0055 0000")
		if _, err := ended(t, "WriteSDU", w); err != nil {
			t.Error(err)
		}
		w = writeSDU(t.Context(), c, counting(51))
		if _, err := ended(t, "WriteSDU", w); err == nil || !strings.Contains(err.Error(), "51") {
			t.Errorf("an SDU above the peer's MTU: %v", err)
		}
		l.settle()
		l.wantIdle("too long")
	})
}

func TestWriteWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(100)
		l.room = 1
		w := writeSDU(t.Context(), c, counting(50))
		l.settle()
		l.waiting = true
		for i, n := range []int{23, 23} {
			if len(l.sent) != 1 || len(l.sent[0].data) != 4+n {
				t.Fatalf("frame %d: %d packets queued", i, len(l.sent))
			}
			pending(t, "WriteSDU", w)
			l.free()
		}
		if _, err := ended(t, "WriteSDU", w); err != nil || len(l.sent) != 1 {
			t.Errorf("%v with %d packets queued", err, len(l.sent))
		}
	})
}

func TestReadSDUAndCredits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0) // grants 4 credits, and more when 2 are owed
		r := readSDU(t, c)
		l.recv(0x40, "0500 aabbcc")
		l.wantIdle("one credit owed")
		l.recv(0x40, "")
		l.want("an empty frame counts", "0005 16 02 0400 4000 0200")
		pending(t, "ReadSDU", r)
		l.recv(0x40, "ddee")
		l.recvSDU("")
		l.recvSDU("ff")
		l.settle()
		if got, err := ended(t, "ReadSDU", r); got != "aabbccddee" || err != nil {
			t.Errorf("read %s, %v", got, err)
		}
		l.wantIdle("three frames, one SDU read")
		if got, err := ended(t, "ReadSDU", readSDU(t, c)); got != "" || err != nil {
			t.Errorf("read %q, %v; want the empty SDU", got, err)
		}
		l.settle()
		l.want("two SDUs read", "0005 16 03 0400 4000 0200")
		if got, err := ended(t, "ReadSDU", readSDU(t, c)); got != "ff" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestCreditsBoundWhatIsUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		for range 4 {
			l.recvSDU("aa")
		}
		l.wantIdle("nothing read, nothing granted")
		l.recvSDU("aa")
		l.want("a fifth frame breaks the rule", "0005 06 02 0400 5500 4000")
		for range 4 {
			if got, err := ended(t, "ReadSDU", readSDU(t, c)); got != "aa" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
		}
		var ce *ChannelError
		if _, err := ended(t, "ReadSDU", readSDU(t, c)); !errors.As(err, &ce) || !ce.Local || !errors.Is(err, ErrViolation) {
			t.Errorf("afterwards: %v, want a local ErrViolation", err)
		}
		l.settle()
		l.wantIdle("no credits on a closing channel")
	})
}

func TestViolationsEndTheChannel(t *testing.T) {
	for _, tt := range []struct {
		name string
		cid  CID
		in   string
		why  string
	}{
		{"SDU above the MTU", 0x40, "4100 aa", "SDU of 65 bytes, the MTU is 64"},
		{"frame above the MPS", 0x40, "2000" + strings.Repeat("00", 31), "frame of 33 bytes, the MPS is 32"},
		{"frame beyond its SDU", 0x40, "0100 aabb", "2 bytes in an SDU of 1"},
		{"start of one byte", 0x40, "01", "begins with a frame of 1 bytes"},
		{"empty start", 0x40, "", "begins with a frame of 0 bytes"},
		{"no credits", CIDSignal, "16 05 0400 5500 0000", "0 credits"},
		{"too many credits", CIDSignal, "16 05 0400 5500 f6ff", "exceed 65535"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newCoCLink(t, nil)
				c := l.dialed(10)
				r := readSDU(t, c)
				l.settle()
				l.recv(tt.cid, tt.in)
				l.want("closed from here", "0005 06 02 0400 5500 4000")
				_, err := ended(t, "ReadSDU", r)
				var ce *ChannelError
				if !errors.As(err, &ce) || !ce.Local || !errors.Is(err, ErrViolation) || !strings.Contains(err.Error(), tt.why) {
					t.Errorf("error %q, want a local ErrViolation that says %q", err, tt.why)
				}
				l.recv(CIDSignal, "0a 09 0000")
				l.want("the link lives on", "0005 01 09 0200 0000")
			})
		})
	}
}

func TestMostCreditsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(10)
		l.recv(CIDSignal, "16 05 0400 5500 f5ff")
		if l.wantIdle("65535 in all"); c.Err() != nil {
			t.Error(c.Err())
		}
	})
}

func TestViolationInSecondFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		l.recv(0x40, "0300 aabb")
		l.recv(0x40, "ccdd")
		l.want("closed from here", "0005 06 02 0400 5500 4000")
		if err := c.Err(); !errors.Is(err, ErrViolation) || !strings.Contains(err.Error(), "4 bytes in an SDU of 3") {
			t.Errorf("error %v", err)
		}
	})
}

func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		began := time.Now()
		c.SetReadDeadline(began.Add(3 * time.Second))
		if _, err := c.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("Read: %v after %v", err, time.Since(began))
		}
		l.recvSDU("aa")
		if _, err := c.ReadSDU(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past the deadline: %v", err)
		}
		c.SetReadDeadline(time.Time{})
		if b, err := c.ReadSDU(t.Context()); err != nil || !bytes.Equal(b, []byte{0xAA}) {
			t.Errorf("without deadline: % x, %v", b, err)
		}
		// A deadline that is moved holds for who waits already.
		c.SetDeadline(time.Now().Add(time.Hour))
		began = time.Now()
		time.AfterFunc(time.Second, func() { c.SetDeadline(time.Now().Add(time.Second)) })
		if _, err := c.ReadSDU(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 2*time.Second {
			t.Errorf("moved: %v after %v", err, time.Since(began))
		}
		c.SetDeadline(time.Time{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.ReadSDU(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("context: %v", err)
		}
		// Who waits for another reader is released as well.
		r := readSDU(t, c)
		synctest.Wait()
		c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("second reader: %v", err)
		}
		if _, err := ended(t, "first reader", r); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("first reader: %v", err)
		}
	})
}

func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		n := start(func() (int, error) { return c.Write(counting(60)) })
		time.Sleep(time.Second)
		l.settle()
		if n, err := ended(t, "Write", n); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("without credits: %d, %v", n, err)
		}
		l.recv(CIDSignal, "16 05 0400 5500 0100")
		l.wantIdle("what failed is not sent later")

		// One frame of the first SDU goes out, so the SDU counts as written and
		// only the second one fails.
		c.SetWriteDeadline(time.Now().Add(time.Second))
		n = start(func() (int, error) { return c.Write(counting(60)) })
		l.settle()
		l.want("one credit", fmt.Sprintf("0055 3200 %x", counting(21)))
		time.Sleep(time.Second)
		l.settle()
		if n, err := ended(t, "Write", n); n != 50 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("in the middle of an SDU: %d, %v", n, err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		c.SetWriteDeadline(time.Time{})
		w := writeSDU(ctx, c, []byte{0xEE})
		l.settle()
		cause := errors.New("enough")
		cancel(cause)
		if _, err := ended(t, "WriteSDU", w); !errors.Is(err, cause) {
			t.Errorf("behind an unfinished SDU: %v", err)
		}
		w = writeSDU(t.Context(), c, []byte{0xDD})
		l.settle()
		l.recv(CIDSignal, "16 05 0400 5500 0200")
		l.settle()
		l.want("the rest goes first", fmt.Sprintf("0055 %x", counting(50)[21:44]), fmt.Sprintf("0055 %x", counting(50)[44:]))
		l.recv(CIDSignal, "16 05 0400 5500 0100")
		l.want("then the next", "0055 0100 dd")
		if _, err := ended(t, "WriteSDU", w); err != nil {
			t.Error(err)
		}
	})
}

func TestStreamOverSDUs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		l.recvSDU("0102030405")
		l.recvSDU("")
		b := make([]byte, 3)
		if n, err := c.Read(b); n != 3 || err != nil || !bytes.Equal(b, []byte{1, 2, 3}) {
			t.Errorf("read % x, %v", b[:n], err)
		}
		if n, err := c.Read(nil); n != 0 || err != nil {
			t.Errorf("read nothing: %d, %v", n, err)
		}
		if got, err := ended(t, "ReadSDU", readSDU(t, c)); got != "0405" || err != nil {
			t.Errorf("what Read has left: %s, %v", got, err)
		}
		l.recvSDU("06")
		if n, err := c.Read(b); n != 1 || err != nil || b[0] != 6 {
			t.Errorf("past the empty SDU: % x, %v", b[:n], err)
		}
		l.settle()
	})
}

// TestTwoEnds sends a stream both ways at once between two Muxes, with few
// credits, small frames and little room, and compares.
func TestTwoEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newCoCLink(t, nil), newCoCLink(t, nil)
		b.role = hci.RolePeripheral
		a.room, b.room = 3, 2
		ln := listen(t, b, 0x80, &CoCConfig{MTU: 300, MPS: 40, Credits: 3})
		dial := start(func() (*Conn, error) {
			return a.m.Dial(t.Context(), ln.PSM(), &CoCConfig{MTU: 100, MPS: 23, Credits: 1})
		})
		a.connect(b)
		ca, err := ended(t, "Dial", dial)
		if err != nil {
			t.Fatal(err)
		}
		cb, err := ln.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		data := make([]byte, 10_000)
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		send := func(c *Conn) <-chan result[int64] {
			return start(func() (int64, error) { return io.Copy(c, struct{ io.Reader }{bytes.NewReader(data)}) })
		}
		recv := func(c *Conn) <-chan result[[]byte] {
			return start(func() ([]byte, error) {
				got := make([]byte, len(data))
				_, err := io.ReadFull(c, got)
				return got, err
			})
		}
		sa, sb, ra, rb := send(ca), send(cb), recv(ca), recv(cb)
		a.connect(b)
		for name, ch := range map[string]<-chan result[[]byte]{"first end": ra, "second end": rb} {
			if got, err := ended(t, name, ch); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: got other data than was sent, or error %v", name, err)
			}
		}
		for name, ch := range map[string]<-chan result[int64]{"first end": sa, "second end": sb} {
			if n, err := ended(t, name, ch); err != nil || n != int64(len(data)) {
				t.Errorf("%s: sent %d, %v", name, n, err)
			}
		}
		for _, c := range []*Conn{ca, cb} {
			if all := c.in.held + c.in.owed + int(c.freed.Load()); all != c.in.window {
				t.Errorf("%d credits with all read, want %d", all, c.in.window)
			}
		}
		ca.Close()
		a.connect(b)
		if _, err := cb.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the other end's Close: %v", err)
		}
		if len(a.m.coc.local)+len(b.m.coc.local)+len(a.m.sig.pending)+len(b.m.sig.pending) != 0 {
			t.Error("something is left of the channel")
		}
	})
}

// TestChannelsShareRoom writes on two channels and on ATT at once.
func TestChannelsShareRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var att proto
		l := newCoCLink(t, &Config{ATT: att.on()})
		c1 := l.dialed(100)
		ch := start(func() (*Conn, error) { return l.m.Dial(t.Context(), 0x81, smallCoC) })
		l.settle()
		l.take()
		l.recv(CIDSignal, "15 02 0a00 5600 3200 1700 6400 0000")
		c2, err := ended(t, "Dial", ch)
		if err != nil {
			t.Fatal(err)
		}
		l.room = 1
		att.onTurn = func(time.Time) {
			for att.ch.Room() {
				att.ch.Send([]byte{1})
			}
		}
		att.onTurn(l.now)
		w1 := writeSDU(t.Context(), c1, counting(50))
		l.settle()
		w2 := writeSDU(t.Context(), c2, counting(50))
		l.settle()
		var order []string
		for range 8 {
			for _, f := range l.takeKeeping() {
				order = append(order, f[:4])
			}
			l.free()
		}
		if got := strings.Join(order, " "); got != "0004 0004 0055 0056 0004 0055 0056 0004" {
			t.Errorf("order of channels: %s", got)
		}
		l.free()
		l.free()
		l.settle()
		if second(ended(t, "first", w1)) != nil || second(ended(t, "second", w2)) != nil {
			t.Error("a write failed")
		}
	})
}

// takeKeeping is take for frames that stay in the link's queue.
func (l *fakeLink) takeKeeping() []string {
	kept := l.sent
	frames := l.take()
	l.sent = kept
	return frames
}

func BenchmarkSDUIn(b *testing.B) {
	in := newInflow(settings{mtu: 2048, mps: 247, credits: 16})
	first, next := append([]byte{0x00, 0x02}, make([]byte, 245)...), make([]byte, 247)
	last := make([]byte, 512-245-247)
	b.ReportAllocs()
	b.SetBytes(512)
	for b.Loop() {
		for _, f := range [][]byte{first, next, last} {
			if _, _, err := in.frame(f); err != nil {
				b.Fatal(err)
			}
		}
		in.owed++
		in.grant()
	}
}
