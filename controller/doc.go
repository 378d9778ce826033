// Package controller drives one Bluetooth LE controller through the Host
// Controller Interface (Core, Vol 4, Part E), whose values and codecs are in
// package hci.
//
// It starts the controller up, scans, initiates, advertises and manages links.
// Package host builds on it. A program needs it for commands that no higher package
// offers; see [Exec]. The package does not interpret the data on a link, does not
// retry what failed on air, and stores nothing.
//
// # The loop
//
// A [Controller] runs two goroutines. The reader reads packets from the
// [hci.Transport]. The loop owns the state: links, credits, timers and whatever
// runs on a link. Methods that say "Must run on the loop." are for a [LinkHandler];
// all others may be called from any other goroutine.
//
// # Failure
//
// A controller that stops answering, reports a hardware error or disappears ends
// its Controller: all links go down, every waiting call returns the cause, and the
// transport is closed. The adapter may be opened again.
package controller
