// Package att implements the attribute protocol (Core, Vol 3, Part F): its PDUs,
// and the [Bearer] that carries them over one channel of a link.
//
// # PDUs
//
// Every PDU is a plain value named after the specification, with AppendPDU to
// encode it and [Parse] to decode it. A [Request] knows the type of its response,
// so that
//
//	rsp, err := att.Do(ctx, bearer, att.ReadReq{Handle: h})
//
// gives a ReadRsp, or an [*Error] with the peer's reason. Commands and
// notifications are no Requests: nobody can wait for an answer to them.
//
// # Bearer
//
// A Bearer plays both roles of the protocol at once: as a client it sends
// requests, one at a time, and as a server it hands the peer's requests to a
// [RequestHandler]. Its state belongs to the loop of the controller; methods
// that may be called from other goroutines say so. It starts no goroutine.
//
//	callers                    |  loop
//	Do --- transaction ------->|  requests   [outstanding] <- queue, 30 s
//	Indicate --- transaction ->|  indications [outstanding] <- queue, 30 s
//	Command, Notify ---------->|  paced      sent while the channel has room
//	                           |  Frame -> response | request | value
//
// What breaks the protocol in a way after which requests and answers could be
// mixed up ends the bearer, and with it the link, with a [*ProtocolError] that
// names the rule. Anything else is answered, ignored or dropped as the
// specification says, and the bearer goes on.
package att
