package sim

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// privacy is the resolving list and its state.
type privacy struct {
	list    []*resolving
	enabled bool
	timeout time.Duration
}

// resolving is an entry of the list.
type resolving struct {
	peer      hci.Addr
	peerIRK   [16]byte
	localIRK  [16]byte
	device    bool // device privacy mode
	local     hci.MAC
	localAge  instant
	localMade bool
	lastRPA   hci.MAC // the peer's, resolved before
	lastKnown bool
}

func (c *Controller) privacyCommand(p hci.Params, r *reply) bool {
	v := &c.privacy
	switch p := p.(type) {
	case hci.LEReadResolvingListSize:
		r.ret = hci.Count(c.cfg.resolvingSize())
	case hci.LESetAddressResolutionEnable:
		if c.radioInUse() {
			r.st = hci.StatusCommandDisallowed
			break
		}
		v.enabled = p.Enable
	case hci.LESetResolvablePrivateAddressTimeout:
		v.timeout = p.Timeout
	case hci.LEAddDeviceToResolvingList:
		switch {
		case v.enabled && c.radioInUse():
			r.st = hci.StatusCommandDisallowed
		case v.findEntry(p.Peer) != nil:
			r.st = hci.StatusInvalidParameters
		case len(v.list) >= c.cfg.resolvingSize():
			r.st = hci.StatusMemoryFull
		default:
			v.list = append(v.list, &resolving{peer: p.Peer, peerIRK: p.PeerIRK, localIRK: p.LocalIRK})
		}
	case hci.LERemoveDeviceFromResolvingList:
		switch {
		case v.enabled && c.radioInUse():
			r.st = hci.StatusCommandDisallowed
		case v.findEntry(p.Peer) == nil:
			r.st = hci.StatusUnknownConnection
		default:
			v.list = slices.DeleteFunc(v.list, func(e *resolving) bool { return e.peer == p.Peer })
		}
	case hci.LEClearResolvingList:
		if v.enabled && c.radioInUse() {
			r.st = hci.StatusCommandDisallowed
			break
		}
		v.list = nil
	case hci.LESetPrivacyMode:
		e := v.findEntry(p.Peer)
		switch {
		case v.enabled && c.radioInUse():
			r.st = hci.StatusCommandDisallowed
		case e == nil:
			r.st = hci.StatusUnknownConnection
		default:
			e.device = p.Device
		}
	default:
		return false
	}
	return true
}

// radioInUse reports whether the controller advertises, scans or initiates.
func (c *Controller) radioInUse() bool {
	return c.scan.enabled || c.initiator.pending() || c.advertising()
}

func (v *privacy) findEntry(peer hci.Addr) *resolving {
	for _, e := range v.list {
		if e.peer == peer {
			return e
		}
	}
	return nil
}

// resolve returns the identity of a resolvable private address that is on the
// resolving list, with kind 0x02 or 0x03, and reports whether it resolved a.
func (c *Controller) resolve(a hci.Addr) (hci.Addr, bool) {
	v := &c.privacy
	if !v.enabled || len(v.list) == 0 || !a.IsResolvable() {
		return a, false
	}
	for _, e := range v.list {
		if e.peerIRK == ([16]byte{}) {
			continue
		}
		if e.lastKnown && e.lastRPA == a.MAC || resolves(e.peerIRK, a.MAC) {
			e.lastRPA, e.lastKnown = a.MAC, true
			return hci.Addr{MAC: e.peer.MAC, Kind: e.peer.Kind + hci.AddrPublicIdentity}, true
		}
	}
	return a, false
}

// accepts reports false for a device in network privacy mode that uses its
// identity address instead of a private one (Vol 6, Part B, 4.7).
func (c *Controller) accepts(a hci.Addr) bool {
	if !c.privacy.enabled {
		return true
	}
	e := c.privacy.findEntry(a)
	return e == nil || e.device || e.peerIRK == [16]byte{}
}

// isDialed reports whether a device is the one with the address of a dial. The
// kinds 0x02 and 0x03 name the identity of a device that uses a private address.
// The kinds 0x00 and 0x01 name the address on the air; only on controllers with
// LE Set Privacy Mode do they name the identity as well (Vol 4, Part E, 7.8.12).
func (c *Controller) isDialed(dialed, identity hci.Addr, private bool) bool {
	switch {
	case dialed.Identity() != identity.Identity():
		return false
	case dialed.Kind >= hci.AddrPublicIdentity:
		return private
	}
	return !private || c.supported.Has(hci.OpLESetPrivacyMode)
}

// listed reports whether a device, by its identity if that is known, is on the
// filter accept list.
func (c *Controller) listed(identity hci.Addr) bool {
	return slices.Contains(c.accept, identity.Identity())
}

// ownAddr returns the controller's address on the air towards a peer, for the
// own address type of a command. The second result is that address if it is a
// resolvable private one.
func (c *Controller) ownAddr(kind hci.AddrKind, random hci.MAC, peer hci.Addr) (hci.Addr, hci.MAC) {
	fallback := hci.Addr{MAC: c.cfg.Address, Kind: hci.AddrPublic}
	if kind == hci.AddrRandom || kind == hci.AddrRandomIdentity {
		fallback = hci.Addr{MAC: random, Kind: hci.AddrRandom}
	}
	if kind < hci.AddrPublicIdentity {
		return fallback, hci.MAC{}
	}
	e := c.privacy.findEntry(peer.Identity())
	if e == nil || e.localIRK == ([16]byte{}) {
		return fallback, hci.MAC{}
	}
	if !e.localMade || c.air.now.since(e.localAge) >= c.privacy.timeout {
		e.local, e.localAge, e.localMade = c.newRPA(e.localIRK), c.air.now, true
	}
	return hci.Addr{MAC: e.local, Kind: hci.AddrRandom}, e.local
}

// newRPA makes a resolvable private address (Vol 6, Part B, 1.3.2.2).
func (c *Controller) newRPA(irk [16]byte) hci.MAC {
	var m hci.MAC
	for i := range 3 {
		m[3+i] = byte(c.air.rng.Uint32())
	}
	m[5] = m[5]&0x3F | 0x40
	h := hash24(irk, m)
	copy(m[:3], h[:])
	return m
}

// ResolvableAddress makes the resolvable private address of a device with the
// given identity resolving key, least significant octet first, from the 24
// random bits that prand gives (Vol 3, Part H, 2.2.2).
func ResolvableAddress(irk [16]byte, prand [3]byte) hci.Addr {
	var m hci.MAC
	copy(m[3:], prand[:])
	m[5] = m[5]&0x3F | 0x40
	h := hash24(irk, m)
	copy(m[:3], h[:])
	return hci.Addr{MAC: m, Kind: hci.AddrRandom}
}

// hash24 is the random address hash function ah of the address's upper half.
func hash24(irk [16]byte, m hci.MAC) (h [3]byte) {
	var r [16]byte
	copy(r[:], m[3:])
	e := encrypt(irk, r)
	copy(h[:], e[:3])
	return h
}

func resolves(irk [16]byte, m hci.MAC) bool {
	h := hash24(irk, m)
	return slices.Equal(h[:], m[:3])
}
