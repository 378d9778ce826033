// Package goble runs programs written for github.com/go-ble/ble on this stack.
//
// [New] returns a ble.Device on a host. A program that calls
//
//	d, err := linux.NewDevice()
//	ble.SetDefaultDevice(d)
//
// calls [Open] instead; the rest of it need not change. The package keeps the
// behavior that such programs depend on: Scan returns ctx.Err(), handlers are
// called one after the other and in order, attribute errors are ble.ATTError
// values, and a discovered profile is complete, so that Subscribe finds the
// descriptor.
//
// Only the central role is implemented; the methods of the peripheral role return
// ble.ErrNotImplemented. A client's Conn has the addresses, the MTU and the end of
// the link, but does not carry attribute PDUs.
package goble
