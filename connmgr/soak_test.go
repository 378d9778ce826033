package connmgr_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// soakCycles is how many times TestSoak connects. MOOR_SOAK overrides it; the
// full number is 100000.
const soakCycles = 2000

// TestSoak connects and disconnects under random faults of controllers, peers
// and the air, and has everything return to zero: connection slots, links and
// handles on both sides, goroutines (by the bubble and TestMain) and files.
func TestSoak(t *testing.T) {
	n := soakCycles
	if v := os.Getenv("MOOR_SOAK"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			t.Fatalf("MOOR_SOAK=%s: %v", v, err)
		}
	}
	dir := t.TempDir()
	before := openFiles(t)
	var want []string // what the Manager keeps anyway, and what it writes at its end
	inBubble(t, func(t *testing.T) {
		want = append(testSoak(t, n, dir), "devices.json", "traits.json", filepath.Join("tables", "lock"))
	})
	if after := openFiles(t); len(after) != len(before) {
		t.Errorf("%d files open: %v; %d before: %v", len(after), after, len(before), before)
	}
	slices.Sort(want)
	if left := filesIn(t, dir); !slices.Equal(left, slices.Compact(want)) {
		t.Errorf("files left with all tables cleared: %q, want %q", left, want)
	}
}

// testSoak returns the files that there were before the first cycle.
func testSoak(t *testing.T, n int, dir string) []string {
	s := newSoak(t, rand.New(rand.NewPCG(seedOf(t), 2)), connmgr.Config{StateDir: dir, DisableScan: true})
	files := filesIn(t, dir)
	for i := 1; i <= n; i++ {
		s.cycle()
		if i%500 == 0 || i == n {
			s.wantZero(i)
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	t.Logf("%d cycles, %v on air: %d connected, %d given up, %d canceled; links ended %v; events spoiled %v; %d adapter restarts",
		n, time.Since(s.begin).Round(time.Second), s.made, s.failed, s.canceled, s.ends, s.events, s.restarts.Load())
	if s.made < n/3 || s.failed == 0 || n >= soakCycles && (s.canceled == 0 || s.restarts.Load() == 0) {
		t.Error("the faults are not what they are meant to be")
	}
	if err := s.m.Cache().Clear(); err != nil {
		t.Error(err)
	}
	return files
}

// soak is a lab for many cycles. One goroutine makes all calls; all randomness comes
// from rng.
type soak struct {
	*lab
	rng   *rand.Rand
	peers []*sim.Peripheral
	open  []*connmgr.Client
	begin time.Time

	made, failed, canceled int

	ends     [endings]int
	events   [4]int       // faults that lose, double, delay and reorder events
	restarts atomic.Int64 // of adapters
}

func newSoak(t *testing.T, rng *rand.Rand, cfg connmgr.Config) *soak {
	p := connmgr.DefaultPolicy()
	p.AttemptTimeout, p.SafetyTimeout, p.MaxAttempts, p.MaxTransients = 2*second, 10*second, 2, 3
	cfg.Policy = &p
	s := &soak{rng: rng, begin: time.Now()}
	s.lab = newLab(t, cfg, &sim.ControllerConfig{MaxLinks: 2}, &sim.ControllerConfig{MaxLinks: 3, Legacy: true})
	s.crowds = true
	happens := s.m.Events(t.Context())
	go func() {
		for ev := range happens {
			if a, ok := ev.(connmgr.AdapterChanged); ok && a.State == connmgr.AdapterDown {
				s.restarts.Add(1)
			}
		}
	}()
	for n := range 6 {
		s.peers = append(s.peers, s.device(n))
	}
	for _, a := range s.m.Adapters() {
		for ctl := a.Controller(); ctl == nil; ctl = a.Controller() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	return s
}

func seedOf(t *testing.T) uint64 {
	v := os.Getenv("MOOR_SOAK_SEED")
	if v == "" {
		return 1
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("MOOR_SOAK_SEED=%s: %v", v, err)
	}
	return n
}

func (s *soak) chance(percent int) bool { return s.rng.IntN(100) < percent }

// ms is a random time of up to n milliseconds.
func (s *soak) ms(n int) time.Duration { return time.Duration(s.rng.IntN(n)) * time.Millisecond }

// cycle is one connect and, sooner or later, its disconnect.
func (s *soak) cycle() {
	n := s.rng.IntN(len(s.peers))
	s.spoil(n)
	o := &connmgr.Options{
		Timeout: 15 * second, DisableCache: s.chance(1), DisableDiscovery: s.chance(30), KeepParams: s.chance(50),
	}
	ctx, cancel := s.t.Context(), context.CancelFunc(func() {})
	if s.chance(8) {
		ctx, cancel = context.WithTimeout(ctx, s.ms(400))
	}
	c, err := s.m.Establish(ctx, address(n).String(), o)
	ended := ctx.Err() != nil
	cancel()
	switch {
	case err == nil:
		s.made++
		if s.chance(20) { // it may fail: the link may have a fault
			_, _ = c.Read(s.t.Context(), battery, level)
		}
		s.open = append(s.open, c)
	case ended:
		s.canceled++
	default:
		if _, ok := errors.AsType[*connmgr.EstablishError](err); !ok {
			s.t.Errorf("given up with %v", err)
		}
		s.failed++
	}
	for len(s.open) > s.rng.IntN(4) {
		i := s.rng.IntN(len(s.open))
		s.end(s.open[i])
		s.open = slices.Delete(s.open, i, i+1)
	}
	for _, a := range s.adapters {
		a.ClearFaults()
	}
	for _, p := range s.peers {
		s.air.SetAway(p.Controller(), false)
		s.air.SetPath(s.adapters[0], p, sim.Path{})
	}
}

// optional are commands that a host can do without. A controller that does not answer
// one has to be restarted nevertheless.
var optional = []hci.Opcode{
	hci.OpLESetDataLength, hci.OpLESetPHY, hci.OpLEReadRemoteFeatures, hci.OpReadRemoteVersionInformation, hci.OpLEConnectionUpdate,
}

// spoil makes the next connect fail in some way, more often than not.
func (s *soak) spoil(n int) {
	a, peer := s.adapters[s.rng.IntN(len(s.adapters))], s.peers[n]
	switch s.rng.IntN(16) {
	case 0:
		a.Fault(sim.ConnectFault{Times: 1 + s.rng.IntN(5)})
	case 1:
		refusals := []hci.Status{hci.StatusConnectionLimit, hci.StatusRejectedResources, hci.StatusCommandDisallowed, hci.StatusControllerBusy, hci.StatusUnspecified}
		a.Fault(sim.ConnectFault{Times: 1 + s.rng.IntN(3), Status: refusals[s.rng.IntN(len(refusals))], Refuse: s.chance(50), Delay: s.ms(300)})
	case 2:
		reasons := []hci.Status{0, hci.StatusRemoteUserTerminated, hci.StatusRemoteLowResources, hci.StatusMICFailure, hci.StatusLLResponseTimeout, hci.StatusFailedToEstablish}
		a.Fault(sim.LinkFault{Times: 1 + s.rng.IntN(3), After: s.rng.IntN(40), Reason: reasons[s.rng.IntN(len(reasons))]})
	case 3:
		a.Fault(sim.CommandFault{Opcode: optional[s.rng.IntN(len(optional))], Delay: s.ms(1500)})
	case 4:
		if s.chance(10) {
			a.Fault(sim.CommandFault{Opcode: optional[s.rng.IntN(len(optional))], NoAnswer: true})
		}
	case 5:
		a.Fault(sim.EventFault{Code: hci.EvDisconnectionComplete, Drop: true})
	case 6:
		s.air.SetAway(peer.Controller(), true)
		time.AfterFunc(s.ms(8000), func() { s.air.SetAway(peer.Controller(), false) })
	case 7:
		s.air.SetPath(s.adapters[0], peer, sim.Path{Loss: s.rng.Float64() * 0.7})
	case 8:
		if s.chance(20) {
			a.Unplug()
		}
	case 9, 10, 11:
		a.Fault(s.spoilEvent())
	}
}

// spoiled are the events of links, by code and subevent.
var spoiled = [][2]uint8{
	{hci.EvDisconnectionComplete}, {hci.EvCommandComplete}, {hci.EvCommandStatus}, {hci.EvNumberOfCompletedPackets},
	{hci.EvLEMeta}, {hci.EvLEMeta, hci.EvLEConnectionComplete}, {hci.EvLEMeta, hci.EvLEEnhancedConnectionComplete},
	{hci.EvLEMeta, hci.EvLEConnectionUpdateComplete}, {hci.EvLEMeta, hci.EvLEReadRemoteFeaturesComplete},
	{hci.EvLEMeta, hci.EvLEDataLengthChange}, {hci.EvLEMeta, hci.EvLEPHYUpdateComplete}, {},
}

// spoilEvent loses, doubles, delays or reorders events.
func (s *soak) spoilEvent() sim.EventFault {
	kind := spoiled[s.rng.IntN(len(spoiled))]
	f := sim.EventFault{Code: kind[0], Subevent: kind[1], Skip: s.rng.IntN(4), Times: 1 + s.rng.IntN(3)}
	if s.chance(30) { // here and there, rather than in a row
		f.Chance, f.Times = 0.2, 10
	}
	how := s.rng.IntN(len(s.events))
	switch how {
	case 0:
		f.Drop = true
	case 1:
		f.Copies = 1 + s.rng.IntN(2)
	case 2:
		f.Delay = s.ms(1500)
	case 3:
		f.Behind = 1 + s.rng.IntN(4)
	}
	s.events[how]++
	return f
}

// How a link can end.
const (
	byUser = iota
	byPeer
	byDistance
	byFault
	endings
)

// end ends a link in one of many ways.
func (s *soak) end(c *connmgr.Client) {
	how := byUser
	if r := s.rng.IntN(10); r < 4 {
		how = r
	}
	s.ends[how]++
	peer := s.peers[int(c.Address().MAC[0])]
	switch how {
	case byPeer:
		ctx, cancel := context.WithTimeout(s.t.Context(), second)
		for { // the other side may not have seen the end of a link
			l, err := peer.Host().Accept(ctx)
			if err != nil {
				break
			}
			go l.Close()
		}
		cancel()
	case byDistance:
		s.air.SetAway(peer.Controller(), true)
		time.Sleep(s.ms(7000))
		s.air.SetAway(peer.Controller(), false)
	case byFault:
		for _, a := range s.adapters {
			a.Fault(sim.LinkFault{Peer: c.Address(), After: s.rng.IntN(3), Reason: hci.StatusRemoteUserTerminated})
		}
	}
	_ = c.Close() // the result does not matter here
}

// wantZero ends all links and looks for what is left.
func (s *soak) wantZero(cycle int) {
	for _, c := range s.open {
		s.end(c)
	}
	s.open = nil
	for _, a := range s.adapters {
		a.ClearFaults()
	}
	time.Sleep(time.Minute)
	s.wantAllConnect(cycle)
	time.Sleep(time.Minute)
	s.wantNoSlots()
	s.wantNothingLeft()
	for _, a := range s.m.Adapters() {
		ctl := a.Controller()
		if ctl == nil {
			s.t.Errorf("after %d cycles, %s is not up", cycle, a.Name())
			continue
		}
		if left := ctl.Links(); len(left) != 0 {
			s.t.Errorf("after %d cycles, %s has %d handles: %v to %v", cycle, a.Name(), len(left), left[0].Handle(), left[0].Peer())
		}
	}
	for i, p := range s.peers {
		if l := p.Controller().Stats().Links; l != 0 {
			s.t.Errorf("after %d cycles, device %d has %d links", cycle, i, l)
		}
	}
}

// wantAllConnect connects to each device, without faults, by the default policy. A link
// that a lost event has left to a controller must not hinder that.
func (s *soak) wantAllConnect(cycle int) {
	p := connmgr.DefaultPolicy()
	for n := range s.peers {
		begin := time.Now()
		c, err := s.m.Establish(s.t.Context(), address(n).String(), &connmgr.Options{Policy: &p})
		if err != nil {
			s.t.Errorf("after %d cycles, device %d does not connect, in %v: %v", cycle, n, time.Since(begin), err)
			continue
		}
		if _, err := c.Read(s.t.Context(), battery, level); err != nil {
			s.t.Errorf("after %d cycles, device %d: %v", cycle, n, err)
		}
		if err := c.Close(); err != nil {
			s.t.Errorf("after %d cycles, device %d: %v", cycle, n, err)
		}
	}
}

// openFiles returns the names of the process's open files.
func openFiles(t *testing.T) (names []string) {
	t.Helper()
	const dir = "/proc/self/fd"
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Skip("no /proc to count files by")
	}
	for _, e := range es {
		name, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil || strings.HasPrefix(name, "anon_inode:[event") {
			continue // ReadDir's own, and the poller's of the runtime, which begins when needed
		}
		names = append(names, name)
	}
	return names
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, strings.TrimPrefix(path, dir+string(filepath.Separator)))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return found
}
