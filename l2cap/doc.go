// Package l2cap implements the Logical Link Control and Adaptation Protocol of
// one LE link (Vol 3, Part A): it fragments frames into ACL data packets and
// reassembles them, answers the LE signaling channel, and runs credit-based
// channels.
//
// A [Mux] is the L2CAP layer of one link. The code that joins the layers creates
// it on the loop of the link's controller, and hands it to the controller as the
// link's handler:
//
//	controller.Config.NewLink = func(now time.Time, l *controller.Link) controller.LinkHandler {
//		return l2cap.NewMux(now, l, cfg)
//	}
//
// # Fixed channels
//
// ATT and SMP are implemented above this package. Config.ATT and Config.SMP
// create a [Handler] for each, which sends on a [Channel]. Both always run on
// the loop and must not block it.
//
// # Credit-based channels
//
// [Mux.Dial] and [Mux.Listen] open LE credit-based channels (Vol 3, Part A,
// 10.1) and may be called from any goroutine but the loop. A [Conn] is an
// io.ReadWriteCloser with deadlines; [Conn.ReadSDU] and [Conn.WriteSDU] preserve
// packet boundaries. The credits that the peer is granted bound the data that it
// may send; they are returned as the program reads.
//
// [Mux.DialEnhanced] opens up to five channels of the enhanced credit-based mode
// (4.25) with one request, [CoCConfig].Enhanced makes a Listener accept them, and
// [Mux.Reconfigure] changes their limits. A [PacketService] in Config.Packets is a
// protocol that runs on the loop on such channels, as those of fixed channels do:
// a [PacketChannel] carries one PDU in each SDU. An enhanced ATT bearer is one.
//
// # Limits
//
// Everything that a peer can make this package store is bounded: one frame in
// reassembly (see [Mux] for its length), the unread data of a channel (see
// [CoCConfig]), 64 channels, 64 PDUs that wait for credits on a PacketChannel, 16
// signaling answers that the peer does not take, and one question to
// [ParamPolicy].Ask.
//
// # Goroutines
//
// A Mux starts no goroutine but one for each question to ParamPolicy.Ask. That
// goroutine ends when Ask returns; the context of Ask ends with the link. All
// state belongs to the loop. The comment on each method says where it may be
// called.
package l2cap
