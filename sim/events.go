package sim

import (
	"bytes"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// firstPage2 is the first event code of the second page of the event mask.
const firstPage2 = 0x40

// unmasked reports whether the event masks let an event through. The bits of the
// answers to commands and of the credits for data are reserved, and do not mask
// them (Vol 4, Part E, 7.3.1), unless the controller is of those that do.
func (c *Controller) unmasked(code, sub uint8) bool {
	switch {
	case code == hci.EvVendor:
		return true
	case code >= firstPage2:
		return c.eventMask2&hci.EventMask2(code) != 0
	case code == hci.EvLEMeta && c.leEventMask&hci.LEEventMask(sub) == 0:
		return false
	case code == hci.EvCommandComplete, code == hci.EvCommandStatus, code == hci.EvNumberOfCompletedPackets:
		if !slices.Contains(c.cfg.MaskReserved, code) {
			return true
		}
	}
	return c.eventMask&hci.EventMask(code) != 0
}

// wantsLE reports whether the event masks let an LE event through.
func (c *Controller) wantsLE(sub uint8) bool { return c.unmasked(hci.EvLEMeta, sub) }

// sendEvent sends an event to the host, if the masks let it through, and as
// faults would have it.
func (c *Controller) sendEvent(ev hci.Event) {
	c.buf = hci.AppendEvent(append(c.buf[:0], eventPacket), ev)
	c.sendEncoded(c.buf, 0)
}

// sendEncoded sends an event packet after a while, if the masks let it through,
// and as faults would have it.
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
