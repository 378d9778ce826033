// Package sim is a simulated Bluetooth LE radio: controllers that speak HCI,
// peers without a host, and the air between them.
//
//	air := sim.New(&sim.Config{Seed: 1})
//	defer air.Close()
//	central := air.NewController(nil)           // an hci.Transport
//	sensor := air.NewRawPeer(&sim.RawPeerConfig{ // a scripted peripheral
//		AdvData: data,
//	})
//
// An [Air] joins any number of [Controller] and [RawPeer] nodes. A Controller
// is an hci.Transport and behaves as a real LE controller does at HCI level:
// command credits, event masks, ACL buffers, accept list, resolving list,
// limits on links, legacy and extended commands that must not be mixed. Below
// it the link layer is modeled in time: advertising intervals and their
// random delay, scan windows, connection events, latency, packets per event by
// PHY and length, acknowledgement and retransmission, supervision timeout,
// control procedures with their instants. One radio is shared by all links of
// a node. There are no bits on the air: encryption is agreed on and compared,
// not computed.
//
// # Time
//
// One goroutine, the air's, owns all state of the air and its nodes; nothing
// else runs. It sleeps until the next thing that somebody can notice: a link
// without traffic, an advertiser that nobody listens to, cost nothing. Inside
// testing/synctest hours of radio pass in milliseconds.
//
// # Repeatability
//
// All chance comes from one generator that is seeded by [Config.Seed]. What
// happens at one instant happens in a fixed order: packets from hosts first, by
// controller and then in the order they were written, then the rest in the order
// in which it was planned. A packet that a host writes is taken up after the
// controller's latency, so that in synctest all packets of an instant have
// arrived before the first of them is looked at: the same seed gives the same
// run. Controllers with a latency of zero give that up.
//
// # Faults
//
// What real controllers and peers get wrong is there as switches: see [Fault]
// for commands, events, credits and connects, [Path] for loss and silence, and
// the methods of [Controller] for unplugging, hardware errors and garbage.
//
// # Devices and scenarios
//
// [Air.NewPeripheral] puts a device with the whole stack on the air; the package
// has some ready-made. [Open] makes an air with devices by the name of a
// scenario: that is what an adapter's address "sim:NAME" stands for. [OpenTransport]
// and [Air.OpenTransport] have a connmgr.Manager on the one or the other.
//
// # What is not modeled
//
// Scan windows, advertising and connection events of one radio do not compete;
// links do. Transmissions of different nodes do not collide, except for
// connection requests to one advertiser: interference is Path.Loss. The clocks of
// all nodes agree. There are no isochronous channels, no periodic advertising and
// no BR/EDR.
//
// # Calls
//
// Methods that change something (SetPath, Fault, RawLink.Send, …) hand the
// change to the air and return at once. It is in force before anything that
// happens later; they may be called from any goroutine, scripts on the air's
// goroutine included, and what several goroutines call at one instant happens
// in the order in which it comes. Methods that ask something (Stats, …) wait for
// the air and must not be called from a script.
package sim
