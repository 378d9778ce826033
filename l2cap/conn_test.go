package l2cap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
		l.recv(cidSignal, "16 05 0400 5500 0100")
		l.want("the rest", fmt.Sprintf("0055 %x", p[44:]))
		if _, err := ended(t, "WriteSDU", w); err != nil {
			t.Error(err)
		}
		w = writeSDU(t.Context(), c, nil)
		l.settle()
		l.wantIdle("no credit")
		l.recv(cidSignal, "16 06 0400 5500 ffff")
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

// A frame between two reads does not reset the count of the first.
func TestCreditsWithFramesBetweenReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		for _, sdu := range []string{"aa", "bb"} {
			l.wantIdle("less than two credits owed")
			l.recvSDU(sdu)
			if got, err := ended(t, "ReadSDU", readSDU(t, c)); got != sdu || err != nil {
				t.Errorf("read %q, %v; want %s", got, err, sdu)
			}
			l.settle()
		}
		l.want("two SDUs read", "0005 16 02 0400 4000 0200")
	})
}

func TestCreditsWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(0)
		l.room = 0
		l.recvSDU("ff")
		l.recvSDU("ff")
		for range 2 {
			if _, err := ended(t, "ReadSDU", readSDU(t, c)); err != nil {
				t.Fatal(err)
			}
		}
		l.settle()
		l.wantIdle("the link has no room")
		l.room = 1
		l.free()
		l.want("it has now", "0005 16 02 0400 4000 0200")
		l.free()
		l.wantIdle("given once")
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
		{"SDU above the MTU", 0x40, "4100 aa", "SDU of 65 octets, the MTU is 64"},
		{"frame above the MPS", 0x40, "2000" + strings.Repeat("00", 31), "frame of 33 octets, the MPS is 32"},
		{"frame beyond its SDU", 0x40, "0100 aabb", "2 octets in an SDU of 1"},
		{"start of one byte", 0x40, "01", "begins with a frame of 1 octets"},
		{"empty start", 0x40, "", "begins with a frame of 0 octets"},
		{"too many credits", cidSignal, "16 05 0400 5500 f6ff", "exceed 65535"},
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
				l.recv(cidSignal, "0a 09 0000")
				l.want("the link lives on", "0005 01 09 0200 0000")
			})
		})
	}
}

func TestMostCreditsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(10)
		l.recv(cidSignal, "16 05 0400 5500 f5ff")
		if l.wantIdle("65535 in all"); c.Err() != nil {
			t.Error(c.Err())
		}
	})
}

// TestIndicationOfNoCreditsIsIgnored: a peer must not grant 0 credits, and an
// indication of 0 must be ignored (Vol 3, Part A, 10.1).
func TestIndicationOfNoCreditsIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCoCLink(t, nil)
		c := l.dialed(1)
		w := writeSDU(t.Context(), c, counting(40)) // frames of 2+21 and 19
		l.settle()
		l.want("one credit, one frame", fmt.Sprintf("0055 2800 %x", counting(21)))
		l.recv(cidSignal, "16 05 0400 5500 0000")
		l.wantIdle("no credit, no frame, no answer")
		pending(t, "WriteSDU", w)
		l.recv(cidSignal, "16 06 0400 5500 0100")
		l.want("the rest", fmt.Sprintf("0055 %x", counting(40)[21:]))
		if _, err := ended(t, "WriteSDU", w); err != nil {
			t.Error(err)
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
		if err := c.Err(); !errors.Is(err, ErrViolation) || !strings.Contains(err.Error(), "4 octets in an SDU of 3") {
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
		// A moved deadline applies to pending calls.
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
		// A reader that waits for another reader is released too.
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
		l.recv(cidSignal, "16 05 0400 5500 0100")
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
		l.recv(cidSignal, "16 05 0400 5500 0200")
		l.settle()
		l.want("the rest goes first", fmt.Sprintf("0055 %x", counting(50)[21:44]), fmt.Sprintf("0055 %x", counting(50)[44:]))
		l.recv(cidSignal, "16 05 0400 5500 0100")
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
