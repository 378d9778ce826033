package controller_test

import (
	"context"
	"net"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// A report that comes alone is handled by the reader: no other goroutine is woken for it.
func TestReaderHandlesALonelyReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBursty(1, 5, 1013*time.Millisecond) // at no moment at which a timer wakes the loop
		ctl, err := controller.Open(t.Context(), b, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ctl.Close()
		byReader, byLoop := 0, 0
		sc, err := ctl.Scan(t.Context(), &controller.ScanOptions{Duplicates: true, OnReport: func(*controller.Report) {
			if strings.Contains(string(debug.Stack()), "readPackets") {
				byReader++
			} else {
				byLoop++
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Close()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if byReader != 5 || byLoop != 0 {
			t.Errorf("%d reports on the reader and %d on the loop, want 5 and none", byReader, byLoop)
		}
	})
}

// While the loop works, the reader hands reports over. They stay in order, whoever handles
// them, and come one at a time.
func TestReportsStayInOrder(t *testing.T) { synctest.Test(t, testReportsStayInOrder) }

func testReportsStayInOrder(t *testing.T) {
	const size, bursts, pause = 256, 100, time.Second
	b := newBursty(size, bursts, pause)
	ctl, err := controller.Open(t.Context(), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ctl.Close()
	var inside, total atomic.Int64
	next := size
	sc, err := ctl.Scan(t.Context(), &controller.ScanOptions{Duplicates: true, OnReport: func(r *controller.Report) {
		if inside.Add(1) != 1 {
			t.Error("two reports at a time")
		}
		if n := int(r.Addr.MAC[0]) | int(r.Addr.MAC[1])<<8; n != next {
			t.Errorf("report %d, want %d", n, next)
		}
		if next--; next == 0 {
			next = size
		}
		inside.Add(-1)
		total.Add(1)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	for range bursts + 1 {
		time.Sleep(pause)
		for range size / 2 { // tasks for the loop, while the reports come
			_ = ctl.Stats()
		}
	}
	synctest.Wait()
	if s := ctl.Stats(); total.Load() != size*bursts || s.DroppedAdvertRead != 0 || s.UnknownHandles != bursts {
		t.Errorf("%d reports, %d dropped, %d other packets; want %d, none and %d",
			total.Load(), s.DroppedAdvertRead, s.UnknownHandles, size*bursts, bursts)
	}
}

// answering is a transport whose controller accepts every command.
type answering struct {
	in     chan []byte // packets for the host
	sent   chan hci.Opcode
	closed chan struct{}
}

func (a *answering) ReadPacket(p []byte) (int, error) {
	select {
	case b := <-a.in:
		return copy(p, b), nil
	case <-a.closed:
		return 0, net.ErrClosed
	}
}

func (a *answering) WritePacket(p []byte) error {
	op := hci.Opcode(uint16(p[1]) | uint16(p[2])<<8)
	a.sent <- op
	var ev hci.Event = &hci.CommandStatus{NumPackets: 1, Opcode: op}
	if op != hci.OpLECreateConnection {
		ret := make([]byte, 70) // success, and zeros for what it is asked
		if op == hci.OpLEReadBufferSize {
			ret[1], ret[3] = 27, 4
		}
		ev = &hci.CommandComplete{NumPackets: 1, Opcode: op, Return: ret}
	}
	a.in <- hci.AppendEvent([]byte{byte(hci.PacketEvent)}, ev)
	return nil
}

func (a *answering) Close() error {
	close(a.closed)
	return nil
}

// A report that the reader handles may lead to a command, which the loop writes at once: a
// dial whose peer is heard ends the initiation to another peer.
func TestReportOnTheReaderLeadsToACommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answering{in: make(chan []byte, 64), sent: make(chan hci.Opcode, 64), closed: make(chan struct{})}
		ctl, err := controller.Open(t.Context(), a, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ctl.Close()
		sc, err := ctl.Scan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for n := range byte(2) { // with other parameters, so that they take turns
			go func() {
				_, _ = ctl.Connect(ctx, hci.Addr{MAC: hci.MAC{n}}, &controller.ConnectOptions{Timeout: -1, Params: hci.ConnParams{
					IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: time.Duration(4+n) * time.Second,
				}})
			}()
			synctest.Wait()
		}
		for len(a.sent) > 0 {
			<-a.sent
		}
		a.in <- hci.AppendEvent([]byte{byte(hci.PacketEvent)}, &hci.LEAdvertisingReport{Reports: []hci.AdvReport{{
			Type: hci.AdvInd, Addr: hci.Addr{MAC: hci.MAC{1}}, RSSI: -50,
		}}})
		synctest.Wait()
		select {
		case op := <-a.sent:
			if op != hci.OpLECreateConnectionCancel {
				t.Errorf("sent %v, want LE Create Connection Cancel", op)
			}
		default:
			t.Error("no command was sent for the report")
		}
	})
}
