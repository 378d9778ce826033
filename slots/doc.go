// Package slots counts the connection slots of adapters and hands them out.
//
// A slot is room for one link. An adapter is registered by name with the number
// of links that it carries. A slot is taken for an address before that address is
// dialed: at once by [Manager.TryAllocate], or through a queue by a [Ticket]. It
// is free again when the link has ended or the attempt was given up. The caller
// reports the links: [Manager.Connected], [Manager.Disconnected], and
// [Manager.Reconcile] with the complete list, so that a lost event costs a slot
// only until then. Reports may arrive late, twice or not at all.
//
// The queue is ordered by priority, then by the age of the tickets. A free slot
// goes to the first ticket that accepts its adapter; a ticket that accepts other
// adapters only does not block it. With n tickets that wait, joining the queue and
// being granted a slot take O(log n), and O(s) for the s different sets of adapters
// that these tickets accept.
//
// An adapter that is registered without a number has no limit until its
// controller refuses links. The limit learned from that is tried again within
// seconds, see [Manager.Refused]. Until then, the queue grants at most 8 slots at a
// time that have no link yet, or as many as there are links: one refusal may end all
// dials of an adapter.
//
// Adapters and addresses are plain strings, compared as given. A Manager starts
// one goroutine for each subscriber and no other. All methods may be called from
// any goroutine, also from subscribers; only the two named Acquire wait.
package slots
