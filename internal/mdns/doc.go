// Package mdns announces one service on the local network, and finds services there, by
// multicast DNS (RFC 6762) and DNS-based service discovery (RFC 6763).
//
// [Announce] answers questions on every interface that has an IPv4 address, tells of the
// service when it begins and when an interface comes, and takes leave at its end: a program
// that browses, such as Home Assistant, then learns of both at once. [Browse] asks, and
// returns the answers.
//
// # Bounds
//
// Packets travel over IPv4; IPv6 addresses of the service are told all the same. The name
// of the service must be unique: Announce does not probe for another holder. A question
// with an answer that the asker knows already is not answered again, nor is one within a
// second of the last answer. Only askers in the subnets of an interface get answers of
// their own: nobody elsewhere can have packets sent to a third party. The memory of Browse is
// bounded.
//
// records.go makes and reads packets and does nothing else; responder.go and browse.go each
// have one goroutine that owns all state, beside one per interface that reads.
package mdns
