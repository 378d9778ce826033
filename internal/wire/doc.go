// Package wire reads and appends the little-endian fields of the Bluetooth LE
// protocols.
//
// All index arithmetic of the module is here: every decoder reads its input with a
// [Reader], which cannot run past the end, and every encoder appends. The package
// knows no protocol and does no I/O.
package wire
