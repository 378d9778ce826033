package sim

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/hci"
)

// TestOwnRequests has a device ask for parameters and for security, and notify
// without a subscription.
func TestOwnRequests(t *testing.T) {
	wish := hci.ConnParams{IntervalMin: 10 * time.Millisecond, IntervalMax: 20 * time.Millisecond, Latency: 3, Timeout: time.Second}
	tempered(t, Temper{
		Rules:            []Rule{{On: OnSecurityRefused, Do: HangUp, Status: hci.StatusAuthenticationFailure}},
		ParamRequests:    []ParamRequest{{After: 2 * time.Second, Every: 10 * time.Second, Params: wish}},
		SecurityRequests: []SecurityRequest{{After: 5 * time.Second, AuthReq: 0x0D}},
		Notifications:    []Notification{{After: time.Second, Handle: 3, Value: []byte{1, 2}}},
	}, func(t *testing.T, h *rawHost, d *Device) {
		c := h.dial(d)
		c.wantPDU(0x1B, 3, 0, 1, 2)
		c.wantOn(cidSignaling, 0x12, 0xF1, 8, 0, 8, 0, 16, 0, 3, 0, 100, 0)
		c.data(c.handle, true, frame(cidSignaling, 0x13, 0xF1, 2, 0, 0, 0))
		c.wantOn(cidSMP, 0x0B, 0x0D)
		c.data(c.handle, true, frame(cidSMP, 0x05, 0x05))
		c.wantEnd(hci.StatusAuthenticationFailure)
	})
	tempered(t, Temper{ParamRequests: []ParamRequest{{Params: wish, LinkLayer: true}}}, func(t *testing.T, h *rawHost, d *Device) {
		c := h.dial(d)
		c.want(&hci.LERemoteConnectionParameterRequest{Handle: c.handle, Params: wish})
	})
}

// TestAdvertisingChanges has a device that is off, then not connectable, then
// slow, then as configured.
func TestAdvertisingChanges(t *testing.T) {
	tempered(t, Temper{Advertising: []AdvChange{
		{Off: true}, {At: 5 * time.Second, NotConnectable: true}, {At: 7 * time.Second, Interval: 10240 * time.Millisecond},
		{At: 40 * time.Second},
	}}, func(t *testing.T, h *rawHost, d *Device) {
		begin := time.Now()
		heard := map[hci.AdvType]int{}
		h.scan(hci.LESetScanParameters{Interval: 10240 * time.Millisecond, Window: 10240 * time.Millisecond}, true)
		h.idle(5*time.Second - time.Since(begin))
		count := func(until time.Duration) {
			clear(heard)
			for {
				b, ok := h.tryRead(until - time.Since(begin))
				if !ok {
					return
				}
				ev, err := hci.ParseEvent(b[1:])
				if err != nil {
					t.Fatal(err)
				}
				heard[ev.(*hci.LEAdvertisingReport).Reports[0].Type]++
			}
		}
		count(7*time.Second - time.Millisecond)
		if heard[hci.AdvScanInd] != 20 || len(heard) != 1 {
			t.Errorf("not connectable: heard %v, want 20 ADV_SCAN_IND", heard)
		}
		count(40*time.Second - time.Millisecond)
		if heard[hci.AdvInd] != 4 || len(heard) != 1 {
			t.Errorf("slow: heard %v, want 4 ADV_IND", heard)
		}
		count(41 * time.Second)
		if heard[hci.AdvInd] != 10 || len(heard) != 1 {
			t.Errorf("as configured: heard %v, want 10 ADV_IND", heard)
		}
	})
}

// TestSetTemper changes the temper of a device, for links to come.
func TestSetTemper(t *testing.T) {
	tempered(t, Temper{}, func(t *testing.T, h *rawHost, d *Device) {
		a := d.peer.air
		c := h.dial(d)
		a.SetTemper(d, Temper{Rules: []Rule{{On: OnRequest, Do: HangUp, Chance: 1}}})
		c.ask(0x0A, 3, 0)
		c.wantPDU(0x0B, 0x2A)
		c.do(hci.Disconnect{Handle: c.handle, Reason: hci.StatusRemoteUserTerminated})
		c.wantEnd(hci.StatusLocalHostTerminated)
		c = h.dial(d)
		c.ask(0x0A, 3, 0)
		c.wantEnd(hci.StatusRemoteUserTerminated)
		a.SetTemper(d, Temper{})
		c = h.dial(d)
		c.ask(0x0A, 3, 0)
		c.wantPDU(0x0B, 0x2A)
	})
}

// TestChance acts on about half of the links, and on the same ones in each run.
func TestChance(t *testing.T) {
	run := func() (ended []bool) {
		tempered(t, Temper{Rules: []Rule{{On: OnLink, Do: HangUp, Chance: 0.5}}}, func(_ *testing.T, h *rawHost, d *Device) {
			for range 40 {
				c := h.dial(d)
				_, ok := c.tryRead(time.Second)
				ended = append(ended, ok)
				if !ok {
					c.do(hci.Disconnect{Handle: c.handle, Reason: hci.StatusRemoteUserTerminated})
					c.wantEnd(hci.StatusLocalHostTerminated)
				}
			}
		})
		return ended
	}
	first := run()
	n := 0
	for _, e := range first {
		if e {
			n++
		}
	}
	if n < 10 || n > 30 {
		t.Errorf("%d of 40 links ended, want about 20", n)
	}
	if diff := cmp.Diff(first, run()); diff != "" {
		t.Errorf("another run differs:\n%s", diff)
	}
}
