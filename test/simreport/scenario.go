package simreport

import (
	"math/rand/v2"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// scenario is one row of the report.
type scenario struct {
	Name     string
	Text     string // the fault, in the words of the report
	Cause    string // why moor loses here, if it does
	Worlds   int
	Adapters int
	Targets  int
	Loss     float64 // of every packet, on all paths
	MaxLinks int     // of each adapter; 0 is plenty
	FullLate bool    // a full adapter refuses in the event, with 0x0D
	Hold     time.Duration
	// OneByOne is an adapter that cannot scan while it initiates, and AcceptList is the
	// size of its filter accept list; 0 is plenty.
	OneByOne   bool
	AcceptList int
	// Beacons is the number of other devices, which advertise every 100 ms.
	Beacons int
	// Directed is advertising to the adapter alone.
	Directed bool
	// Rests is set if the device takes no connection for a while. The time to ready may
	// then be longer by one wait of the policy.
	Rests bool
	// spoil adds the faults of one world.
	spoil func(w *plan, rng *rand.Rand)
}

// plan is the part of a world that the seed decides, the same for all contenders.
type plan struct {
	rssi    [][]int8    // by adapter and target
	loss    [][]float64 // by adapter and target
	away    []time.Duration
	tempers []sim.Temper  // of the targets
	faults  [][]sim.Fault // by adapter
	after   time.Duration // the faults begin
}

func address(n int) hci.Addr {
	return hci.Addr{MAC: hci.MAC{byte(n), byte(n >> 8), 0, 0, 0xFE, 0xC0}, Kind: hci.AddrRandom}
}

// plan draws the plan of a world.
func (s *scenario) plan(seed uint64) *plan {
	rng := rand.New(rand.NewPCG(seed, 0x706C616E))
	w := &plan{
		away: make([]time.Duration, s.Targets), tempers: make([]sim.Temper, s.Targets), faults: make([][]sim.Fault, s.Adapters),
	}
	for range s.Adapters {
		var rssi []int8
		var loss []float64
		for range s.Targets {
			rssi = append(rssi, int8(-45-rng.IntN(40)))
			loss = append(loss, s.Loss)
		}
		w.rssi, w.loss = append(w.rssi, rssi), append(w.loss, loss)
	}
	if s.spoil != nil {
		s.spoil(w, rng)
	}
	return w
}

// best returns the adapter that hears a target best.
func (w *plan) best(target int) int {
	best := 0
	for a := range w.rssi {
		if w.rssi[a][target] > w.rssi[best][target] {
			best = a
		}
	}
	return best
}

// everywhere adds a fault to each adapter.
func (w *plan) everywhere(f func() sim.Fault) {
	for a := range w.faults {
		w.faults[a] = append(w.faults[a], f())
	}
}

// place puts all targets at one place, as an adapter hears it.
func (w *plan) place(adapter int, rssi int8, loss float64) {
	for n := range w.rssi[adapter] {
		w.rssi[adapter][n], w.loss[adapter][n] = rssi, loss
	}
}

// allScenarios returns the rows of the report. They, the seeds and the numbers of worlds
// were fixed before the first run with them, and do not follow from results.
func allScenarios() []scenario {
	all := append(commonScenarios(), foreignScenarios()...)
	return append(all, contraryScenarios()...)
}

// fullStatus returns the status with which a full adapter refuses a dial.
func (s *scenario) fullStatus() hci.Status {
	if s.FullLate {
		return hci.StatusRejectedResources
	}
	return hci.StatusConnectionLimit
}

// adapter returns the configuration of the adapters.
func (s *scenario) adapter() *sim.ControllerConfig {
	return &sim.ControllerConfig{
		MaxLinks: s.MaxLinks, FullLate: s.FullLate, FullStatus: s.fullStatus(),
		NoScanWhileInitiating: s.OneByOne, AcceptListSize: s.AcceptList,
	}
}

// Numbers of worlds: few for those of many devices, which have many times to ready each.
const (
	manyWorlds = 500
	fewWorlds  = 100
)
