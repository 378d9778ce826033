// Package sim is a simulated Bluetooth LE radio: controllers that speak HCI,
// devices without a host, and the air between them.
//
//	air := sim.New(&sim.Config{Seed: 1})
//	defer air.Close()
//	central := air.NewController(nil)           // an hci.Transport
//	sensor := air.NewDevice(&sim.DeviceConfig{ // a peripheral with a table
//		Table: sim.NewTable(services...),
//	})
//
// An [Air] joins any number of nodes. A [Controller] is an hci.Transport and
// behaves as a real LE controller does at HCI level: command credits, event
// masks, ACL buffers, accept list, resolving list, duplicate filter, limits on
// links, legacy and extended commands that must not be mixed. Below it the link
// layer is modeled in time: advertising intervals and their random delay, scan
// windows, connection events, latency, packets per event by PHY and length,
// acknowledgment and retransmission, supervision timeout, control procedures
// with their instants. All links of a node share one radio. There are no bits on
// the air: encryption is agreed on and compared, not computed.
//
// # Devices
//
//   - [Device] has an attribute table and a small ATT server of its own. It is the
//     device for most tests.
//   - [Peripheral] has moor's whole stack on a controller: it pairs, and it runs a
//     program of its own. The package has some ready-made ones, such as [Lamp].
//   - [RawPeer] leaves every octet to a script or to a test.
//
// # Misbehavior
//
// Everything is well behaved by default. A [Temper] makes a device misbehave: it
// hangs up, falls silent, restarts, answers late, twice or wrong, dislikes an
// update, asks for its own parameters, changes its advertising. A [Fault] makes a
// controller misbehave: commands ([CommandFault]), events ([EventFault]), credits
// ([CreditFault]), connects ([ConnectFault]) and links ([LinkFault]). Both act by
// count, by time, by chance, or on one peer only. Methods of [Controller] unplug
// and replug it, hang it, report hardware errors and send garbage; options of
// [ControllerConfig] select how it reports completed packets and filters
// duplicates, or take commands away. [Path] is loss and silence on the air.
//
// # Time
//
// One goroutine, the air's, owns all state of the air and its nodes. It sleeps
// until the next observable event: a link without traffic and an advertiser
// without listeners cost nothing. Inside testing/synctest hours of radio pass in
// milliseconds.
//
// # Repeatability
//
// All chance comes from one generator that is seeded by [Config.Seed]. Events of
// one instant happen in a fixed order: packets from hosts first, by controller and
// then in the order in which they were written, then the rest in the order in
// which it was planned. The controller processes a packet after its latency, so
// that in synctest all packets of an instant have arrived before the first of them
// is processed: the same seed gives the same run. Controllers with a latency of
// zero give that up.
//
// # Scenarios
//
// [Open] makes an air with devices by the name of a scenario, which is the meaning
// of an adapter's address "sim:NAME". [OpenTransport] and [Air.OpenTransport] fit
// the Open of a connmgr.Kind: the first opens scenarios, the second the
// controllers of an air. [Load] reads a scenario from a file that a person writes, with
// controllers, devices, places and a timeline: see docs/lab.md and [ExampleFile].
// [Scenario.OpenWorld] gives the whole of a scenario as a [World], whose methods change it
// while it runs.
//
// # Limits of the model
//
// Scan windows, advertising and connection events of one radio do not compete;
// links do. Transmissions of different nodes do not collide, except for
// connection requests to one advertiser: interference is Path.Loss. The clocks of
// all nodes agree. Periodic advertising takes no time
// on air. There are no isochronous channels and no BR/EDR.
//
// # Calls
//
// Methods that change something (SetPath, Fault, RawLink.Send, …) post the change
// to the air and return at once. It takes effect before anything that happens
// later. They may be called from any goroutine, including scripts on the air's
// goroutine; calls of several goroutines at one instant take effect in the order
// of the calls. Methods that return a state (Stats, Value, …) wait for the air and
// must not be called from a script. [Air.Close] ends everything.
package sim
