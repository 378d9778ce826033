package remote

import (
	"math"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

// maxHeard is how many devices a radio remembers. It forgets all beyond.
const maxHeard = 16_384

// maxData is the longest data of an advertisement, in octets. chunk is the longest data of
// one report, and legacyData that of a legacy advertisement.
const (
	maxData    = 1650
	chunk      = 229
	legacyData = 31
)

// unknownStrength is the signal strength in dBm with which a proxy reports that it is not
// known.
const unknownStrength = -127

// scan is the state of the advertisements.
type scan struct {
	running bool // the host scans
	active  bool // and wants scan responses
	state   esphome.ScannerState
	heard   map[hci.MAC]heard
	report  time.Time // when the last report came
	renewed time.Time // when the subscription was made again; zero if it is confirmed
}

// heard is the last report of a device.
type heard struct {
	kind  hci.AddrKind
	flags bool // it advertises Flags
}

func newScan() scan { return scan{heard: map[hci.MAC]heard{}, report: time.Now()} }

// enableScan starts or stops the reports. The subscription stays, since a proxy answers its
// subscriber alone. A proxy that scans passively is asked for scan responses, and none is
// asked not to request them: they may be for another client.
func (r *radio) enableScan(on bool) {
	s := &r.scan
	s.running = on
	if on && s.active && r.can(esphome.FlagScannerState) && s.state.Mode == esphome.ScanPassive {
		s.state.Mode = esphome.ScanActive
		r.send(&esphome.SetScannerMode{Mode: esphome.ScanActive})
	}
}

// takeScanner takes the state of the scanner, which confirms the subscription.
func (r *radio) takeScanner(m *esphome.ScannerState) {
	if m.State != r.scan.state.State {
		r.log.Debug("scanner changed", "proxy", r.name, "state", m.State, "mode", m.Mode)
	}
	r.scan.state, r.scan.renewed = *m, time.Time{}
	closeOnce(r.greetings.scanner)
}

// checkSubscription subscribes anew where no report comes any more: a proxy of one subscriber
// drops it for another one, and may not say so. Some answer no subscription of their
// subscriber, so that the old one is ended first. With it a proxy may end all links, so that
// one with a link is not asked.
func (r *radio) checkSubscription(now time.Time) {
	s := &r.scan
	switch {
	case !r.can(esphome.FlagScannerState) || s.state.State != esphome.ScanRunning && s.renewed.IsZero():
	case !s.renewed.IsZero():
		if now.Sub(s.renewed) >= confirmAfter {
			r.failLocked(takenError(r.name))
		}
	case now.Sub(s.report) >= r.quietLimit():
		s.renewed, s.report = now, now
		r.send(&esphome.UnsubscribeAdvertisements{}, &esphome.SubscribeAdvertisements{Flags: 1})
	}
}

// quietLimit returns the time without an advertisement after which the subscription is made
// again: a long one while links are made or ended, and never if there is one.
func (r *radio) quietLimit() time.Duration {
	limit := quietAfter
	for _, l := range r.links {
		switch l.state {
		case linkHeld, linkUp:
			return math.MaxInt64
		case linkAsking, linkAsked, linkEnding:
			limit = dialQuietAfter
		}
	}
	return limit
}

// takeReports reports advertisements to the host.
func (r *radio) takeReports(m *esphome.Advertisements) {
	s := &r.scan
	s.report = time.Now()
	for i := range m.Reports {
		a := &m.Reports[i]
		mac, ok := a.Address.Octets()
		if !ok || a.Kind > 3 || len(a.Data) > maxData {
			continue
		}
		response := r.noteHeard(mac, a)
		if s.running {
			r.reportDevice(hci.Addr{MAC: mac, Kind: hci.AddrKind(a.Kind)}, a, response)
		}
	}
}

// noteHeard remembers a report, and reports whether it is a scan response: the protocol does
// not tell. Flags are not allowed there, so data without them is one if the device has
// advertised Flags.
func (r *radio) noteHeard(mac hci.MAC, a *esphome.Advertisement) (response bool) {
	before, known := r.scan.heard[mac]
	_, flags := hci.AdvData(a.Data).Flags()
	now := heard{hci.AddrKind(a.Kind), before.flags || flags} //nolint:gosec // at most 3
	if now != before || !known {
		if len(r.scan.heard) >= maxHeard {
			clear(r.scan.heard)
		}
		r.scan.heard[mac] = now
		r.dial.noteKind(mac)
	}
	return before.flags && !flags && len(a.Data) > 0 && len(a.Data) <= legacyData
}

// reportDevice reports one advertisement to the host. Each counts as connectable: the protocol
// does not tell.
func (r *radio) reportDevice(addr hci.Addr, a *esphome.Advertisement, response bool) {
	rssi := int8(unknownRSSI)
	if a.RSSI > unknownStrength && a.RSSI <= 20 {
		rssi = int8(a.RSSI)
	}
	if r.legacy {
		r.reportLegacy(addr, a.Data, rssi, response)
		return
	}
	rep := hci.ExtAdvReport{
		Type: hci.ExtAdvConnectable | hci.ExtAdvScannable | hci.ExtAdvLegacy, Addr: addr, PrimaryPHY: hci.PHY1M, SID: noSID,
		TxPower: unknownRSSI, RSSI: rssi, Data: a.Data,
	}
	if response {
		rep.Type |= hci.ExtAdvScanResponse
	}
	if len(a.Data) <= legacyData {
		r.sendReport(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{rep}})
		return
	}
	rep.SecondaryPHY, rep.SID = hci.PHY1M, 0
	for rest := a.Data; len(rest) > 0; {
		n := min(len(rest), chunk)
		rep.Type, rep.Data = hci.ExtAdvConnectable, rest[:n]
		if rest = rest[n:]; len(rest) > 0 {
			rep.Type |= hci.ExtAdvIncomplete
		}
		r.sendReport(&hci.LEExtendedAdvertisingReport{Reports: []hci.ExtAdvReport{rep}})
	}
}

// noSID is the advertising SID of legacy advertisements.
const noSID = 0xFF

// reportLegacy is reportDevice for a host that uses the legacy commands. Longer data is what a
// proxy has joined of an advertisement and a scan response, and is split again.
func (r *radio) reportLegacy(addr hci.Addr, data hci.AdvData, rssi int8, response bool) {
	first, rest := splitData(data)
	rep := hci.AdvReport{Type: hci.AdvInd, Addr: addr, Data: first, RSSI: rssi}
	if response {
		rep.Type = hci.AdvScanRsp
	}
	reports := []hci.AdvReport{rep}
	if len(rest) > 0 {
		reports = append(reports, hci.AdvReport{Type: hci.AdvScanRsp, Addr: addr, Data: rest, RSSI: rssi})
	}
	r.sendReport(&hci.LEAdvertisingReport{Reports: reports})
}

// splitData splits data between two AD structures into parts of at most 31 octets. The rest
// is lost.
func splitData(data hci.AdvData) (first, rest hci.AdvData) {
	n := 0
	for i := 0; i < len(data); {
		i += 1 + int(data[i])
		if i > legacyData || i > len(data) {
			break
		}
		n = i
	}
	if len(data) <= legacyData {
		n = len(data)
	}
	rest = data[n:]
	m := 0
	for i := 0; i < len(rest); {
		i += 1 + int(rest[i])
		if i > legacyData || i > len(rest) {
			break
		}
		m = i
	}
	return data[:n], rest[:m]
}

func (r *radio) sendReport(ev hci.Event) {
	r.host.pushPacket(hci.AppendEvent([]byte{uint8(hci.PacketEvent)}, ev), true)
}
