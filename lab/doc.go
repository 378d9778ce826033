// Package lab gives a controller to the stacks of other programs: it attaches an
// hci.Transport to a place where they look for a controller.
//
//	place, err := lab.ParsePlace("tcp:127.0.0.1:9001")
//	port, err := lab.Listen(ctx, place)
//	err = port.Serve(ctx, &lab.Config{Open: open})
//
// A [Place] is a TCP port or a Unix socket that speaks H4 (Vol 4, Part A), a pseudo
// terminal that does, or /dev/vhci, behind which Linux itself is the client and has one
// more adapter. A [Port] is the open place. It serves one client at a time, any number of
// them one after the other: each gets a transport of its own from Config.Open, which for a
// simulated controller is a fresh one, and for an adapter is reset. The commands lab and
// bridge of the program moor are the callers: the first for the controllers of a
// sim.World, the second for an adapter of the machine.
//
// # Clients
//
// A client is not trusted. Half a packet, octets that are no packets, and
// packets that hosts do not send end its session. So does a client that does not read: the
// queue of the transport is bounded, and after [Patience] the client is dropped. A second
// client is refused while there is one.
//
// # Control
//
// A [Control] serves the state and the events of a sim.World over HTTP, and takes orders
// in the syntax of the events of scenario files. It is left out by the build tag minimal.
//
// # Limits
//
// The package interprets no packet and has no password: everybody who reaches a place has
// the controller. It opens no adapter, reads no file and prints nothing.
package lab
