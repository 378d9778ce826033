// Package hcisock opens Bluetooth controllers as an hci.Transport and lists the
// adapters of the machine.
//
// [Open] takes an address in one of these forms:
//
//	hci0                                    the Linux adapter with that index
//	AA:BB:CC:DD:EE:FF                       the Linux adapter with that public address
//	tcp:HOST:PORT                           H4 over TCP (Bumble, Zephyr, RootCanal)
//	unix:PATH                               H4 over a Unix stream socket (btvirt)
//	serial:/dev/ttyS0?baud=115200&flow=rtscts   H4 over a UART
//	fd:3, fd:NAME                           a descriptor inherited from the parent or from systemd
//
// Linux adapters are opened through the HCI user channel. It gives this process
// exclusive use of the controller: the kernel's own stack and BlueZ release it until
// the transport is closed. That requires CAP_NET_ADMIN in the initial user namespace,
// and the initial network namespace. A process without them can inherit an open user
// channel as a descriptor.
//
// Every error of Open is an [*OpenError], with the adapter, the cause and the remedy.
package hcisock
