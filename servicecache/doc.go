// Package servicecache keeps the attribute tables of peers from one connection,
// and one run of a program, to the next.
//
// A [Cache] is a directory, or memory alone. It has a small record for each peer,
// found by its identity address, and a record for each table, found by its
// content: sensors of the same kind share one. A table can also be found by its
// Database Hash (Vol 3, Part G, 7.3), which serves for a peer that was never met.
// Whether a table that was found is still right is for [Decide] to say, by the
// rules of Vol 3, Part G, 2.5.2; the cache itself never asks a peer.
//
// Several processes may use a directory at once. Readers wait for nobody. Writers
// take turns by a file lock, write a new file, and put it in the place of the old
// one when it is on the disk, so that whatever happens to them, a record is the
// old or the new one. What Put has returned for is on the disk. Records have a
// version and a checksum. One that cannot be read is a miss: it is set aside
// under "bad" and the table has to be discovered again.
//
// All methods may be called from any goroutine.
package servicecache
