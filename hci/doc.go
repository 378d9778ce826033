// Package hci is the language of the Host Controller Interface (Core, Vol 4,
// Part E): its values and their codecs.
//
// It contains addresses, opcodes, commands, events, packet headers, status codes,
// features, advertising data, descriptions of packets in words, btsnoop files, and
// [Transport], the interface to a controller. Package controller is the host's side
// of this language, package sim the controller's side, and package hcisock carries
// it. The package holds no state: it starts no goroutine, reads no clock, and has
// no input or output except the reader or writer that a caller passes to the
// btsnoop codec.
//
// # Codecs
//
// Every type has an encoder and a decoder, because a simulated controller needs
// the direction that a host does not. Encoders of commands check ranges and return
// a [*ParamError]. Decoders refuse packets that are too short and ignore octets
// beyond the known parameters. Times are a time.Duration everywhere except on the
// wire.
//
// Commands are structs in the files cmd_*.go, events in event_*.go, grouped as in
// the specification. cmd.go has the interfaces of commands, event.go that of
// events.
package hci
