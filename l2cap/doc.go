// Package l2cap carries the protocols of one LE link: it cuts frames into ACL
// data packets and joins them again, answers the LE signalling channel, and
// runs credit-based channels (Vol 3, Part A).
//
// A [Mux] stands on one link. It is made on the loop of the link's controller
// by whoever joins the layers, which hands it the link and gets back an
// controller.LinkHandler:
//
//	controller.Config.NewLink = func(now time.Time, l *controller.Link) controller.LinkHandler {
//		return l2cap.NewMux(now, l, cfg)
//	}
//
// # Fixed channels
//
// ATT and SMP live above this package. Config.ATT and Config.SMP make a
// [Handler] for each, which gets a [Channel] to send on. Both are on the loop
// for all of their life and must not block it.
//
// # Credit-based channels
//
// [Mux.Dial] and [Mux.Listen] open LE credit-based channels (Vol 3, Part A,
// 10.1) for any goroutine. A [Conn] is an io.ReadWriteCloser with deadlines,
// and keeps packet boundaries through [Conn.ReadSDU] and [Conn.WriteSDU]. What
// a peer may send is bounded by the credits that it is granted, and these come
// back as the program reads. Channels of the enhanced credit-based mode (one
// request, up to five channels) are refused in the way the specification asks.
//
// # Limits
//
// All that a peer can make this package hold is bounded: one frame in
// reassembly (see [Mux] for its length), [CoCConfig] bounds for what is unread
// on a channel, 64 channels, 16 signalling answers that the peer does not take,
// and one question to [ParamPolicy].Ask.
//
// # Goroutines
//
// A Mux starts none, except one for each question to ParamPolicy.Ask, which
// ends when Ask returns; Ask's context ends with the link. All state belongs to
// the loop; methods say where they may be called.
package l2cap
