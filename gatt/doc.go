// Package gatt implements the Generic Attribute Profile (Core, Vol 3, Part G)
// on top of the attribute protocol: a [Client] that discovers and uses the
// attributes of a peer, and a [Server] that offers attributes to peers.
//
// # Client
//
// Data and behavior are apart. A [Profile] is a plain tree of services,
// characteristics and descriptors: copyable, comparable, fit for JSON and for a
// cache on disk. A [Char] is a live handle on one characteristic of one link; it
// ends with the link, and with [ErrStale] when the peer says that its table has
// changed.
//
// Every call takes a context. Ending it frees the caller at once and leaves the
// link usable: a request that has gone out stays outstanding until it is
// answered, one that has not is never sent. Errors of the peer are *[att.Error];
// after the end of the link, everything returns the reason why it ended.
//
// Notifications and indications are pulled: [Char.Subscribe] gives a
// [Subscription], whose Next and All may be called from any goroutine, with any
// other call of the client in between.
//
// # Concurrency
//
// The methods of Client, Char and Subscription may be called from any goroutine
// but the link's loop, unless they say otherwise.
package gatt
