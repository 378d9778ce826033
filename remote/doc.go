// Package remote makes adapters of Bluetooth proxies, such as those of ESPHome and
// moor proxy: radios at other places of the house, or one radio that several programs of a
// machine share.
//
//	m, err := connmgr.Open(ctx, &connmgr.Config{
//		Adapters: []string{"hci0", "esphome:attic.local", "esphome:unix:/run/moor/proxy"},
//		Kinds:    []connmgr.Kind{connmgr.HCI(nil), remote.ESPHome(&remote.Config{Key: keys})},
//	})
//
// A program that does not import this package links neither Noise nor the protocol.
//
// # A controller that is played
//
// Each connection to a proxy is an hci.Transport. Its other side plays an HCI controller: it
// answers the commands of the host (commands.go), reports advertisements (scan.go), and
// makes links (dial.go, link.go). On a link it plays the attribute server of the device: a
// request of the host becomes a request to the proxy (server.go, search.go, operations.go),
// and the discovery of attributes is answered from the table that the proxy sends (table.go).
// So the stack above is the same as on a local controller: paths, retries, caches,
// subscriptions.
//
// The interface connmgr.Proxy has the rest (duties.go): the slots that the proxy reports, the
// meaning of its refusals, bonds and tables that it keeps.
//
// A link to a device whose table is known here is asked for with the proxy's cache. The table
// is known once a link has read it, until connmgr.Client.ClearCache.
//
// # Limits of the protocol
//
// A proxy pairs without passkeys, and neither sets PHYs and the data length, nor opens
// channels of L2CAP, advertises, or follows periodic advertising: these fail with ErrLacking,
// or with connmgr.ErrProxyPairing. The protocol does not tell whether a device is
// connectable, so that each one counts as connectable; nor the signal strength and the
// parameters of a link, so that the ones that were asked for count. A scan cannot be made
// passive, since it may be that of other clients too. Data without Flags of a device that
// advertises Flags counts as its scan response. The numbers 0x80 to 0x92 of a failed
// operation may be those of ATT or of the stack of an ESP32.
//
// # Ends
//
// A proxy that is gone, or that says nothing for 90 s, ends its adapter, and the Manager opens
// it again. The firmware of ESPHome serves one client alone: a proxy that does not confirm
// the subscription within 10 s ends with ErrTaken.
//
// The subscription is ended and made again after 30 s without an advertisement, or 90 s while a
// device is dialed, and has to be confirmed as the first one. A proxy with a link is not asked,
// since it may end its links with the subscription. Newer firmware serves the client that has
// subscribed last: there this takes the proxy back from another client, and no error tells
// of it.
//
// # State
//
// A radio (radio.go) has one mutex, which guards all of its state. Packets of the host and
// messages of the proxy are handled under it, and it is never held while anything is waited
// for: two queues take the packets and the messages to send (outbox.go, messages.go). One goroutine reads
// messages, and one writes them.
//
// Tables have at most 4,096 attributes, and a radio remembers at most 16,384 devices. Beyond
// 4,096 packets that wait for the host, reports are dropped and counted; beyond 8,192, no
// messages are read. A proxy that leaves a
// megabyte of requests unread ends.
package remote
