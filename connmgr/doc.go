// Package connmgr establishes Bluetooth LE connections that succeed, over any
// number of adapters. Programs import this package.
//
// A [Manager] owns adapters: it opens them, follows them by address through
// unplugging and plugging in, and restarts those that fail. It remembers the
// devices on air, counts connections against the capacity of each adapter, and
// keeps attribute tables on disk. [Manager.Scan] and [Manager.Find] use all
// adapters. [Manager.Establish] connects: it makes attempts, each on the
// adapter with the best prospect, waits after each failure as its reason demands,
// and returns a [Client] whose attribute table is known. Its errors give the
// reason of every attempt. [Manager.Keep] establishes again after each loss, and
// [Manager.Explain] says why a device can or cannot be connected to.
//
// # The scan in the background
//
// A Manager scans on all of its adapters, unless Config.DisableScan is set, and remembers
// the devices that it hears. The scan costs radio time, so that it follows the need: while
// a call of Establish, Keep, WaitFor or Find waits, for 5.12 s after it, and for ten
// seconds after an adapter has come up, the adapters listen all the time. Otherwise they
// listen for 1.28 s of each 5.12 s, which is enough to know which devices are there: one
// that advertises once a second is heard in each of these windows. A program that wants to
// hear every advertisement calls Scan, which has a timing of its own.
//
// # Ownership
//
// Each Keep has one goroutine, on which its calls of Establish run (keep_loop.go).
// Each adapter has one goroutine that keeps it open, one that takes its reports, one that
// sets the timing of its scan (duty.go), and one that watches for a scan that stays silent
// (deaf.go). Each link has one that waits
// for its end, and until it has settled one that reads features, one that guards the
// table and one that settles (attempt.go). One goroutine writes traits and tables to the
// state directory (state_writer.go). Establish runs on its caller's goroutine. Callbacks
// of the program run on goroutines of their own and may call anything.
//
// They share the following state, each under the mutex of its type, named mu:
//
//   - Manager (manager.go): the list of adapters, and whether Close has begun.
//   - Adapter (adapter.go): its state, its host, its dials and their failures, the
//     evidence against its controller (recover.go, stall.go), and its bonds.
//   - account (account.go): the links that hold slots. It is held while a link is
//     entered or removed, and so around the mutexes of links and of broadcast.
//   - links (links.go): the links in use, and the claims of the calls that make one
//     (claim.go).
//   - link (link.go): its state, its Clients, its table, and the step on trial. It is
//     held around the mutex of bus.
//   - duty (duty.go): the number of calls that wait for a device.
//   - devices (devices.go): the devices heard, and the waits for reports.
//   - places (priority.go): the places in the queue for slots, and the Clients whose
//     priorities their links have.
//   - evidences (evidence.go): the failures of devices that decide about the next try.
//   - traits (traits.go): the steps that devices could not take.
//   - remembered (remembered.go): the parameters that programs have set.
//   - tableStore (table_store.go): the attribute tables that are not on disk yet.
//   - stateWriter (state_writer.go): the writes to the state directory that are due.
//   - bondStores (bonds.go): the bonds that are kept in memory.
//   - records (records.go): the calls of Establish under way, and the outcome of earlier
//     ones.
//   - keeps (keep_loop.go): the connections that are kept.
//   - Kept (keep.go): its status, its Client, its subscriptions and its watchers.
//   - bus (events.go): the listeners for events.
//   - broadcast (broadcast.go): the waits for adapters and for ended links.
//
// Apart from these two cases, none of these mutexes is held while another one of them is
// taken; a lower package may take its own. A function whose name ends in Locked says
// which mutex its caller must hold.
//
// The Manager never changes a bond unasked. It never touches adapters that it was
// not given, except in CloseStale.
//
// # Recovery
//
// A failure costs no more than it has to. Its evidence decides about the rung: the next one
// is reached only if this one has not helped, and no rung ends a link that works.
//
//   - The peer: a fault that one device alone leads to delays the attempts to that device,
//     which leave out the step in which it occurred (evidence.go, traits.go). The adapter is
//     reset for it once at most, and only while it has no link (recover.go, stall.go).
//   - The link: a link whose data stays with the controller or the peer ends, with that
//     reason. Other links go on (controller.ErrNoDataCredit, controller.ErrUnacknowledged).
//   - RungReopen: an adapter that has ended is opened again. So is one without links whose
//     dials meet faults, that keeps data, refuses to scan or hears nothing any more
//     (recover.go, stall.go, deaf.go).
//   - RungPowerCycle: after three tries in a row that did not make the adapter work, it is
//     taken down and up, twice at most.
//   - RungUSBReset: then its USB port is reset. The rests before the further resets grow
//     from a minute to an hour. After the fifth, the adapter is only opened again, every
//     30 s, until it works.
//
// An adapter works when it has been up for a minute, and after a reset for the lack of
// something, when it has given that: a link, a Client, a scan, a report. After a failure for
// want of the same thing, reopening is skipped. Config.MaxRung bounds the ladder (ladder.go,
// climb.go); Recoverer takes the upper rungs (kind.go, recover_hci.go). Each step is
// logged as a warning, and is the event RungTaken. Adapter.Recovery and Manager.Explain
// have the state.
//
// # What a Manager needs of an adapter
//
// Every adapter is an HCI controller with this module's host on it: a [Kind] opens its
// transport, and package host does the rest. A Bluetooth proxy, which has the controller and
// the host at its far end, is one too: package remote plays its controller. Its transport is
// a [Proxy] besides. HCI cannot express its duties, which are at these places (proxy.go):
//
//   - Slots (Adapter.followSlots): the limit of the adapter is the number that the proxy reports, at any
//     time, in place of one that is learned from refusals.
//   - Dials (explainDial): the error of a dial is in the proxy's words, of which package
//     errclass has rows.
//   - Paths (Manager.rankAdapters): a proxy that makes no links is left out.
//   - Bonds (Client.Pair, Client.Security): the proxy pairs and keeps the bond. The Manager
//     has none, so that no bond ties a device to such an adapter.
//   - Tables (Manager.ClearCache): the proxy forgets its own too.
package connmgr
