package connmgr_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/sim"
)

// crowdRounds is how many rounds TestCrowd has. MOOR_SOAK overrides it.
const crowdRounds = 30

// TestCrowd has a dozen users at a time connect to a few devices over two faulty adapters
// that are unplugged now and then, with priorities, evictions and cancellations. No call
// outlives its context. At the end of a round nothing is held and every device connects,
// or the Manager is closed in the midst of it.
func TestCrowd(t *testing.T) {
	rounds := crowdRounds
	if v := os.Getenv("MOOR_SOAK"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("MOOR_SOAK=%s: %v", v, err)
		}
		rounds = n / 100
	}
	seed := seedOf(t)
	for round := range rounds {
		inBubble(t, func(t *testing.T) { testCrowd(t, rand.New(rand.NewPCG(seed, uint64(round))), round%3 == 2) })
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}

func testCrowd(t *testing.T, rng *rand.Rand, closes bool) {
	cfg := connmgr.Config{DisableScan: rng.IntN(3) == 0}
	if rng.IntN(2) == 0 {
		cfg.Slots = map[string]int{"hci0": 2, "hci1": 3}
	}
	s := newSoak(t, rng, cfg)
	var users sync.WaitGroup
	for range 12 {
		own := rand.New(rand.NewPCG(rng.Uint64(), 0))
		users.Go(func() { s.useDevices(own) })
	}
	over := make(chan struct{})
	go func() { users.Wait(); close(over) }()
	for {
		select {
		case <-over:
			for i := range s.adapters {
				s.plug(i)
			}
			for _, p := range s.peers {
				s.air.SetAway(p.Controller(), false)
			}
			s.wantZero(0)
			s.m.Close()
			return
		case <-time.After(s.ms(500)):
		}
		s.spoilCrowd()
		if closes && s.chance(5) {
			begin := time.Now()
			s.m.Close()
			// A second for links that do not end, and one for the reset.
			if took := time.Since(begin); took > 2*second+100*time.Millisecond {
				t.Errorf("Close took %v", took)
			}
			<-over
			return
		}
	}
}

// spoilCrowd does something to the adapters, or ends it.
func (s *soak) spoilCrowd() {
	i := s.rng.IntN(len(s.adapters))
	switch s.rng.IntN(8) {
	case 0:
		s.unplug(i)
	case 1, 2:
		s.plug(i)
	case 3, 4:
		s.adapters[i].ClearFaults()
	case 5:
		for n, p := range s.peers {
			s.air.SetAway(p.Controller(), false)
			s.air.SetPath(s.adapters[0], s.peers[n], sim.Path{})
		}
	default:
		s.spoil(s.rng.IntN(len(s.peers)))
	}
}

// useDevices is one user. It keeps up to two Clients at a time.
func (s *soak) useDevices(rng *rand.Rand) {
	var mine []*connmgr.Client
	for range 20 {
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		o := &connmgr.Options{
			Timeout: 10 * second, Priority: rng.IntN(3), Evict: rng.IntN(4) == 0,
			DisableCache: rng.IntN(8) == 0, DisableDiscovery: rng.IntN(4) == 0, KeepParams: rng.IntN(2) == 0,
		}
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Duration(20+rng.IntN(6000))*time.Millisecond)
		end, _ := ctx.Deadline()
		c, err := s.m.Establish(ctx, address(rng.IntN(len(s.peers))).String(), o)
		if late := time.Since(end); late > 0 {
			s.t.Errorf("Establish returned %v after the end of its context: %v", late, err)
		}
		cancel()
		if errors.Is(err, net.ErrClosed) && s.isClosed() {
			break
		}
		if err == nil {
			ctx, cancel := context.WithTimeout(s.t.Context(), second)
			begin := time.Now()
			_, err := c.Read(ctx, battery, level) // it may fail: the link may have a fault
			if took := time.Since(begin); took > second {
				s.t.Errorf("Read returned after %v: %v", took, err)
			}
			cancel()
			mine = append(mine, c)
		}
		for len(mine) > rng.IntN(3) {
			_ = mine[0].Close() // likewise
			mine = mine[1:]
		}
	}
	for _, c := range mine {
		_ = c.Close()
	}
}

// isClosed reports whether the Manager takes no calls any more.
func (s *soak) isClosed() bool {
	var e *connmgr.EstablishError
	c, err := s.m.Establish(s.t.Context(), address(0).String(), &connmgr.Options{Timeout: 1})
	if err == nil {
		_ = c.Close() // it has shared a link
	}
	return err != nil && !errors.As(err, &e)
}
