// Package wire reads and appends little-endian fields, which all Bluetooth LE
// protocols use, and reads the big-endian fields of some vendors' broadcasts.
//
// It has all index arithmetic of the module: every decoder reads its input with
// a [Reader], which cannot read past the end, and every encoder appends. The
// package has no knowledge of a protocol and does no I/O.
package wire
