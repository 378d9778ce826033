// Package servicecache stores the attribute tables of peers between connections
// and between runs of a program.
//
// A [Cache] is a directory, or memory alone. It has one small record for each
// peer, by its identity address, and one record for each table, by its content:
// sensors of the same kind share a table. A table can also be found by its
// Database Hash (Vol 3, Part G, 7.3), even for a peer that never connected before.
// [Decide] tells whether a stored table is still valid, by the rules of Vol 3,
// Part G, 2.5.2; the cache itself sends nothing to a peer.
//
// Several processes may use one directory at a time. Reading takes no lock. Writers
// take turns by a file lock; they write a new file and rename it over the old one
// after it has been synced to the disk, so a crash leaves the old record or the
// new one. An entry is on the disk when Put returns. Each record has a version and
// a checksum. An unreadable record counts as a miss: it is moved into the folder
// "bad", and the table has to be discovered again. The same goes for a record that is a link, a
// pipe, or a file of another user.
//
// All methods may be called from any goroutine.
package servicecache
