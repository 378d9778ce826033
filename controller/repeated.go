package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Some controllers report one connection by both connection complete events, or twice
// by one of them; some report a connection after its end. No event tells these from new
// connections. A repeated event is recognized by its link. After an unlikely event the
// host asks the controller whether it has the link.

// onAir returns the peer's address on air.
func (cn *connection) onAir() hci.Addr {
	if cn.peerRPA != (hci.MAC{}) {
		return hci.Addr{MAC: cn.peerRPA, Kind: hci.AddrRandom}
	}
	return cn.peer.Identity()
}

// isRepeated reports whether a connection event is about a link that is up, and not
// about a new one: nothing that could have led to a new one is under way.
func (c *core) isRepeated(cn *connection) bool {
	l, d := c.links[cn.handle], &c.dial
	if l == nil || l.role != cn.role {
		return false
	}
	if peer, air := cn.peer.Identity(), cn.onAir(); peer != l.peer.Identity() && peer != l.air && air != l.air {
		return false
	}
	if cn.role == hci.RolePeripheral {
		return !c.adv.isRunning()
	}
	return d.state == dialIdle || d.state == dialStarting || !slices.ContainsFunc(d.group, func(x *dial) bool { return x.wantsLink(l) })
}

// ended is the end of a link that the host did not know.
type ended struct {
	handle hci.Handle
	at     time.Time
}

// verifyLate verifies a new link whose end has been reported already.
func (s *sweep) verifyLate(l *Link) {
	if e := s.ended; e.handle == l.handle && !e.at.IsZero() && s.c.now.Sub(e.at) < unknownGrace {
		s.ended = ended{}
		l.verifyLink()
	}
}
