// Package servicecache stores the attribute tables of peers between connections
// and between runs of a program.
//
// A [Cache] is a directory, or memory alone. It has one small record for each
// peer, by its identity address, and one record for each table, by its content:
// sensors of the same kind share it, to save room. [Decide] tells whether a stored table
// is still valid, by the rules of Vol 3, Part G, 2.5.2; the cache itself sends nothing to
// a peer.
//
// A table is used for no other peer than the one that it is from, even for one that states
// the same Database Hash (Vol 3, Part G, 7.3). The key of the hash is public, so whoever
// chooses the UUIDs of a table can give it the hash of another one: one such device would
// be believed about all devices with that hash. To find tables by hash would save one
// discovery for each further device of a kind, and for each update of it: some 100 ms, once.
//
// The hash shows that the table of a peer is still the same, but not that it is from that
// peer: without a bond, another device may have had its address. Once the peer is bonded,
// a table from before the bond does not count.
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
