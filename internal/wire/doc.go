// Package wire reads and appends the little-endian fields that every
// Bluetooth LE protocol is made of.
//
// It owns all index arithmetic of the project: every decoder walks its input
// with a [Reader], which cannot run past the end, and every encoder appends.
// It knows no protocol and does no I/O.
package wire
