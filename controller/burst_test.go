package controller_test

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// bursty is a transport whose controller scans, and reports size advertisements at once,
// a number of times. Behind those of a burst comes one packet of another kind.
type bursty struct {
	size, bursts int
	pause        time.Duration
	answers      chan []byte
	closed       chan struct{}
	scanning     chan struct{}
	left         int // of the burst; owned by the reader, as bursts
}

func newBursty(size, bursts int, pause time.Duration) *bursty {
	return &bursty{
		size: size, bursts: bursts, pause: pause,
		answers: make(chan []byte, 4), closed: make(chan struct{}), scanning: make(chan struct{}),
	}
}

func (b *bursty) ReadPacket(p []byte) (int, error) {
	if b.left > 0 {
		if b.left--; b.left == 0 {
			return copy(p, hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &hci.DisconnectionComplete{Handle: 0x0EFF})), nil
		}
		ev := hci.LEAdvertisingReport{Reports: []hci.AdvReport{{
			Type: hci.AdvNonconnInd, Addr: hci.Addr{MAC: hci.MAC{byte(b.left), byte(b.left >> 8)}}, Data: []byte{2, 1, 6}, RSSI: -50,
		}}}
		return copy(p, hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &ev)), nil
	}
	for {
		var burst <-chan time.Time
		select {
		case <-b.scanning:
			if b.bursts > 0 {
				burst = time.After(b.pause)
			}
		default:
		}
		select {
		case a := <-b.answers:
			return copy(p, a), nil
		case <-burst:
			b.bursts--
			b.left = b.size + 1
			return b.ReadPacket(p)
		case <-b.closed:
			return 0, net.ErrClosed
		}
	}
}

func (b *bursty) WritePacket(p []byte) error {
	op := hci.Opcode(uint16(p[1]) | uint16(p[2])<<8)
	ret := make([]byte, 70) // success, and zeros for what it is asked
	switch op {
	case hci.OpLESetScanEnable:
		if p[4] == 1 {
			close(b.scanning)
		}
	case hci.OpLEReadBufferSize:
		ret[1], ret[3] = 27, 4
	}
	b.answers <- hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &hci.CommandComplete{NumPackets: 1, Opcode: op, Return: ret})
	return nil
}

func (b *bursty) Close() error {
	select {
	case <-b.closed:
	default:
		close(b.closed)
	}
	return nil
}

// Bursts of 256 reports, as of a controller that gathers them, arrive whole, at a mean of
// 1,000 and of 10,000 a second; and so does one of 4,096.
func TestBurstsArriveWhole(t *testing.T) {
	for _, c := range []struct {
		size, bursts int
		pause        time.Duration
	}{{256, 40, 256 * time.Millisecond}, {256, 100, 25600 * time.Microsecond}, {4096, 2, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBursty(c.size, c.bursts, c.pause)
			ctl, err := controller.Open(t.Context(), b, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ctl.Close()
			sc, err := ctl.Scan(t.Context(), &controller.ScanOptions{Duplicates: true})
			if err != nil {
				t.Fatal(err)
			}
			var got atomic.Int64
			go func() {
				for _, err := range sc.All(t.Context()) {
					if err != nil {
						return
					}
					got.Add(1)
				}
			}()
			time.Sleep(time.Duration(c.bursts+1) * c.pause)
			synctest.Wait()
			if s := ctl.Stats(); got.Load() != int64(c.size*c.bursts) || sc.Dropped() != 0 || s.DroppedAdvertRead != 0 || s.UnknownHandles != uint64(c.bursts) {
				t.Errorf("%d reports of %d bursts of %d: %d dropped by the scanner, %d by the reader; %d other packets",
					got.Load(), c.bursts, c.size, sc.Dropped(), s.DroppedAdvertRead, s.UnknownHandles)
			}
		})
	}
}
