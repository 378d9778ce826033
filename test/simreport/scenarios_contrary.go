package simreport

import (
	"math/rand/v2"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// contraryScenarios are those in which moor was expected to lose, before they were run:
// each of them turns a decision of the policy against it.
func contraryScenarios() []scenario {
	return []scenario{
		{
			// Establish dials at once, on the first adapter that is up.
			Name: "first is worst", Text: "two adapters; the first one hears the device weakly and loses 60 %",
			Cause: "bleak-retry-connector is told beforehand which adapter hears the device well; " +
				"moor dials at once, and the weak adapter may be the first to make the link.",
			Worlds: manyWorlds, Adapters: 2, Targets: 1,
			spoil: func(w *plan, _ *rand.Rand) {
				w.place(0, -90, 0.6)
				w.place(1, -50, 0)
			},
		},
		{
			// The dials to absent devices hold the initiator, and the scan has to wait for it.
			Name: "one at a time",
			Text: "8 devices, 6 of which come after 10 to 40 s, on an adapter that cannot scan while it initiates and " +
				"whose filter accept list has one entry",
			Worlds: fewWorlds, Adapters: 1, Targets: 8, OneByOne: true, AcceptList: 1,
			spoil: func(w *plan, rng *rand.Rand) {
				for n := range 6 {
					w.away[n] = 10*time.Second + time.Duration(rng.IntN(30000))*time.Millisecond
				}
			},
		},
		{
			// A wait between two attempts may fall on the press of the button.
			Name: "button", Text: "the device advertises once each time its button is pressed, after 4 to 12 s and again after as long",
			Worlds: manyWorlds, Adapters: 1, Targets: 1, Loss: 0.1,
			spoil: func(w *plan, rng *rand.Rand) {
				presses := []sim.AdvChange{{Off: true}}
				for at := time.Duration(0); at < 5*time.Minute; {
					at += 4*time.Second + time.Duration(rng.IntN(8000))*time.Millisecond
					presses = append(presses, sim.AdvChange{At: at}, sim.AdvChange{At: at + 50*time.Millisecond, Off: true})
				}
				w.tempers[0].Advertising = presses
			},
		},
		{
			// The scan is active: it asks each of them for its scan response.
			Name: "dense air", Text: "one device among 100 others that advertise every 100 ms, at 10 % loss",
			Worlds: fewWorlds, Adapters: 1, Targets: 1, Loss: 0.1, Beacons: 100,
		},
		{
			// A device that refuses connections ends Establish after five seconds.
			Name: "asleep", Text: "the device advertises as not connectable until it wakes up after 8 to 30 s",
			Worlds: manyWorlds, Adapters: 1, Targets: 1,
			spoil: func(w *plan, rng *rand.Rand) {
				wakes := 8*time.Second + time.Duration(rng.IntN(22000))*time.Millisecond
				w.tempers[0].Advertising = []sim.AdvChange{{NotConnectable: true}, {At: wakes}}
			},
		},
		{
			// Establish gives up after four attempts of 20 s.
			Name: "comes late", Text: "the device comes after 60 to 150 s",
			Cause: "An Establish gives up on a device that no adapter hears after four attempts of 20 s, as does " +
				"bleak-retry-connector alone. A program that wants to wait longer calls WaitFor or Keep; that of habluetooth has to wait.",
			Worlds: manyWorlds, Adapters: 1, Targets: 1,
			spoil: func(w *plan, rng *rand.Rand) {
				w.away[0] = time.Minute + time.Duration(rng.IntN(90000))*time.Millisecond
			},
		},
		{
			// The first link has an interval of 7.5 ms.
			Name: "dislikes haste", Text: "the device ends links whose interval is below 20 ms with 0x3B",
			Cause: "The first link has an interval of 7.5 ms, for a quick discovery; the next one has 30–50 ms. " +
				"The Manager remembers that, but each world is the first contact. With habluetooth there is no second interval.",
			Worlds: manyWorlds, Adapters: 1, Targets: 1,
			spoil: func(w *plan, _ *rand.Rand) {
				w.tempers[0].Rules = []sim.Rule{{
					On: sim.OnLink, Do: sim.HangUp, Status: hci.StatusUnacceptableParameters, Below: 20 * time.Millisecond,
				}}
			},
		},
		{
			// Such advertisements carry no data, and no flag that they are connectable.
			Name: "directed", Text: "the device advertises to the adapter alone, once a second",
			Worlds: manyWorlds, Adapters: 1, Targets: 1, Directed: true,
		},
	}
}
