package sim

import (
	"bytes"
	"time"

	"github.com/moor-ble/moor/hci"
)

// unmasked reports whether the host wants the event. The answers to commands
// and the credits for data cannot be masked (Vol 4, Part E, 7.3.1).
func (c *Controller) unmasked(code, sub uint8) bool {
	switch code {
	case hci.EvCommandComplete, hci.EvCommandStatus, hci.EvNumberOfCompletedPackets:
		return true
	case hci.EvLEMeta:
		return c.eventMask&hci.EventMask(code) != 0 && c.leEventMask&hci.LEEventMask(sub) != 0
	}
	return c.eventMask&hci.EventMask(code) != 0
}

// wantsLE reports whether the host wants the LE event.
func (c *Controller) wantsLE(sub uint8) bool { return c.unmasked(hci.EvLEMeta, sub) }

// sendEvent sends an event to the host if that wants it, as faults would have it.
func (c *Controller) sendEvent(ev hci.Event) {
	c.buf = hci.AppendEvent(append(c.buf[:0], eventPacket), ev)
	c.sendEncoded(c.buf, 0)
}

// sendEncoded sends an event packet after a while, if the host wants it and as
// faults would have it.
func (c *Controller) sendEncoded(b []byte, delay time.Duration) {
	if code, sub := eventKind(b); c.unmasked(code, sub) {
		c.dispatchEvent(b, delay)
	}
	if len(c.heldAnswers) > 0 {
		c.releaseAnswers(bytes.Clone(b))
	}
}

// connectionComplete reports a new link, or why there is none, in the newest
// form that the host has unmasked.
func (c *Controller) connectionComplete(ev hci.LEEnhancedConnectionComplete, delay time.Duration) {
	switch {
	case c.wantsLE(hci.EvLEEnhancedConnectionComplete):
		c.buf = hci.AppendEvent(append(c.buf[:0], eventPacket), &ev)
	default:
		if ev.PeerRPA != (hci.MAC{}) { // the older event has no place for identities
			ev.Peer = hci.Addr{MAC: ev.PeerRPA, Kind: hci.AddrRandom}
		}
		c.buf = hci.AppendEvent(append(c.buf[:0], eventPacket), &hci.LEConnectionComplete{
			Status: ev.Status, Handle: ev.Handle, Role: ev.Role, Peer: ev.Peer,
			Params: ev.Params, ClockAccuracy: ev.ClockAccuracy,
		})
	}
	c.sendEncoded(c.buf, delay)
}
