package sim

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// maxAdvData is the greatest length of an advertising set's data in octets.
const maxAdvData = 1650

// advSet is an advertising set. Legacy advertising is one without a handle.
type advSet struct {
	c       *Controller
	handle  uint8
	params  hci.LESetExtendedAdvertisingParameters
	random  hci.MAC
	data    []byte
	rsp     []byte
	partial bool // the host has sent a part of the data
	adv     *advertiser
	train   *train
	ownRPA  hci.MAC
}

func (c *Controller) newSet(handle uint8) *advSet {
	s := &advSet{c: c, handle: handle}
	s.adv = newAdvertiser(c.node, s)
	s.train = newTrain(s)
	return s
}

// legacy returns the one set of legacy advertising.
func (c *Controller) legacy() *advSet {
	if c.legacySet == nil {
		c.legacySet = c.newSet(0)
		c.legacySet.params = hci.LESetExtendedAdvertisingParameters{
			Properties: legacyProperties[hci.AdvInd], ChannelMap: 7, PrimaryPHY: hci.PHY1M, TxPower: 127,
			IntervalMin: 1280 * time.Millisecond, IntervalMax: 1280 * time.Millisecond,
		}
	}
	return c.legacySet
}

// legacyProperties are the properties that correspond to the legacy types
// (Vol 4, Part E, 7.8.53, table 7.3).
var legacyProperties = map[hci.AdvType]hci.AdvProperties{
	hci.AdvInd:          hci.AdvPropLegacy | hci.AdvPropConnectable | hci.AdvPropScannable,
	hci.AdvDirectInd:    hci.AdvPropLegacy | hci.AdvPropConnectable | hci.AdvPropDirected | hci.AdvPropHighDuty,
	hci.AdvScanInd:      hci.AdvPropLegacy | hci.AdvPropScannable,
	hci.AdvNonconnInd:   hci.AdvPropLegacy,
	hci.AdvDirectIndLow: hci.AdvPropLegacy | hci.AdvPropConnectable | hci.AdvPropDirected,
}

// advertising reports whether any set advertises.
func (c *Controller) advertising() bool {
	return c.legacySet != nil && c.legacySet.adv.on ||
		slices.ContainsFunc(c.sets, func(s *advSet) bool { return s.adv.on })
}

func (c *Controller) advCommand(p hci.Params, r *reply) bool {
	switch p := p.(type) {
	case hci.LESetRandomAddress:
		if c.scan.enabled || c.initiator.pending() || c.legacySet != nil && c.legacySet.adv.on {
			r.st = hci.StatusCommandDisallowed
			break
		}
		c.random, c.hasRandom = p.Addr, true
	case hci.LESetAdvertisingParameters:
		if c.legacy().adv.on {
			r.st = hci.StatusCommandDisallowed
			break
		}
		c.legacy().params = hci.LESetExtendedAdvertisingParameters{
			Properties: legacyProperties[p.Type], IntervalMin: p.IntervalMin, IntervalMax: p.IntervalMax,
			ChannelMap: p.ChannelMap, OwnAddrKind: p.OwnAddrKind, Peer: p.Peer, FilterPolicy: p.FilterPolicy,
			PrimaryPHY: hci.PHY1M, TxPower: 127,
		}
	case hci.LEReadAdvertisingPhysicalChannelTxPower:
		r.ret = hci.TxPower(c.cfg.TxPower)
	case hci.LESetAdvertisingData:
		c.legacy().setData(p.Data)
	case hci.LESetScanResponseData:
		c.legacy().setResponse(p.Data)
	case hci.LESetAdvertisingEnable:
		if s := c.legacy(); !p.Enable {
			s.adv.stopAdvertising()
		} else if !s.adv.on {
			s.random = c.random
			r.st = s.enable(c.hasRandom, 0, 0)
		}
	default:
		return false
	}
	return true
}

func (s *advSet) setData(b []byte) { s.data, s.adv.data = b, b }

func (s *advSet) setResponse(b []byte) { s.rsp, s.adv.response = b, b }

// enable starts the set.
func (s *advSet) enable(hasRandom bool, duration time.Duration, events int) hci.Status {
	p, props := &s.params, s.params.Properties
	random := p.OwnAddrKind == hci.AddrRandom || p.OwnAddrKind == hci.AddrRandomIdentity
	connectable := props&hci.AdvPropConnectable != 0
	switch {
	case random && !hasRandom:
		return hci.StatusInvalidParameters
	case s.partial:
		return hci.StatusCommandDisallowed
	case connectable && s.c.full():
		return s.c.fullStatus()
	}
	s.adv.set = s.handle
	s.adv.startAdvertising(advertisement{
		peer: p.Peer.Identity(), connectable: connectable,
		scannable: props&hci.AdvPropScannable != 0, directed: props&hci.AdvPropDirected != 0,
		highDuty: props&hci.AdvPropHighDuty != 0, legacy: props&hci.AdvPropLegacy != 0,
		anonymous: props&hci.AdvPropOmitAddress != 0, data: s.data, response: s.rsp, sid: p.SID,
		primary: p.PrimaryPHY, secondary: p.SecondaryPHY, txPower: s.reportedPower(),
		interval: p.IntervalMin, channels: p.ChannelMap, maxEvents: events, duration: duration,
	})
	s.refreshAddress(s.adv)
	s.train.start()
	return hci.StatusSuccess
}

// reportedPower is the transmit power in the advertisement; 127 means none.
func (s *advSet) reportedPower() int8 {
	if s.params.Properties&hci.AdvPropIncludeTxPower == 0 {
		return 127
	}
	return s.c.cfg.TxPower
}

// refreshAddress implements advOwner.
func (s *advSet) refreshAddress(v *advertiser) {
	v.own, s.ownRPA = s.c.ownAddr(s.params.OwnAddrKind, s.random, s.params.Peer)
	if !v.directed || s.params.OwnAddrKind < hci.AddrPublicIdentity {
		return
	}
	if e := s.c.privacy.findEntry(s.params.Peer.Identity()); e != nil && e.peerIRK != ([16]byte{}) {
		v.peer = hci.Addr{MAC: s.c.newRPA(e.peerIRK), Kind: hci.AddrRandom}
	}
}

// allowsScan implements advOwner.
func (s *advSet) allowsScan(_ *advertiser, from hci.Addr) bool {
	identity, _ := s.c.resolve(from)
	return s.c.accepts(identity) && (s.params.FilterPolicy&1 == 0 || s.c.listed(identity))
}

// allowsConnect implements advOwner.
func (s *advSet) allowsConnect(v *advertiser, from hci.Addr) bool {
	identity, _ := s.c.resolve(from)
	switch {
	case s.c.full() || !s.c.accepts(identity):
		return false
	case v.directed:
		return from == v.peer || identity.Identity() == s.params.Peer.Identity()
	}
	return s.params.FilterPolicy&2 == 0 || s.c.listed(identity)
}

// scanRequested implements advOwner.
func (s *advSet) scanRequested(_ *advertiser, from hci.Addr) {
	if s.params.NotifyScanRequests {
		identity, _ := s.c.resolve(from)
		s.c.sendEvent(&hci.LEScanRequestReceived{Set: s.handle, Scanner: identity})
	}
}

// acceptLink implements advOwner.
func (s *advSet) acceptLink(v *advertiser, l *link, peer hci.Addr) {
	v.stopAdvertising()
	e := l.attach(peripheral, s.c.node, s.c, v.own, peer)
	k := &conn{endpoint: e, localRPA: s.ownRPA, peer: peer}
	if identity, private := s.c.resolve(peer); private {
		k.peer, k.peerRPA = identity, peer.MAC
	}
	if s != s.c.legacySet {
		k.set = s
	}
	e.aux = k
}

// advertisingEnded implements advOwner.
func (s *advSet) advertisingEnded(v *advertiser, st hci.Status) {
	if s == s.c.legacySet {
		s.c.connectionComplete(hci.LEEnhancedConnectionComplete{Status: st, Role: hci.RolePeripheral, Peer: s.params.Peer}, 0)
		return
	}
	s.c.sendEvent(&hci.LEAdvertisingSetTerminated{Status: st, Set: s.handle, CompletedEvents: uint8(v.events)})
}

// full reports whether there is no room for another link.
func (c *Controller) full() bool { return c.node.links >= c.cfg.maxLinks() }

func (c *Controller) fullStatus() hci.Status { return or(c.cfg.FullStatus, hci.StatusConnectionLimit) }
