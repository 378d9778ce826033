// Package hci drives one Bluetooth LE controller through its Host Controller
// Interface (Core, Vol 4, Part E).
//
// It owns: the codecs of commands, events, ACL headers and advertising data;
// start-up of the controller; command and data credits; scanning, initiating,
// advertising; and the links with their parameters and their end. It is used
// by l2cap and what stands above, by simulated controllers (for the codecs),
// and by programs that need a command that nothing above offers ([Exec]). It
// never interprets what travels on a link, retries nothing that failed on air
// and keeps nothing on disk.
//
// # Ownership
//
// A [Device] runs two goroutines: one reads packets from the [Transport], the
// other, the loop, owns everything else. The state of the loop is the plain
// struct core, which has no channel, clock or I/O in it: a packet, a task or a
// deadline goes in with the present time, packets to be sent come out. Only
// device.go joins core, transport and timer.
//
// Files, in the order in which a packet meets them: transport.go, packet.go,
// device.go, core.go, then commands.go (command credits), event.go and its
// kin (codecs), credits.go (data credits), link.go, dial.go, scan.go,
// advertise.go. quiet.go stops the last three for what private.go and
// resolving.go do with addresses. init.go is start-up, exec.go the way in for
// other goroutines.
//
// # Failure
//
// A controller that stops answering, reports a hardware error or disappears
// ends the Device by one path: core.fail. Every waiter gets the cause, every
// link goes down with it, the transport is closed, and a new Device may be
// opened on the same adapter.
package hci
