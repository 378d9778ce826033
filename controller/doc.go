// Package controller drives one Bluetooth LE controller through the Host
// Controller Interface (Core, Vol 4, Part E), whose values and codecs are in
// package hci.
//
// It starts the controller up, scans, initiates, advertises, synchronizes with periodic
// advertising and manages links. It does not interpret the data on a link, does not
// retry what failed on air, and stores nothing. Package host builds on it.
//
// A [Controller] has two goroutines: a reader of its [hci.Transport], and the loop,
// which owns all state. While the loop is idle, the reader does the loop's work on the
// packet that it has read; the two never work at a time. Methods that say "Must run on
// the loop." are for a [LinkHandler]; all others may be called from any other goroutine.
//
// [Open] sends the commands that a scan needs; the remainder follows. A controller that
// stops answering, reports a hardware error or disappears ends its Controller: all links
// go down, every waiting call returns the cause, and the transport is closed. The program
// may open the controller again.
package controller
