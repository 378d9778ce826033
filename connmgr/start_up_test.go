package connmgr_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// commandTap is a transport that records the commands of the host.
type commandTap struct {
	hci.Transport
	began time.Time

	mu      sync.Mutex
	ops     []hci.Opcode  // guarded by mu, as all below
	scans   time.Duration // when the controller accepted the first scan; 0 before that
	pending int           // commands without an answer
	most    int           // the largest number of them
}

func (c *commandTap) WritePacket(b []byte) error {
	if hci.PacketType(b[0]) == hci.PacketCommand {
		if p, err := hci.ParseCommand(b[1:]); err == nil {
			c.mu.Lock()
			c.ops = append(c.ops, p.Opcode())
			c.pending++
			c.most = max(c.most, c.pending)
			c.mu.Unlock()
		}
	}
	return c.Transport.WritePacket(b)
}

func (c *commandTap) ReadPacket(b []byte) (int, error) {
	n, err := c.Transport.ReadPacket(b)
	if err != nil || hci.PacketType(b[0]) != hci.PacketEvent {
		return n, err
	}
	ev, bad := hci.ParseEvent(b[1:n])
	if bad != nil {
		return n, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch ev := ev.(type) {
	case *hci.CommandComplete:
		if ev.Opcode != 0 {
			c.pending--
		}
		on := ev.Opcode == hci.OpLESetScanEnable || ev.Opcode == hci.OpLESetExtendedScanEnable
		if on && c.scans == 0 && slices.Equal(ev.Return, []byte{0}) {
			c.scans = time.Since(c.began)
		}
	case *hci.CommandStatus:
		c.pending--
	}
	return n, err
}

// snapshot returns what has been recorded.
func (c *commandTap) snapshot() (ops []hci.Opcode, scans time.Duration, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ops), c.scans, c.most
}

// openTapped opens a Manager with the default Config on the controllers that open returns,
// and returns when it was ready.
func openTapped(t *testing.T, open func() *commandTap) (*connmgr.Manager, time.Duration) {
	t.Helper()
	began := time.Now()
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{"hci0"}, Kinds: []connmgr.Kind{{
		Open: func(context.Context, string) (hci.Transport, error) { return open(), nil },
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return m, time.Since(began)
}

// From the opening of a controller to its scan, the default Manager sends ten commands in a
// fixed order, and the others behind the scan. The address of a controller that has none is
// the eleventh. Each command takes 4 ms.
func TestStartUpCommands(t *testing.T) { inBubble(t, testStartUpCommands) }

func testStartUpCommands(t *testing.T) {
	const ms = time.Millisecond
	begin := []hci.Opcode{
		hci.OpReset, hci.OpReadLocalVersionInformation, hci.OpReadLocalSupportedCommands,
		hci.OpLEReadLocalSupportedFeatures, hci.OpReadBDADDR, hci.OpSetEventMask, hci.OpLESetEventMask,
	}
	buffers, buffersV2, address := hci.OpLEReadBufferSize, hci.OpLEReadBufferSizeV2, hci.OpLESetRandomAddress
	extended := []hci.Opcode{hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable}
	legacy := []hci.Opcode{hci.OpLESetScanParameters, hci.OpLESetScanEnable}
	rest := []hci.Opcode{
		hci.OpWriteLEHostSupport, hci.OpLEReadAllLocalSupportedFeatures, hci.OpLEReadFilterAcceptListSize,
		hci.OpLEReadResolvingListSize, hci.OpLEReadSupportedStates, hci.OpLEReadMaximumDataLength,
		hci.OpLEWriteSuggestedDefaultDataLength, hci.OpLESetDefaultPHY,
	}
	old := sim.ControllerConfig{
		Legacy: true, Version: 6, Features: hci.FeatureEncryption,
		Disable: []hci.Opcode{buffersV2, hci.OpLEReadAllLocalSupportedFeatures},
	}
	sparse := sim.ControllerConfig{Disable: []hci.Opcode{
		hci.OpWriteLEHostSupport, hci.OpLEReadAllLocalSupportedFeatures, hci.OpLEReadFilterAcceptListSize,
		hci.OpLEReadResolvingListSize, hci.OpLEReadSupportedStates, hci.OpLEReadMaximumDataLength, hci.OpLESetDefaultPHY,
	}}
	type times struct{ ready, scans time.Duration }
	for _, c := range []struct {
		name         string
		cfg          sim.ControllerConfig
		before       []hci.Opcode // up to the start of the scan
		after        []hci.Opcode
		serial, wide times // with one credit and with eight
	}{
		{"5.3", sim.ControllerConfig{}, slices.Concat(begin, []hci.Opcode{buffersV2}, extended), rest,
			times{32 * ms, 40 * ms}, times{20 * ms, 28 * ms}},
		{"4.0", old, slices.Concat(begin, []hci.Opcode{buffers}, legacy), []hci.Opcode{rest[0], rest[2], rest[4]},
			times{32 * ms, 40 * ms}, times{20 * ms, 28 * ms}},
		{"5.3 without optional commands", sparse, slices.Concat(begin, []hci.Opcode{buffersV2}, extended), nil,
			times{32 * ms, 40 * ms}, times{20 * ms, 28 * ms}},
		{"5.3 without an address", sim.ControllerConfig{NoAddress: true}, slices.Concat(begin, []hci.Opcode{buffersV2, address}, extended), rest,
			times{36 * ms, 44 * ms}, times{20 * ms, 28 * ms}},
	} {
		for credits, want := range map[uint8]times{1: c.serial, 8: c.wide} {
			air := sim.New(nil)
			c.cfg.Latency, c.cfg.CommandCredits = 4*ms, credits
			ctl := air.NewController(&c.cfg)
			tap := &commandTap{Transport: ctl.Plug(), began: time.Now()}
			m, ready := openTapped(t, func() *commandTap { return tap })
			time.Sleep(second)
			ops, scans, most := tap.snapshot()
			if all := slices.Concat(c.before, c.after); !slices.Equal(ops, all) {
				t.Errorf("%s, %d credits: sent\n%v, want\n%v", c.name, credits, ops, all)
			}
			if got := (times{ready, scans}); got != want {
				t.Errorf("%s, %d credits: ready and scanning after %v, want %v", c.name, credits, got, want)
			}
			t.Logf("%s, %d credits: ready after %v, scanning after %v, %d commands before", c.name, credits, ready, scans, len(c.before))
			if together := min(int(credits), 3); most != together {
				t.Errorf("%s, %d credits: %d commands at a time, want %d", c.name, credits, most, together)
			}
			if s := ctl.Stats(); s.Crowding != 0 {
				t.Errorf("%s, %d credits: %d commands beyond them", c.name, credits, s.Crowding)
			}
			m.Close()
			air.Close()
		}
	}
}

// A controller that loses commands when it gets several at a time is driven one at a time by
// the Manager when it is opened again.
func TestStartUpOfACloneIsRemembered(t *testing.T) { inBubble(t, testStartUpOfACloneIsRemembered) }

func testStartUpOfACloneIsRemembered(t *testing.T) {
	air := sim.New(nil)
	defer air.Close()
	ctl := air.NewController(&sim.ControllerConfig{Latency: 4 * time.Millisecond, CommandCredits: 255, CommandBuffers: 1})
	taps := make(chan *commandTap, 2)
	m, ready := openTapped(t, func() *commandTap {
		tap := &commandTap{Transport: ctl.Plug(), began: time.Now()}
		taps <- tap
		return tap
	})
	defer m.Close()
	// The second and the third of three commands are missed after 2 s.
	if want := 12*time.Millisecond + 2*second + 32*time.Millisecond; ready != want {
		t.Errorf("ready after %v, want %v", ready, want)
	}
	ctl.Unplug()
	time.Sleep(10 * second)
	<-taps
	ops, scans, most := (<-taps).snapshot()
	if scans != 40*time.Millisecond || most != 1 || len(ops) != 18 {
		t.Errorf("opened again, it scans after %v, with %d commands at a time, of %v", scans, most, ops)
	}
}
