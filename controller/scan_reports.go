package controller

import "github.com/moor-ble/moor/hci"

// cutChains drops the extended advertisements that have lost pieces; nil has none.
func (c *core) cutChains(cut *cuts) {
	if cut != nil {
		c.scan.chains.cutChains(cut)
	}
}

// handleLegacyReports handles LE Advertising Report.
func (s *scanning) handleLegacyReports(ev *hci.LEAdvertisingReport) {
	s.silence.noteReport()
	s.noteMalformed(ev.Malformed)
	for i := range ev.Reports {
		r := &ev.Reports[i]
		typ := r.Type.Defined()
		s.noteReserved(typ != r.Type)
		s.report = Report{
			Addr: r.Addr, RSSI: knownDBm(r.RSSI), TxPower: TxPowerUnknown, SID: noSID, PrimaryPHY: hci.PHY1M,
			Connectable:  typ == hci.AdvInd || typ == hci.AdvDirectInd,
			Scannable:    typ == hci.AdvInd || typ == hci.AdvScanInd,
			Directed:     typ == hci.AdvDirectInd,
			ScanResponse: typ == hci.AdvScanRsp,
		}
		s.deliverReport(&s.report, r.Data)
	}
}

// handleExtendedReports handles LE Extended Advertising Report.
func (s *scanning) handleExtendedReports(ev *hci.LEExtendedAdvertisingReport) {
	s.silence.noteReport()
	s.noteMalformed(ev.Malformed)
	for i := range ev.Reports {
		r := &ev.Reports[i]
		primary, secondary := r.PrimaryPHY.Defined(), r.SecondaryPHY.Defined()
		s.noteReserved(r.Type.Defined() != r.Type || primary != r.PrimaryPHY || secondary != r.SecondaryPHY)
		data, whole := s.chains.addPiece(r)
		if !whole {
			continue
		}
		sid := r.SID
		if r.Legacy() {
			sid = noSID
		}
		s.report = Report{
			Addr: r.Addr, RSSI: knownDBm(r.RSSI), TxPower: knownDBm(r.TxPower), SID: sid,
			PrimaryPHY: primary, SecondaryPHY: secondary,
			Connectable: r.Connectable(), Scannable: r.Scannable(), Directed: r.Directed(),
			ScanResponse: r.ScanResponse(), Extended: !r.Legacy(), Truncated: r.Truncated(), PeriodicInterval: r.PeriodicInterval,
		}
		s.deliverReport(&s.report, data)
	}
}

// knownDBm returns a signal strength or transmit power in dBm, or the value for one that
// is unknown, instead of one that the specification does not allow.
func knownDBm(v int8) int8 {
	if v < -127 || v > 20 {
		return RSSIUnknown
	}
	return v
}

// noteMalformed counts reports that the decoder has omitted.
func (s *scanning) noteMalformed(n int) {
	if n == 0 {
		return
	}
	if s.c.stats.MalformedReports == 0 {
		s.c.log.Log(s.c.ctx, LevelController, "malformed advertising report dropped")
	}
	s.c.stats.MalformedReports += uint64(n)
}

// noteReserved counts a report with reserved bits.
func (s *scanning) noteReserved(has bool) {
	if !has {
		return
	}
	if s.c.stats.ReservedBits == 0 {
		s.c.log.Log(s.c.ctx, LevelController, "reserved bits in an advertising report are ignored")
	}
	s.c.stats.ReservedBits++
}

// deliverReport merges data into r and passes it to every Scanner whose filter it
// passes.
func (s *scanning) deliverReport(r *Report, data []byte) {
	r.Time = s.c.now
	s.merge.mergeReport(r, data)
	if r.Connectable {
		s.c.dial.noteHeard(r.Addr)
	}
	for _, sc := range s.scanners {
		if sc.opts.listensOn(r.PrimaryPHY) && sc.opts.Filter.matchReport(r) && (sc.opts.Duplicates || sc.seen.noteReport(r)) {
			sc.takeReport(r)
		}
	}
}
