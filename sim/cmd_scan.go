package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// scanState is the controller's scanner.
type scanState struct {
	listener
	enabled    bool // by the host; the listener rests between periods
	active     bool
	extended   bool
	ownKind    hci.AddrKind
	policy     uint8
	duplicates duplicates
	each       bool // the duplicate filter is reset in each period
	duration   time.Duration
	period     time.Duration
	begun      instant
	expiry     timer
	report     hci.LEAdvertisingReport // reused
	extReport  hci.LEExtendedAdvertisingReport
}

func (c *Controller) scanCommand(p hci.Params, r *reply) bool {
	s := &c.scan
	switch p := p.(type) {
	case hci.LESetScanParameters:
		if s.enabled {
			r.st = hci.StatusCommandDisallowed
			break
		}
		s.active, s.interval, s.window, s.ownKind, s.policy = p.Active, p.Interval, p.Window, p.OwnAddrKind, p.FilterPolicy
		s.phys, s.extended = hci.PHYs1M, false
	case hci.LESetExtendedScanParameters:
		if s.enabled {
			r.st = hci.StatusCommandDisallowed
			break
		}
		if !c.phys().Has(p.PHYs) {
			r.st = hci.StatusUnsupportedFeature
			break
		}
		first := p.Scanning[0]
		s.active, s.interval, s.window, s.ownKind, s.policy = first.Active, first.Interval, first.Window, p.OwnAddrKind, p.FilterPolicy
		s.phys, s.extended = p.PHYs, true
	case hci.LESetScanEnable:
		r.st = c.enableScan(p.Enable, p.FilterDuplicates, false, 0, 0)
	case hci.LESetExtendedScanEnable:
		if p.Enable && p.Period > 0 && (p.Duration == 0 || p.Duration >= p.Period) {
			r.st = hci.StatusInvalidParameters
			break
		}
		s.extended = true
		r.st = c.enableScan(p.Enable, p.FilterDuplicates, p.ResetEachPeriod, p.Duration, p.Period)
	default:
		return false
	}
	return true
}

func (c *Controller) enableScan(on, filter, each bool, duration, period time.Duration) hci.Status {
	s := &c.scan
	if !on {
		c.stopScan()
		return hci.StatusSuccess
	}
	random := s.ownKind == hci.AddrRandom || s.ownKind == hci.AddrRandomIdentity
	switch {
	case random && !c.hasRandom:
		return hci.StatusInvalidParameters
	case c.cfg.NoScanWhileInitiating && c.initiator.pending():
		return hci.StatusCommandDisallowed
	}
	c.stopScan()
	s.enabled, s.duration, s.period, s.each = true, duration, period, each
	s.duplicates.on, s.duplicates.limit = filter, c.cfg.duplicateCache()
	s.duplicates.forgetAll()
	if s.phys == 0 {
		s.phys = hci.PHYs1M
	}
	s.begun = c.air.now
	c.startPeriod()
	return hci.StatusSuccess
}

func (c *Controller) startPeriod() {
	s := &c.scan
	if s.each {
		s.duplicates.forgetAll()
	}
	c.air.listen(&s.listener)
	if s.duration > 0 {
		c.air.arm(&s.expiry, s.begun.plus(s.duration))
	}
}

// scanExpired ends a duration, or begins the next period.
func (c *Controller) scanExpired() {
	s := &c.scan
	switch {
	case s.period == 0:
		c.stopScan()
		c.sendEvent(&hci.LEScanTimeout{})
	case s.on:
		c.air.deafen(&s.listener)
		s.begun = s.begun.plus(s.period)
		c.air.arm(&s.expiry, s.begun)
	default:
		c.startPeriod()
	}
}

func (c *Controller) stopScan() {
	c.air.deafen(&c.scan.listener)
	c.air.disarm(&c.scan.expiry)
	c.scan.enabled = false
}

// hearsScanning reports an advertisement and asks for the scan response.
func (c *Controller) hearsScanning(v *advertiser) {
	s := &c.scan
	identity, _ := c.resolve(v.own)
	if v.anonymous {
		identity = hci.Addr{Kind: hci.AddrAnonymous}
	}
	c.hearsPeriodic(v, identity)
	switch {
	case !c.accepts(identity):
		return
	case !v.legacy && !s.extended:
		return // legacy scanning does not receive it
	case s.policy&1 != 0 && !c.listed(identity):
		return
	case v.directed && !c.isMe(v.peer, s.ownKind) && s.policy < 2:
		return
	}
	if !v.scannable || v.legacy { // a scannable extended one has its data in the response
		c.reportAdv(v, identity, false)
	}
	if !s.active || !v.scannable {
		return
	}
	me, _ := c.ownAddr(s.ownKind, c.random, identity)
	a := c.air
	if a.arrives(c.node, v.radio) && v.owner.allowsScan(v, me) {
		v.owner.scanRequested(v, me)
		if a.arrives(v.radio, c.node) {
			c.reportAdv(v, identity, true)
		}
	}
}

// isMe reports whether a directed advertisement is for this controller.
func (c *Controller) isMe(target hci.Addr, kind hci.AddrKind) bool {
	switch target {
	case hci.Addr{MAC: c.cfg.Address, Kind: hci.AddrPublic}:
		return kind == hci.AddrPublic || kind == hci.AddrPublicIdentity
	case hci.Addr{MAC: c.random, Kind: hci.AddrRandom}:
		return c.hasRandom
	}
	for _, e := range c.privacy.list {
		if target.IsResolvable() && e.localIRK != ([16]byte{}) && resolves(e.localIRK, target.MAC) {
			return true
		}
	}
	return false
}

// reportAdv reports an advertisement or a scan response.
func (c *Controller) reportAdv(v *advertiser, identity hci.Addr, response bool) {
	s := &c.scan
	data := v.data
	if response {
		data = v.response
	}
	if s.duplicates.on && s.duplicates.isKnown(c.cfg.Duplicates.keyOf(v, identity, response, data)) {
		return
	}
	if c.port == nil || !c.port.hasRoom(true) {
		c.stats.DroppedReports++
		return
	}
	c.stats.Reports++
	rssi := c.air.rssi(v.radio, c.node)
	if s.extended {
		c.reportExtended(v, identity, response, data, rssi)
		return
	}
	typ := v.legacyType()
	if response {
		typ = hci.AdvScanRsp
	}
	s.report.Reports = append(s.report.Reports[:0], hci.AdvReport{Type: typ, Addr: identity, Data: data, RSSI: rssi})
	c.sendEvent(&s.report)
}

// reportPart is the greatest length of the data in one extended report.
const reportPart = 229

// reportExtended reports by LE Extended Advertising Report, in pieces if the
// data is long.
func (c *Controller) reportExtended(v *advertiser, identity hci.Addr, response bool, data []byte, rssi int8) {
	var typ hci.ExtAdvType
	for _, b := range []struct {
		on  bool
		bit hci.ExtAdvType
	}{
		{v.connectable, hci.ExtAdvConnectable}, {v.scannable, hci.ExtAdvScannable},
		{v.directed, hci.ExtAdvDirected}, {response, hci.ExtAdvScanResponse}, {v.legacy, hci.ExtAdvLegacy},
	} {
		if b.on {
			typ |= b.bit
		}
	}
	rep := hci.ExtAdvReport{Addr: identity, PrimaryPHY: hci.PHY1M, SID: 0xFF, TxPower: 127, RSSI: rssi}
	if !v.legacy {
		rep.PrimaryPHY, rep.SecondaryPHY, rep.SID, rep.TxPower = v.primary, v.secondary, v.sid, v.txPower
	}
	if v.directed {
		rep.Direct = v.peer
	}
	if set, ok := v.owner.(*advSet); ok && set.train.on {
		rep.PeriodicInterval = set.train.interval()
	}
	for {
		n := min(len(data), reportPart)
		rep.Type, rep.Data = typ, data[:n]
		if data = data[n:]; len(data) > 0 {
			rep.Type |= hci.ExtAdvIncomplete
		}
		c.scan.extReport.Reports = append(c.scan.extReport.Reports[:0], rep)
		c.sendEvent(&c.scan.extReport)
		if len(data) == 0 {
			return
		}
	}
}
