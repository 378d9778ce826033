// Package controller drives one Bluetooth LE controller through its Host
// Controller Interface (Core, Vol 4, Part E). The interface's language, its
// values and codecs, is package hci.
//
// The package owns start-up of the controller; command and data credits;
// scanning, initiating and advertising; and the links with their parameters and
// their end. It is used by host and by what stands above, and by programs that
// need a command that nothing above offers ([Exec]). It never interprets what
// travels on a link, retries nothing that failed on air, and keeps nothing on
// disk.
//
// # Ownership
//
// A [Controller] runs two goroutines: one reads packets from the
// [hci.Transport]; the other, the loop, owns everything else. The state of the
// loop is the plain struct core, which has no channel, clock or I/O in it: a
// packet, a task or a deadline goes in with the present time, and packets to be
// sent come out. Only controller.go joins core, transport and timer.
//
// Files, in the order in which a packet meets them: controller.go, core.go, then
// commands.go (command credits), credits.go (data credits), link.go, dial.go,
// scan.go, advertise.go. quiet.go stops the last three for what private.go and
// resolving.go do with addresses. init.go is start-up, exec.go the way in for
// other goroutines.
//
// # Failure
//
// A controller that stops answering, reports a hardware error or disappears
// ends the Controller by one path: core.fail. Every waiter gets the cause, every
// link goes down with it, the transport is closed, and a new Controller may be
// opened on the same adapter.
package controller
