// Package proxy serves the adapters of a connmgr.Manager as one Bluetooth proxy, to Home
// Assistant and to every other client of ESPHome's native API.
//
//	s, err := proxy.New(manager, &proxy.Config{Name: "attic", MAC: mac, Key: &key})
//	err = s.Serve(ctx, listener)
//
// A [Server] has one name, one address and one set of connection slots for all adapters.
// Each client subscribes to what it wants: advertisements, slots, the state of the scanner.
// Several clients may be there at a time. A link belongs to the client that asked for it:
// another one's request for the same device is refused, and the link ends with its client.
//
// # The way of an advertisement
//
// [Server] scans while a client wants advertisements (scan.go). Each report comes from one
// adapter: from that which hears the device best, with 5 dB of hysteresis; another one's
// is sent only when the data is new, or after that adapter has lost the device
// (sources.go). Reports wait for at most 100 ms for others, and are encoded once for all
// clients (batch.go). A client that reads slowly loses the oldest of them, and nothing
// else.
//
// # The way of a request
//
// A client's messages arrive in order on the goroutine of its session (client.go), which
// waits for nothing: requests to connect or disconnect change the table of links
// (links.go), and operations enter the queue of a link. Each link has one goroutine, which
// connects, runs the operations one after the other (link.go, operations.go), and answers
// each of them once. The client learns of the end of a link before it learns of the free
// slot.
//
// # A client that is slow, silent or gone
//
// A connection has ten seconds to show that a client is at its other end: by the key, or by
// a hello if there is none. Of such connections 64 wait at most, and a newer one takes the
// place of another (arrivals.go), so that nobody is locked out by idle ones. A client that
// reads slowly loses advertisements first. Notifications of its devices wait, up to
// [esphome.MaxValues] in its session and 256 for each characteristic; of more, the oldest
// are lost. Only a client that leaves [esphome.MaxReplies] of replies unread is cut off. A
// client that answers no ping loses its links after 60 s, one whose network is gone after
// 30 s on Linux (unacknowledged_linux.go). The end of a client's subscription to
// advertisements ends the links that it has, as in ESPHome, unless it subscribes again
// within 100 ms.
//
// # State
//
// The mutex of Server guards the clients, the links and the slots told last. It is held
// while messages are queued, so that they have one order for all clients, and never while
// anything is waited for.
//
// The package opens no adapter and keeps no file: the program gives it a Manager, a
// listener and a key. It decides nothing about attempts, paths or bonds: connmgr does.
package proxy
