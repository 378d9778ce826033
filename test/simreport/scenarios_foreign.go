package simreport

import (
	"math/rand/v2"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// foreignScenarios are those for which the policy was not written. They come from reports
// of users of other systems.
func foreignScenarios() []scenario {
	slow := sim.Temper{Advertising: []sim.AdvChange{{Interval: 10240 * time.Millisecond}}}
	slowly := func(w *plan, _ *rand.Rand) {
		for n := range w.tempers {
			w.tempers[n] = slow
		}
	}
	return []scenario{
		{
			Name: "passing refusal", Text: "5 devices, held for 60 s each; the adapter refuses one connect, not the first, with 0x0D",
			Worlds: fewWorlds, Adapters: 1, Targets: 5, Hold: time.Minute,
			spoil: func(w *plan, _ *rand.Rand) {
				w.everywhere(func() sim.Fault { return sim.ConnectFault{Skip: 1, Status: hci.StatusRejectedResources} })
			},
		},
		{
			Name: "rests", Text: "the device ends each link at once with 0x13, for 30 s",
			Cause:  "The adapter listens until the device is ready, which is up to one wait of the policy later.",
			Worlds: manyWorlds, Adapters: 1, Targets: 1, Rests: true,
			spoil: func(w *plan, _ *rand.Rand) {
				w.tempers[0].Rules = []sim.Rule{{On: sim.OnLink, Do: sim.HangUp, Until: 30 * time.Second}}
			},
		},
		{
			Name: "hardware failures", Text: "6 devices, held for 8 s each, on an adapter that carries 2 links; after 5 s it fails four connects with 0x03",
			Cause:  "The devices are ready about 0.1 s later, which counts as the same, and the adapter listens for as long.",
			Worlds: fewWorlds, Adapters: 1, Targets: 6, MaxLinks: 2, Hold: 8 * time.Second,
			spoil: func(w *plan, _ *rand.Rand) {
				w.after = 5 * time.Second
				w.everywhere(func() sim.Fault { return sim.ConnectFault{Times: 4, Status: hci.StatusHardwareFailure} })
			},
		},
		{
			Name: "near and full", Text: "3 devices, held for 3 s each; the near adapter carries 2 links, the other one is out of reach",
			Worlds: fewWorlds, Adapters: 2, Targets: 3, MaxLinks: 2, Hold: 3 * time.Second,
			spoil: func(w *plan, _ *rand.Rand) {
				w.place(0, -50, 0)
				w.place(1, -90, 1)
			},
		},
		{
			Name: "second adapter", Text: "two adapters; the first one is out of reach",
			Worlds: manyWorlds, Adapters: 2, Targets: 1,
			spoil: func(w *plan, _ *rand.Rand) { w.place(0, -100, 1) },
		},
		{
			Name: "advertises slowly", Text: "the device advertises every 10.24 s",
			Worlds: manyWorlds, Adapters: 1, Targets: 1, spoil: slowly,
		},
		{
			Name: "slowly, loss 30 %", Text: "the same; 30 % of all packets are lost",
			Worlds: manyWorlds, Adapters: 1, Targets: 1, Loss: 0.3, spoil: slowly,
		},
		{
			Name: "slowly, many", Text: "20 such devices at once",
			Worlds: fewWorlds, Adapters: 1, Targets: 20, spoil: slowly,
		},
		{
			Name: "sixty", Text: "60 devices at once on one adapter",
			Worlds: fewWorlds, Adapters: 1, Targets: 60,
		},
	}
}
