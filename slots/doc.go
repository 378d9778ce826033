// Package slots counts the connections that adapters have room for, and gives
// them out.
//
// An adapter is registered by name with the number of links it is said to carry.
// A slot is taken for an address before it is dialed, by [Manager.TryAllocate]
// or, waiting in a fair queue, by [Manager.Acquire]; it is free again when the
// link has ended or the attempt was given up. What links there really are comes
// in from outside: [Manager.Connected], [Manager.Disconnected], and
// [Manager.Reconcile] with all of them, so that a lost event costs a slot only
// until the next one. Events may come late, twice or not at all.
//
// A controller that refuses a link for want of room tells its true limit, see
// [Manager.Refused]. What was learned so is forgotten step by step, since other
// circumstances may have been the reason.
//
// Adapters and addresses are plain strings, compared as they are given. A Manager
// keeps no goroutine but one for each subscriber. All methods may be called from
// any goroutine, also from subscribers; only Acquire waits.
package slots
