// Package att implements the Attribute Protocol (Core, Vol 3, Part F): its PDUs,
// and the [Bearer] that carries them over one channel of a link.
//
// # PDUs
//
// Every PDU is a plain value with its name from the specification. AppendPDU
// encodes it, [Parse] decodes it. A [Request] knows the type of its response, so
// that
//
//	rsp, err := att.Do(ctx, bearer, att.ReadReq{Handle: h})
//
// returns a ReadRsp, or an [*Error] with the peer's reason. Commands and
// notifications have no response and are not Requests.
//
// # Bearer
//
// A Bearer implements both roles of the protocol: as a client it sends requests,
// one at a time; as a server it passes the peer's requests to a
// [RequestHandler]. Its state belongs to the loop of the controller. Methods
// that may be called from other goroutines say so. A Bearer starts no goroutine.
//
//	callers                    |  loop
//	Do --- transaction ------->|  requests   [outstanding] <- queue, 30 s
//	Indicate --- transaction ->|  indications [outstanding] <- queue, 30 s
//	Command, Notify ---------->|  paced      sent while the channel has room
//	                           |  Frame -> response | request | value
//
// A link may have up to five enhanced bearers beside its unenhanced one: see
// [Bearer.AddEnhanced]. All calls are made on the unenhanced bearer, which shares
// the transactions among them:
//
//	Do, Indicate ---> one queue ---> the first idle bearer that may send it
//	Command, Notify, Exchange MTU, prepared writes ---> the unenhanced bearer
//
// Two requests or commands for one attribute keep their order if one of them
// writes. A peer that answers on the wrong bearer costs the enhanced bearers; one
// that does not answer costs that bearer.
//
// A response that cannot answer the outstanding request is dropped; many of them
// end the bearer. So does a PDU after which requests and answers could be
// confused. The link ends with the bearer, and the error is a [*ProtocolError]
// that names the rule. Any other faulty PDU is answered, ignored or dropped as
// the specification demands, and the bearer continues.
package att
