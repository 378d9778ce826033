// Package goble runs programs written for github.com/go-ble/ble on this stack.
//
// [New] makes a ble.Device of a host. A program that calls
//
//	d, err := linux.NewDevice()
//	ble.SetDefaultDevice(d)
//
// calls goble.Open instead and stays as it is. What such programs rely on
// holds: Scan returns the context's error itself, handlers are called one after
// the other and in order, attribute errors are ble.ATTError values, trees of
// the profile are filled so that Subscribe finds its descriptor.
//
// It covers the central role; what belongs to the peripheral role returns
// ble.ErrNotImplemented. A client's Conn has addresses, MTU and end of the
// link, but does not carry raw attribute PDUs.
package goble
