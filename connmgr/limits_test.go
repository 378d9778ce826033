package connmgr_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// most is the largest number of things that are under way at a time.
type most struct {
	mu       sync.Mutex
	now, max int
}

func (m *most) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += n
	m.max = max(m.max, m.now)
}

// A limit of dials is kept to, in the order of the calls, and no device is left out.
func TestLimitOfDials(t *testing.T) { inBubble(t, testLimitOfDials) }

func testLimitOfDials(t *testing.T) {
	for _, c := range []struct{ limit, want int }{{1, 1}, {3, 3}, {0, 8}} {
		l := newLab(t, connmgr.Config{MaxDials: c.limit})
		var accept most
		step := func(e sim.Entry) {
			switch commandOf(e).(type) {
			case hci.LEAddDeviceToFilterAcceptList:
				accept.add(1)
			case hci.LERemoveDeviceFromFilterAcceptList:
				accept.add(-1)
			case hci.LEClearFilterAcceptList:
				accept.add(-accept.now)
			}
		}
		l.step.Store(&step)
		for n := range 8 {
			l.device(n + 1)
		}
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() { l.establish(n+1, nil) })
		}
		all.Wait()
		if c.limit != 1 && accept.max != c.want && (c.limit != 0 || accept.max < 4) {
			t.Errorf("limit %d: %d devices in the initiator, want %d", c.limit, accept.max, c.want)
		}
		if c.limit != 0 && accept.max > c.limit {
			t.Errorf("limit %d: %d devices in the initiator", c.limit, accept.max)
		}
		l.m.Close()
	}
}

// slowServices answers each request of a discovery of services after a second.
func slowServices() sim.Temper {
	return sim.Temper{Rules: []sim.Rule{{On: sim.OnRequest, Opcode: att.OpReadByGroupTypeReq, Do: sim.Answer, Delay: second}}}
}

// A limit of discoveries is kept to: the first request of a discovery is sent only when
// there is room.
func TestLimitOfDiscoveries(t *testing.T) { inBubble(t, testLimitOfDiscoveries) }

func testLimitOfDiscoveries(t *testing.T) {
	const devices = 12
	for _, c := range []struct{ limit, want int }{{1, 1}, {3, 3}, {0, 8}, {-1, devices}} {
		l := newLab(t, connmgr.Config{MaxDiscoveries: c.limit})
		var under most
		var mu sync.Mutex
		begun := map[string]bool{}
		step := func(e sim.Entry) {
			if e.Kind != sim.LogData || len(e.Packet) < 7 || e.Packet[2] != 4 || strings.HasPrefix(e.Node, "hci") {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if att.Opcode(e.Packet[4]) == att.OpReadByGroupTypeReq && !begun[e.Node] {
				begun[e.Node] = true
				under.add(1)
			}
		}
		l.step.Store(&step)
		for n := range devices {
			d := l.air.NewDevice(&sim.DeviceConfig{
				Name: fmt.Sprintf("uart %d", n), Address: address(n + 1), Table: uart(), Temper: slowServices(),
				Peer: &sim.RawPeerConfig{Interval: 100 * time.Millisecond},
			})
			defer d.Peer().SetAdvertising(false)
		}
		time.Sleep(5 * second)
		var all sync.WaitGroup
		for n := range devices {
			all.Go(func() {
				l.establish(n+1, nil)
				under.add(-1)
			})
		}
		all.Wait()
		if under.max != c.want {
			t.Errorf("limit %d: %d discoveries at a time, want %d", c.limit, under.max, c.want)
		}
		l.m.Close()
	}
}
