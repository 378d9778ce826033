// Package goble runs programs for github.com/go-ble/ble on this stack.
//
// [New] makes a ble.Device of a host. A program that calls
//
//	d, err := linux.NewDevice()
//	ble.SetDefaultDevice(d)
//
// calls goble.Open instead and needs no other change. The behavior that such
// programs rely on is the same: Scan returns the context's error itself,
// handlers are called one after the other and in order, attribute errors are
// ble.ATTError values, and DiscoverProfile fills in the CCCD that Subscribe
// needs.
//
// The package covers the central role. Methods of the peripheral role return
// ble.ErrNotImplemented. A client's Conn has addresses, MTU and Disconnected,
// but does not carry raw attribute PDUs.
package goble
