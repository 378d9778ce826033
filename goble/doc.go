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
// A program that is a peripheral calls [Open]: AddService, SetServices and the methods
// Advertise… work as in go-ble, with one table for any number of centrals. The handlers of
// requests, of subscriptions and of links run on goroutines of their own. A Device on a
// Manager makes links and accepts none; its methods of the peripheral role return errors
// that wrap ble.ErrNotImplemented.
//
// The behavior that such programs rely on is the same: Scan and Advertise return the
// context's error itself, handlers are called one after the other and in order, attribute
// errors are ble.ATTError values, and DiscoverProfile fills in the CCCD that Subscribe needs.
// Device.Option and Device.Address are those of go-ble's HCI and Device.
//
// A Conn has addresses, MTU and Disconnected, but does not carry raw attribute PDUs. The
// page docs/goble.md has the list of differences.
package goble
