// Package peripheral runs a GATT peripheral that a description tells, on a real
// controller or on a simulated one.
//
//	d := &peripheral.Description{Name: "Thermometer", Services: []peripheral.Service{{
//		UUID: uuid.From16(0x181A),
//		Characteristics: []peripheral.Characteristic{{
//			UUID: uuid.From16(0x2A6E), Value: "21.5",
//			Behavior: peripheral.Behavior{Kind: peripheral.Ramp, From: 20, To: 25, Step: 0.5, Every: time.Second},
//		}},
//	}}}
//	e, err := peripheral.New(d, nil)
//	h, err := host.Open(ctx, transport, e.HostConfig())
//	err = e.Serve(ctx, h)
//
// A [Description] is plain data: the advertising, the table with its values and their
// behavior, the pairing. An [Engine] builds the table, moves the values, sends them to
// the centrals that have subscribed, and reports the actions of the centrals as an
// [Event]. Package sim and the command moor peripheral read descriptions from files.
//
// All chance comes from [Options.Seed], and all waiting from package time: inside
// testing/synctest, the same seed gives the same values at the same times.
package peripheral
