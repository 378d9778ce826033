// Package goble runs programs for github.com/go-ble/ble on this stack.
//
// [OpenManager] makes a ble.Device of a [connmgr.Manager]. A program that calls
//
//	d, err := linux.NewDevice()
//	ble.SetDefaultDevice(d)
//
// changes the first line, and nothing else:
//
//	d, err := goble.OpenManager(ctx, nil)
//
// Its calls of Dial and Connect then make as many attempts as the device needs, on the
// adapter with the best prospect, with a slot for each connection, and the attribute tables
// are cached. [NewManager] takes a Manager that the program has opened. [Open] and [New]
// use one controller and make one attempt, as go-ble does.
//
// The behavior that such programs rely on is the same: Scan returns the context's error
// itself, handlers are called one after the other and in order, attribute errors are
// ble.ATTError values, and DiscoverProfile fills in the CCCD that Subscribe needs.
// Device.Option and Device.Address are those of go-ble's HCI and Device.
//
// The package covers the central role. Methods of the peripheral role return
// ble.ErrNotImplemented. A client's Conn has addresses, MTU and Disconnected, but does not
// carry raw attribute PDUs.
package goble
