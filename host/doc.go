// Package host joins the layers of the stack: one controller, with L2CAP, ATT, GATT and
// SMP on each of its links.
//
// A [Host] runs on a transport. It connects, scans, advertises and accepts links. A
// [Conn] is one link with all its protocols. This package contains the wiring alone. It
// does not retry, cache or choose among adapters: package connmgr does.
package host
