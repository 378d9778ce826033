// Package hcisock reaches Bluetooth controllers: it opens them as an
// hci.Transport and tells which ones there are.
//
// [Open] takes an address, which is one of
//
//	hci0                                    the Linux adapter with that index
//	AA:BB:CC:DD:EE:FF                       the Linux adapter with that address, whatever its index is today
//	tcp:HOST:PORT                           H4 over TCP (Bumble, Zephyr, RootCanal)
//	unix:PATH                               H4 over a Unix stream socket (btvirt)
//	serial:/dev/ttyS0?baud=115200&flow=rtscts   H4 over a UART
//	fd:3, fd:NAME                           a descriptor inherited from the parent or from systemd
//
// Linux adapters are opened through the HCI user channel, which gives this
// process the controller alone: the kernel's own stack and BlueZ let go of it
// until the transport is closed. That needs CAP_NET_ADMIN in the initial user
// namespace, and the initial network namespace. A process without them can be
// handed an open user channel as an inherited descriptor.
//
// Every error of Open is an [*OpenError]: it names the adapter, the cause and
// the remedy.
package hcisock
