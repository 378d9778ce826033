// Package hci is the language of the Host Controller Interface (Core, Vol 4,
// Part E): its values and their codecs.
//
// It owns addresses, opcodes, commands, events, packet headers, status codes,
// features, advertising data, the description of packets in words, btsnoop
// files, and [Transport], the way to a controller. Package controller speaks
// this language to a controller, sim answers in it, and hcisock carries it. The
// package holds no state: it starts no goroutine, reads no clock, and does no
// input or output beyond the reader or writer that a caller hands to the btsnoop
// codec.
//
// # Files
//
// A command has its struct in the file named after its kind: cmd_info.go,
// cmd_scan.go, cmd_adv.go, cmd_adv_ext.go, cmd_connect.go, cmd_link.go,
// cmd_phy.go, cmd_security.go. cmd.go has the interfaces that commands satisfy,
// and cmd_table.go the opcodes that [ParseCommand] knows. Events are in
// event_*.go in the same way, with [ParseEvent] in event.go.
//
// Every type has both directions, since the simulated controller needs the one
// that a host does not. Decoders accept octets beyond those known and refuse
// fewer. Encoders of commands check ranges and return a [*ParamError]; times are
// time.Duration everywhere but on the wire.
package hci
