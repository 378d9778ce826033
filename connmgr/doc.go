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
// reason of every attempt.
//
// # Ownership
//
// Each adapter has one goroutine that keeps it open, one that takes its reports, and
// one that watches for a scan that stays silent (deaf.go). Each link has one that waits
// for its end, and until it has settled one that reads features, one that guards the
// table and one that settles (attempt.go).
// Establish runs on its caller's goroutine. Callbacks of the program run on goroutines
// of their own and may call anything.
//
// They share the following state, each under the mutex of its type, named mu:
//
//   - Manager (manager.go): the list of adapters, and whether Close has begun.
//   - Adapter (adapter.go): its state, its host, its dials and their failures, the
//     evidence against its controller (recover.go, stall.go), and its bonds.
//   - account (account.go): the links that hold slots. It is held while a link is
//     entered or removed, and so around the mutexes of links and of broadcast.
//   - links (links.go): the links in use, and the dials under way.
//   - link (link.go): its state, its Clients, its table, and the step on trial. It is
//     held around the mutex of bus.
//   - devices (devices.go): the devices heard, and the waits for reports.
//   - places (place.go): the places in the queue for slots.
//   - traits (traits.go): the steps that devices could not take. It is held while
//     traits.json is written.
//   - bondStores (bonds.go): the bonds that are kept in memory.
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
// # What a Manager needs of an adapter
//
// Today every adapter is an HCI controller with this module's host on it: a [Kind]
// opens its transport, and package host does the rest. An adapter of another
// nature, such as a proxy that has the controller and the host at its far end,
// gets a second way to be opened, in Kind. The Manager then needs the following of
// it, each at one place of this package.
//
//   - State (Adapter.serveHost): a channel that is closed when the adapter ends, and
//     the reason. An adapter that ends is opened again. An error of opening or
//     ending is classified by package errclass.
//   - Reports (hearReports): a stream of advertisements with address, signal strength,
//     data and time, that starts, or is refused with an error, and ends with an
//     error. Reports that are lost are counted. Options such as passive scanning
//     are a wish: a proxy scans for all of its clients alike.
//   - Identity (identityOf): the identity address behind a private one, if the
//     adapter has the bond. An adapter without bonds returns the address itself.
//   - Connect (attempts.dialDevice): one call for one address, or for a few of which any
//     will do, that ends when ctx does. After it has returned an error, no connect
//     is under way and no link exists, or the error says so, as
//     controller.ErrStillInitiating does. A refusal has a type that errclass knows:
//     no free connection, no such device, busy.
//   - Slots (Manager.reconcileSlots): the links that exist, with their peers, including
//     those of others. A limit is learned from refusals; an adapter whose far end
//     reports its free connections sets the limit of package slots from the
//     report, at any time.
//   - Links (link, Client): the end of a link with its reason, ending it, the
//     attribute client, connection parameters and signal strength. Pairing,
//     L2CAP channels and packets may be missing: Client.Security, Client.Pair and
//     Client.L2CAP then have nothing to offer. The attribute client today is
//     gatt.Client on an ATT bearer. A proxy has attribute operations instead of a
//     bearer, and may keep the table of the device at its far end: the table then
//     comes from there, and Client.ClearCache has to clear it there too.
package connmgr
