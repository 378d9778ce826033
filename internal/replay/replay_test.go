package replay_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ hci.Transport = (*replay.Controller)(nil)

const (
	reset     = "\x01\x03\x0C\x00"
	resetDone = "\x04\x0E\x04\x01\x03\x0C\x00"
	rand      = "\x01\x18\x20\x00"
	randDone  = "\x04\x0E\x0C\x01\x18\x20\x00\x01\x02\x03\x04\x05\x06\x07\x08"
	scanOn    = "\x01\x0C\x20\x02\x01\x00"
	scanOff   = "\x01\x0C\x20\x02\x00\x00"
	scanDone  = "\x04\x0E\x04\x01\x0C\x20\x00"
	report    = "\x04\x3E\x0F\x02\x01\x00\x01\x01\x00\x00\xEE\xFF\xC0\x03\x02\x01\x06\xCE"
	data      = "\x02\x40\x00\x05\x00\x01\x00\x04\x00\x0B"
	dataSent  = "\x04\x13\x05\x01\x40\x00\x01\x00"
	answer    = "\x02\x40\x20\x05\x00\x01\x00\x04\x00\x0C"
)

// records makes a capture of packets a millisecond apart; those of the host begin with >.
func records(packets ...string) (all []hci.SnoopRecord) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, p := range packets {
		h4, sent := strings.CutPrefix(p, ">")
		all = append(all, hci.SnoopRecord{Time: at, Sent: sent, Packet: []byte(h4)})
		at = at.Add(time.Millisecond)
	}
	return all
}

// room is a controller, and a host that reads all that it sends.
type room struct {
	*replay.Controller
	t     *testing.T
	begin time.Time
	got   chan string
}

func open(t *testing.T, packets ...string) *room {
	r := &room{replay.New(records(packets...)), t, time.Now(), make(chan string, 100)}
	go func() {
		defer close(r.got)
		b := make([]byte, hci.MaxPacketLen)
		for {
			n, err := r.ReadPacket(b)
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("read: %v", err)
				}
				return
			}
			r.got <- string(b[:n])
		}
	}()
	t.Cleanup(func() {
		r.Close()
		for p := range r.got {
			t.Errorf("the controller has also sent % x", p)
		}
	})
	return r
}

// sends writes a packet, and wants packets of the controller after a time each.
func (r *room) sends(packet string, want ...string) {
	r.t.Helper()
	if err := r.WritePacket([]byte(packet)); err != nil {
		r.t.Fatal(err)
	}
	for _, w := range want {
		if got := <-r.got; got != w {
			r.t.Fatalf("after % x the controller sent\n% x, want\n% x", packet, got, w)
		}
	}
	synctest.Wait()
	if len(r.got) > 0 {
		r.t.Fatalf("after % x the controller sent % x as well", packet, <-r.got)
	}
}

func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestReplay(t *testing.T) {
	bubble(t, "in order, with the times of the capture", func(t *testing.T) {
		r := open(t, report, ">"+reset, resetDone, ">"+scanOn, scanDone, report, report)
		time.Sleep(time.Hour)
		r.begin = time.Now()
		r.sends(reset, resetDone)
		if took := time.Since(r.begin); took != time.Millisecond {
			t.Errorf("the answer took %v, want 1ms as in the capture", took)
		}
		r.sends(scanOn, scanDone, report, report)
		if took := time.Since(r.begin); took != 4*time.Millisecond {
			t.Errorf("all took %v, want 1ms and 3ms", took)
		}
		if n := append(r.Left(), r.Unexpected()...); len(n) > 0 {
			t.Errorf("left or unexpected: %v", n)
		}
	})
	bubble(t, "in another order", func(t *testing.T) {
		r := open(t, ">"+reset, resetDone, ">"+rand, randDone, ">"+scanOn, scanDone, report)
		r.sends(reset, resetDone)
		r.sends(scanOn, scanDone, report)
		r.sends(rand, randDone)
	})
	bubble(t, "commands together", func(t *testing.T) {
		r := open(t, ">"+reset, ">"+rand, resetDone, randDone, report)
		r.sends(reset, resetDone)
		r.sends(rand, randDone, report)
	})
	bubble(t, "other parameters", func(t *testing.T) {
		r := open(t, ">"+scanOn, scanDone, report, ">"+rand, randDone)
		r.sends(scanOff, scanDone, report)
		if n := r.Left(); !slices.Equal(n, []string{"> LE Rand"}) {
			t.Errorf("left: %q", n)
		}
	})
	bubble(t, "a command once more", func(t *testing.T) {
		r := open(t, ">"+scanOn, scanDone)
		r.sends(scanOn, scanDone)
		r.sends(scanOff, scanDone)
		if n := append(r.Left(), r.Unexpected()...); len(n) > 0 {
			t.Errorf("left or unexpected: %v", n)
		}
	})
	bubble(t, "a command left out", func(t *testing.T) {
		r := open(t, ">"+reset, resetDone, ">"+rand, randDone, report, ">"+scanOn, scanDone)
		r.sends(reset, resetDone)
		r.sends(scanOn, report, scanDone)
		if n := r.Left(); !slices.Equal(n, []string{"> LE Rand"}) {
			t.Errorf("left: %q", n)
		}
	})
	bubble(t, "packets that the capture does not have", func(t *testing.T) {
		r := open(t, ">"+data, dataSent, answer)
		r.sends(reset, "\x04\x0E\x04\x01\x03\x0C\x01")
		r.sends(data, dataSent, answer)
		r.sends(data, dataSent)
		r.sends("\x02\x40")
		if n := r.Unexpected(); !slices.Equal(n, []string{"> Reset", "ACL data handle=0x0040 start 5 octets", "hci: ACL data packet: input too short [40]"}) {
			t.Errorf("unexpected: %q", n)
		}
	})
}

func TestReplayEnds(t *testing.T) {
	ctl := replay.New(records(">"+reset, resetDone))
	if err := ctl.WritePacket([]byte(reset)); err != nil {
		t.Fatal(err)
	}
	if _, err := ctl.ReadPacket(make([]byte, 6)); err == nil || !strings.Contains(err.Error(), "packet of 7 octets into a buffer of 6") {
		t.Errorf("read into a short buffer: %v", err)
	}
	ctl.Close()
	ctl.Close()
	if err := ctl.WritePacket([]byte(reset)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after the end: %v", err)
	}
	if _, err := ctl.ReadPacket(make([]byte, 100)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after the end: %v", err)
	}
}

func TestLoadErrors(t *testing.T) {
	if _, err := replay.Load("no-such-file"); err == nil {
		t.Error("no error for a file that does not exist")
	}
	if _, err := replay.Load("doc.go"); err == nil || !strings.Contains(err.Error(), "doc.go: hci: btsnoop: not a btsnoop file") {
		t.Errorf("error %v for another file", err)
	}
}
