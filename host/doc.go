// Package host puts the stack together: one controller (hci) with L2CAP, ATT
// and GATT on each of its links.
//
// It owns nothing but the wiring. A [Host] is made on a transport, connects,
// scans, advertises and accepts; a [Conn] is one link with all its protocols.
// It never retries, caches or chooses an adapter: that is what stands above.
package host
