// Package esphome is the native API of ESPHome as far as Bluetooth proxies need it:
// messages, frames in plain text and with Noise, and the session. It has both ends.
//
// A proxy is the server: it accepts connections, describes itself, and sends reports of
// advertisements to clients that subscribe. A client, such as Home Assistant, has it
// connect to devices and read and write their attributes. The protocol is asymmetric in
// its messages only. [Accept] and [Connect] shake hands and return a [Conn], which reads
// and writes messages.
//
// # One message
//
// A [Message] is a pointer to one of the structs of this package, whose tags hold the
// numbers of the fields: messages.go lists them by the number of the message. fields.go
// makes a payload of it and back. A frame carries the number and the payload:
// frame_plain.go and frame_noise.go. A [Conn] joins the two, and a [Session] adds what
// every server owes its clients: answers to greetings and pings, keep-alive, and a queue
// that a slow client cannot grow without bound.
//
// The codec is the package's own over protowire, in place of one that protoc generates:
// the clients in use differ in what they take. Repeated numbers are never packed, and
// some zeros are written although proto3 leaves them out (the option "zero" of a tag).
// The list of messages stays readable, and the program does not grow by the reflection
// of the protobuf library.
//
// # Hostile input
//
// A frame is at most [MaxPayload] octets, and memory follows what has arrived, never a
// length that a peer announces. Fields of unknown numbers are skipped, as are messages of
// unknown numbers. A handshake has a bound in time that the caller sets by its context.
//
// The package knows no controller and starts no connection of its own: package proxy and
// the adapter of connmgr stand on it.
package esphome
