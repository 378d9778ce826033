package simreport

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// commonScenarios are those for which the policy was written.
func commonScenarios() []scenario {
	var all []scenario
	for _, percent := range []int{0, 10, 20, 30, 40, 50, 60} {
		all = append(all, scenario{
			Name: fmt.Sprintf("loss %d %%", percent), Text: fmt.Sprintf("one device; %d %% of all packets are lost", percent),
			Worlds: manyWorlds, Adapters: 1, Targets: 1, Loss: float64(percent) / 100,
		})
	}
	return append(all,
		scenario{
			Name: "missed requests", Text: "1 to 6 connects end with 0x3E, at 10 % loss",
			Worlds: manyWorlds, Adapters: 1, Targets: 1, Loss: 0.1,
			spoil: func(w *plan, rng *rand.Rand) {
				n := 1 + rng.IntN(6)
				w.everywhere(func() sim.Fault { return sim.ConnectFault{Times: n} })
			},
		},
		scenario{
			Name: "hangs up", Text: "the device ends 1 to 6 links with 0x13 within their first 12 packets",
			Worlds: manyWorlds, Adapters: 1, Targets: 1,
			spoil: func(w *plan, rng *rand.Rand) {
				for range 1 + rng.IntN(6) {
					after := rng.IntN(12)
					w.everywhere(func() sim.Fault {
						return sim.LinkFault{After: after, Reason: hci.StatusRemoteUserTerminated}
					})
				}
			},
		},
		scenario{
			Name: "absent", Text: "the device comes after 0 to 60 s",
			Worlds: manyWorlds, Adapters: 1, Targets: 1,
			spoil: func(w *plan, rng *rand.Rand) { w.away[0] = time.Duration(rng.IntN(60000)) * time.Millisecond },
		},
		scenario{
			Name: "full adapter", Text: "6 devices, held for 8 s each, on an adapter that carries 2 links (0x09)",
			Worlds: fewWorlds, Adapters: 1, Targets: 6, MaxLinks: 2, Hold: 8 * time.Second,
		},
		scenario{
			Name: "full, told late", Text: "the same, but the adapter says 0x0D in the event",
			Worlds: fewWorlds, Adapters: 1, Targets: 6, MaxLinks: 2, Hold: 8 * time.Second, FullLate: true,
		},
		scenario{
			Name: "jammed adapter", Text: "two adapters; the one that hears the device best loses 85 %",
			Worlds: manyWorlds, Adapters: 2, Targets: 1,
			spoil: func(w *plan, _ *rand.Rand) { w.loss[w.best(0)][0] = 0.85 },
		},
		scenario{
			Name: "deaf adapter", Text: "two adapters; on the one that hears the device best, connects end with 0x3E",
			Worlds: manyWorlds, Adapters: 2, Targets: 1,
			spoil: func(w *plan, _ *rand.Rand) {
				a := w.best(0)
				w.faults[a] = append(w.faults[a], sim.ConnectFault{Times: sim.Always})
			},
		},
		scenario{
			Name: "many", Text: "12 devices at once on one adapter, 3 of which come after 10 to 40 s, at 10 % loss",
			Worlds: fewWorlds, Adapters: 1, Targets: 12, Loss: 0.1,
			spoil: func(w *plan, rng *rand.Rand) {
				for n := range 3 {
					w.away[n] = 10*time.Second + time.Duration(rng.IntN(30000))*time.Millisecond
				}
			},
		},
		scenario{
			Name: "many, few slots", Text: "18 devices, held for 5 s each, on 3 adapters with 3 links each, at 10 % loss",
			Worlds: fewWorlds, Adapters: 3, Targets: 18, Loss: 0.1, MaxLinks: 3, Hold: 5 * time.Second,
		},
	)
}
