// Package gatt implements the Generic Attribute Profile (Core, Vol 3, Part G) on
// top of the Attribute Protocol: a [Client] that discovers and uses the
// attributes of a peer, and a [Server] that offers attributes to peers.
//
// # Client
//
// Data and behavior are separate. A [Profile] is a plain tree of services,
// characteristics and descriptors, which can be copied, compared, encoded as
// JSON and cached on disk. A [Char] is a handle on one characteristic of one
// link; it ends with the link, and with [ErrStale] when the peer indicates that
// its table has changed.
//
// Every call takes a context. When the context ends, the call returns at once
// and the link stays usable: a request that has been sent stays outstanding
// until the peer answers it, a queued one is never sent. Errors of the peer are
// *[att.Error]. After the end of the link, every call returns the reason for it.
//
// [Char.Subscribe] returns a [Subscription], from which the program pulls
// notifications and indications. Its Next and All may be called from any
// goroutine and in parallel with any other call.
//
// # Server
//
// A [Server] holds the table of this host; [NewServer] builds it from
// definitions of services. Every link has a [Session], which answers the peer's
// requests and sends it notifications and indications.
//
// # Concurrency
//
// The methods of Client, Char and Subscription may be called from any goroutine
// but the link's loop, unless their comments say otherwise.
package gatt
