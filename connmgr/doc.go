// Package connmgr establishes Bluetooth LE connections that succeed, over any
// number of adapters. It is what programs import.
//
// A [Manager] owns adapters: it opens them, follows them by address through
// unplug and re-plug, and restarts those that fail. It keeps what has been
// heard on air, counts connections against what each controller can carry, and
// keeps discovered attribute tables on disk. [Manager.Establish] connects:
// attempt after attempt, each on the adapter that has the best prospect, with
// a wait that fits the true reason of each failure, and returns a [Client]
// whose table is known. The errors say why not, with every attempt.
//
// # Ownership
//
// Each adapter has one goroutine that keeps it alive and takes its reports. An
// Establish runs on its caller's goroutine. What they share is small and under
// leaf mutexes: the adapters' states (adapter.go), the devices heard
// (devices.go), the links in use (links.go). Callbacks given by the program run
// on goroutines of their own and may call anything.
//
// It never changes a bond unasked, and never touches adapters that it was not
// given, except in CloseStale.
package connmgr
