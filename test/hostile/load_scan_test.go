package hostile_test

import (
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// TestTwoThousandAdvertisementsASecond: five hundred devices advertise, and the program
// reads no report. Commands, links and dials take as long as without advertisements. The
// reports that the Scanner drops are counted.
func TestTwoThousandAdvertisementsASecond(t *testing.T) {
	bubble(func(w *world) {
		const devices, seconds = 500, 30
		control := func(why string) (longest time.Duration) {
			for range 50 {
				begin := time.Now()
				if _, err := w.good.Link().RSSI(w.t.Context()); err != nil {
					w.t.Fatalf("%s: %v", why, err)
				}
				longest = max(longest, time.Since(begin))
				time.Sleep(13 * time.Millisecond)
			}
			return longest
		}
		silence := control("in silence")
		for i := range devices {
			w.air.NewRawPeer(&sim.RawPeerConfig{
				Type: hci.AdvNonconnInd, Interval: 245 * time.Millisecond, AdvData: []byte{3, 0xFF, byte(i), byte(i >> 8)},
			})
		}
		sc := w.scan(&controller.ScanOptions{Passive: true, Duplicates: true})
		before, begin := w.ctl.Stats(), time.Now()
		noise := control("in the noise")
		w.wantRead(w.good, "in the noise")
		c, _ := w.connect()
		if err := c.Close(); err != nil {
			w.t.Error(err)
		}
		time.Sleep(seconds*time.Second - time.Since(begin))
		after := w.ctl.Stats()
		if n := after.Reports - before.Reports; n < 1900*seconds || after.DroppedReports != 0 {
			w.t.Errorf("%d reports, %d dropped by the controller; want some %d and none", n, after.DroppedReports, 2000*seconds)
		}
		if noise > silence {
			w.t.Errorf("a command takes up to %v, in silence %v", noise, silence)
		}
		s := w.host.Controller().Stats()
		kept := 0
		sc.Close()
		for {
			if _, err := sc.Next(w.t.Context()); err != nil {
				break
			}
			kept++
		}
		all := uint64(kept) + sc.Dropped()
		if kept != 4096 || all < uint64(after.Reports-before.Reports) {
			w.t.Errorf("%d kept, %d dropped in the queue, %d before the loop, of %d", kept, sc.Dropped(), s.DroppedAdvertRead, after.Reports-before.Reports)
		}
	})(t)
}

// crowd is a controller that can only scan. It generates perSecond advertisements per
// second when they are read. They come from 500 devices, which change their address
// every fifteen minutes and their data every minute.
type crowd struct {
	answers   chan []byte
	closed    chan struct{}
	perSecond int
	scanning  atomic.Bool
	begin     time.Time // owned by the reader, as is all below
	packet    []byte
	total     int
}

func newCrowd(perSecond int) *crowd {
	return &crowd{answers: make(chan []byte, 16), closed: make(chan struct{}), perSecond: perSecond}
}

// burst is the number of reports that come at once.
const burst = 20

func (c *crowd) ReadPacket(b []byte) (int, error) {
	for !c.scanning.Load() || c.total%burst == 0 {
		var tick <-chan time.Time
		if c.scanning.Load() {
			tick = time.After(burst * time.Second / time.Duration(c.perSecond))
		}
		select {
		case p := <-c.answers:
			return copy(b, p), nil
		case <-c.closed:
			return 0, net.ErrClosed
		case <-tick:
		}
		if tick != nil {
			break
		}
	}
	if c.begin.IsZero() {
		c.begin = time.Now()
	}
	since := time.Since(c.begin)
	device := c.total % 500
	c.total++
	epoch, minute := int(since/(15*time.Minute)), int(since/time.Minute)
	ev := hci.LEAdvertisingReport{Reports: []hci.AdvReport{{
		Type: hci.AdvNonconnInd, RSSI: -60,
		Addr: hci.Addr{MAC: hci.MAC{byte(device), byte(device >> 8), byte(epoch), 0, 0, 0x40}, Kind: hci.AddrRandom},
		Data: []byte{3, 0xFF, byte(minute), byte(minute >> 8), 10, 9, 'd', 'e', 'v', 'i', 'c', 'e', '0', '0', '0'},
	}}}
	c.packet = hci.AppendEvent(append(c.packet[:0], byte(hci.PacketEvent)), &ev)
	return copy(b, c.packet), nil
}

func (c *crowd) WritePacket(b []byte) error {
	op := hci.Opcode(uint16(b[1]) | uint16(b[2])<<8)
	ret := make([]byte, 70) // success, and zeros for what it is asked
	switch op {
	case hci.OpLESetScanEnable:
		c.scanning.Store(b[4] == 1)
	case hci.OpLEReadBufferSize:
		ret[1], ret[3] = 27, 4
	case hci.OpReset:
		c.scanning.Store(false)
	}
	c.answers <- hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &hci.CommandComplete{NumPackets: 1, Opcode: op, Return: ret})
	return nil
}

func (c *crowd) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}

// TestTenHoursOfScanning: memory does not grow beyond that for 16,384 advertisers during
// ten hours of advertisements from twenty thousand addresses. By default only one in a
// hundred of the 2,000 per second is sent, which is enough to report each device with
// each of its addresses and values. With MOOR_SOAK set, all 72 million are sent.
func TestTenHoursOfScanning(t *testing.T) {
	perSecond := 20
	if os.Getenv("MOOR_SOAK") != "" {
		perSecond = 2000
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(perSecond)
		ctl, err := controller.Open(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ctl.Close()
		// One Scanner reads everything; one reads nothing and reports duplicates.
		reading, err := ctl.Scan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		idle, err := ctl.Scan(t.Context(), &controller.ScanOptions{Passive: true, Duplicates: true})
		if err != nil {
			t.Fatal(err)
		}
		counted := make(chan int, 1)
		go func() {
			n := 0
			for _, err := range reading.All(t.Context()) {
				if err != nil {
					break
				}
				n++
			}
			counted <- n
		}()
		time.Sleep(time.Hour)
		first := heap()
		full := first // the use once the memory for advertisers is full: 2,000 come per hour
		for hour := 2; hour <= 10; hour++ {
			time.Sleep(time.Hour)
			begin := time.Now()
			if _, err := controller.Exec(t.Context(), ctl, hci.LERand{}); err != nil || time.Since(begin) > time.Second {
				t.Errorf("hour %d: a command: %v after %v", hour, err, time.Since(begin))
			}
			now := heap()
			if hour <= 9 {
				full = now
			}
			if now-first > 6<<20 || now-full > 256<<10 {
				t.Errorf("hour %d: %d octets more in use than after the first, and %d more than with a full memory", hour, now-first, now-full)
			}
		}
		reading.Close()
		idle.Close()
		n, s := <-counted, ctl.Stats()
		t.Logf("%d reports read; %d dropped in the queue of who did not read, %d before the loop", n, idle.Dropped(), s.DroppedAdvertRead)
		if want := uint64(36000*perSecond) * 9 / 10; idle.Dropped() < want || n < 20000 {
			t.Errorf("%d reads, %d drops, want most of %d", n, idle.Dropped(), 36000*perSecond)
		}
	})
}
