package hostile_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// latency returns the longest time of several reads on a link.
func (w *world) latency(c *host.Conn, reads int) (longest time.Duration) {
	w.t.Helper()
	for range reads {
		begin := time.Now()
		if v, err := c.GATT().ReadHandle(w.t.Context(), 3); err != nil || len(v) != 1 {
			w.t.Fatalf("read % x, %v", v, err)
		}
		longest = max(longest, time.Since(begin))
		time.Sleep(7 * time.Millisecond) // so that reads begin anywhere in an interval
	}
	return longest
}

// TestSixtyFourLinks: one link gets a storm of notifications, one gets garbage, one is
// stalled by a peer that does not accept writes, sixty are idle, and one reads. A read
// takes at most two connection intervals longer than on a single link.
func TestSixtyFourLinks(t *testing.T) {
	const every = 100 * time.Millisecond // 64 links in it have 1.56 ms each
	bubbleOn(&sim.ControllerConfig{MaxLinks: 64}, func(w *world) {
		if _, err := w.good.Link().Update(w.t.Context(), hci.ConnParams{IntervalMin: every, IntervalMax: every, Timeout: 4 * time.Second}); err != nil {
			w.t.Fatal(err)
		}
		alone := w.latency(w.good, 100)
		var conns []*host.Conn
		var ends []*end
		for range 63 {
			o := &controller.ConnectOptions{Params: hci.ConnParams{IntervalMin: every, IntervalMax: every, Timeout: 4 * time.Second}}
			c, e := w.connectTo(sim.RawPeerConfig{Interval: 20 * time.Millisecond}, o)
			conns, ends = append(conns, c), append(ends, e)
		}
		if s := w.ctl.Stats(); s.Links != 64 {
			w.t.Fatalf("%d links, want 64", s.Links)
		}
		crowded := w.latency(w.good, 100)
		ctx, cancel := context.WithCancel(w.t.Context())
		defer cancel()
		storming, garbling, stalled := ends[0], ends[1], conns[2]
		go attack(ctx, storming, append([]byte{byte(att.OpHandleValueNotification), 3, 0}, make([]byte, 20)...))
		go attack(ctx, garbling, nil)
		w.air.SetPathOneWay(ends[2].node, w.ctl, sim.Path{Loss: 0.98}) // hardly an acknowledgment comes back
		stall := call(func() error {
			for {
				if err := stalled.GATT().WriteNoResponse(ctx, 3, make([]byte, 20)); err != nil {
					return err
				}
			}
		})
		time.Sleep(time.Second)
		under := w.latency(w.good, 200)
		if under > alone+2*every {
			w.t.Errorf("a read takes up to %v, alone %v: more than two intervals of %v longer", under, alone, every)
		}
		w.t.Logf("reads alone take up to %v, beside 63 idle links %v, under attack %v", alone, crowded, under)
		if s := w.ctl.Stats(); s.Links < 63 {
			w.t.Errorf("%d links are left, want all but that of garbage", s.Links)
		}
		cancel()
		returned(w.t, stall, time.Second)
		time.Sleep(time.Second)
	})(t)
}

// attack fills a link with copies of one frame, or with garbage, until ctx ends.
func attack(ctx context.Context, e *end, pdu []byte) {
	for n := uint32(0); ctx.Err() == nil; n++ {
		for range 20 {
			if pdu != nil {
				e.Send(cidATT, pdu)
				continue
			}
			garbage := binary.LittleEndian.AppendUint64(nil, uint64(n)*0x9E3779B97F4A7C15)
			e.SendData(n%2 == 0, garbage)
		}
		select {
		case <-ctx.Done():
		case <-e.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
