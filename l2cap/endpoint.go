package l2cap

import (
	"sync/atomic"
	"time"
)

// endpoint is this side's end of a credit-based channel, without its user. It
// belongs to the loop, except peerMTU.
type endpoint struct {
	m        *Mux
	psm      PSM
	local    CID
	enhanced bool // of the enhanced credit-based mode

	// Set when the channel opens.
	remote  CID
	in      inflow
	out     outflow
	peerMTU atomic.Int32 // the longest SDU that the peer accepts

	state connState
	turn  turn
	user  endpointUser
}

// endpointUser is the user of an endpoint: a Conn for the program, or a
// PacketChannel for a protocol on the loop. Its methods run on the loop.
type endpointUser interface {
	// takeSDU handles an SDU. Its credit is owed to the peer once the user says so.
	takeSDU(now time.Time, sdu []byte)
	// pumpFrames sends while there are credits and room.
	pumpFrames(now time.Time)
	// endUser is the last call; err is why the channel has ended.
	endUser(now time.Time, err *ChannelError)
}

// grantCredits sends the peer the credits that it is owed, if the link has room.
// Without room, pumpFrames does so later: no indications are queued for a peer
// that takes no packets.
func (c *endpoint) grantCredits() {
	if c.state != open {
		return
	}
	if c.in.due() && c.m.turns.room(&c.turn) {
		c.m.sig.sendIndication(flowControlCreditInd{Source: c.local, Credits: c.in.grant()})
	}
}

// handleKFrame handles one K-frame.
func (c *endpoint) handleKFrame(now time.Time, b []byte) {
	sdu, done, err := c.in.addFrame(b)
	if err != nil {
		c.m.coc.disconnect(now, c, err)
		return
	}
	if done {
		c.user.takeSDU(now, sdu)
	}
	c.grantCredits()
}
