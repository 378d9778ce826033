package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ring"
)

// procKind is a link layer control procedure that a host can start.
type procKind uint8

const (
	procNone procKind = iota
	procVersion
	procFeatures
	procLength
	procPHY
	procParams     // a peripheral asks for parameters
	procUpdate     // a central sets them
	procChannelMap // a central sets it
	procEncrypt
)

// procedure is a procedure that is queued or runs.
type procedure struct {
	kind   procKind
	quiet  bool // its outcome is not reported
	params linkParams
	tx, rx hci.PHYs
	rand   [8]byte
	ediv   uint16
	key    [16]byte
	chans  [5]byte
}

// procedures are the procedures of one endpoint. One runs at a time (Vol 6, Part
// B, 5.2).
type procedures struct {
	queue  ring.Ring[procedure]
	cur    procedure
	expiry timer

	hasVersion, saidVersion bool
	version                 version
	hasFeatures             bool
	features                hci.Features
	wantLength              lengths // zero: the defaults
	enc                     encryption
}

// startProcedure queues a procedure.
func (e *endpoint) startProcedure(p procedure) {
	e.proc.queue.Push(p)
	e.nextProcedure()
}

func (e *endpoint) nextProcedure() {
	pr := &e.proc
	for pr.cur.kind == procNone && pr.queue.Len() > 0 && !e.dead {
		pr.cur = pr.queue.Pop()
		e.link.air.arm(&pr.expiry, e.link.air.now.plus(procedureTimeout))
		e.runProcedure(&pr.cur)
	}
}

// runProcedure sends the first PDU of a procedure, or ends it if its outcome is
// known.
func (e *endpoint) runProcedure(p *procedure) {
	a := e.owner.abilities()
	switch p.kind {
	case procVersion:
		if e.proc.hasVersion {
			e.finishProcedure(procVersion, hci.StatusSuccess)
		} else if !e.proc.saidVersion {
			e.sayVersion()
		}
	case procFeatures:
		switch {
		case e.proc.hasFeatures:
			e.finishProcedure(procFeatures, hci.StatusSuccess)
		case e.role == central:
			e.sendControl(control{op: llFeatureReq, features: a.features})
		case a.features.Has(hci.FeaturePeripheralFeatExchange):
			e.sendControl(control{op: llPeripheralFeatureReq, features: a.features})
		default:
			e.finishProcedure(procFeatures, hci.StatusUnsupportedRemoteFeature)
		}
	case procLength:
		e.sendControl(control{op: llLengthReq, length: e.ownLengths()})
	case procPHY:
		e.sendControl(control{op: llPHYReq, tx: p.tx, rx: p.rx})
	case procParams:
		e.sendControl(control{op: llConnectionParamReq, params: p.params})
	case procUpdate:
		e.link.announce(change{kind: procUpdate, by: e, params: p.params})
	case procChannelMap:
		e.link.announce(change{kind: procChannelMap, by: e, chans: p.chans})
	case procEncrypt:
		e.startEncryption(p)
	case procNone:
	}
}

// finishProcedure ends the running procedure, if it is of that kind, and reports
// its outcome.
func (e *endpoint) finishProcedure(kind procKind, st hci.Status) {
	pr := &e.proc
	if pr.cur.kind != kind {
		return
	}
	p := pr.cur
	pr.cur = procedure{}
	e.link.air.disarm(&pr.expiry)
	if ev := e.outcome(kind, st); ev != nil && !p.quiet {
		e.owner.reportEvent(e, ev)
	}
	e.nextProcedure()
}

// outcome is the event that ends a procedure; nil if it has none.
func (e *endpoint) outcome(kind procKind, st hci.Status) hci.Event {
	l, pr := e.link, &e.proc
	switch kind {
	case procVersion:
		return &hci.ReadRemoteVersionInformationComplete{
			Status: st, Handle: e.handle, Version: pr.version.number,
			Manufacturer: pr.version.company, Subversion: pr.version.subversion,
		}
	case procFeatures:
		return &hci.LEReadRemoteFeaturesComplete{Status: st, Handle: e.handle, Features: pr.features}
	case procPHY:
		return &hci.LEPHYUpdateComplete{Status: st, Handle: e.handle, TX: e.phy, RX: e.other().phy}
	case procParams, procUpdate:
		return &hci.LEConnectionUpdateComplete{Status: st, Handle: e.handle, Params: l.inUse()}
	default:
		return nil
	}
}

func (l *link) inUse() hci.ConnParamsInUse {
	return hci.ConnParamsInUse{Interval: l.interval, Latency: uint16(l.latency), Timeout: l.timeout}
}

// procedureTimeout ends a link whose other side has not answered
// (Vol 6, Part B, 5.2).
func (e *endpoint) procedureTimeout() {
	if e.proc.cur.kind != procNone {
		e.dropLink(hci.StatusLLResponseTimeout)
	}
}

// startTermination sends LL_TERMINATE_IND. The link ends when the PDU has been
// acknowledged, or after the supervision timeout (Vol 6, Part B, 5.1.6).
func (e *endpoint) startTermination(reason hci.Status) {
	e.proc.cur = procedure{}
	l := e.link
	e.proc.expiry.fire = func() { e.dropLink(hci.StatusLocalHostTerminated) }
	l.air.arm(&e.proc.expiry, l.air.now.plus(l.timeout))
	e.sendControl(control{op: llTerminateInd, status: reason})
}

// receivePHYRequest answers LL_PHY_REQ: a peripheral with its preferences, a
// central with the decision.
func (e *endpoint) receivePHYRequest(c *control) {
	if e.role == central {
		e.choosePHY(e.other(), c)
		return
	}
	a := e.owner.abilities()
	e.sendControl(control{op: llPHYRsp, tx: a.preferTx, rx: a.preferRx})
}

// choosePHY decides, as central, on the fastest PHYs that both sides prefer, or on
// no change.
func (e *endpoint) choosePHY(by *endpoint, theirs *control) {
	a := e.owner.abilities()
	tx, rx := a.preferTx, a.preferRx
	if e.proc.cur.kind == procPHY && by == e {
		tx, rx = e.proc.cur.tx, e.proc.cur.rx
	}
	e.link.announce(change{
		kind: procPHY, by: by,
		central:    fastest(tx&theirs.rx, e.phy),
		peripheral: fastest(rx&theirs.tx, e.other().phy),
	})
}

func fastest(common hci.PHYs, present hci.PHY) hci.PHY {
	switch {
	case common.Has(hci.PHYs2M):
		return hci.PHY2M
	case common.Has(hci.PHYs1M):
		return hci.PHY1M
	case common.Has(hci.PHYsCoded):
		return hci.PHYCoded
	}
	return present
}

// change is a change that both sides make at one connection event, the instant
// (Vol 6, Part B, 5.1.1 to 5.1.2 and 5.1.10).
type change struct {
	kind       procKind
	by         *endpoint // the side that started it
	params     linkParams
	central    hci.PHY // for sending
	peripheral hci.PHY
	chans      [5]byte
	at         int64
	known      bool // the peripheral has received the PDU
}

// changePDUs are the PDUs that announce changes.
var changePDUs = map[procKind]controlOp{
	procUpdate: llConnectionUpdateInd, procPHY: llPHYUpdateInd, procChannelMap: llChannelMapInd,
}

// announce queues a change. The central announces one at a time.
func (l *link) announce(c change) {
	l.changes.Push(c)
	if l.changes.Len() == 1 {
		l.sendChange()
	}
}

func (l *link) sendChange() {
	c := l.changes.At(0)
	c.at = l.counterAt(l.air.now) + instantEvents + int64(l.latency)
	l.air.arm(&l.instant, l.anchor(c.at))
	l.c.sendControl(control{op: changePDUs[c.kind], at: c.at})
}

// receiveInstant handles the announcement of a change, as peripheral.
func (e *endpoint) receiveInstant(c *control) {
	l := e.link
	if l.changes.Len() > 0 && l.changes.At(0).at == c.at {
		l.changes.At(0).known = true
	}
}

// onInstant makes a change at its instant. If the peripheral has not received the
// announcement, no further packet arrives.
func (l *link) onInstant() {
	c := l.changes.Pop()
	l.apart = l.apart || !c.known
	old, differs := l.inUse(), false
	switch c.kind {
	case procUpdate:
		l.base, l.baseCount = l.anchor(c.at), c.at
		if !l.watch {
			l.heard = max(l.heard, c.at-1)
		}
		l.interval, l.latency, l.timeout = c.params.max, c.params.latency, c.params.timeout
		for _, e := range []*endpoint{&l.c, &l.p} { // the new timeout applies at once
			if e.supervision.armed() && e.up {
				l.air.arm(&e.supervision, e.lastRx.plus(l.timeout))
			}
		}
		differs = old != l.inUse()
		l.changed(&c, differs, procUpdate, procParams)
	case procPHY:
		differs = c.central != l.c.phy || c.peripheral != l.p.phy
		l.c.phy, l.p.phy = c.central, c.peripheral
		l.changed(&c, differs, procPHY, procPHY)
	case procChannelMap:
		l.chanMap = c.chans
		l.c.finishProcedure(procChannelMap, hci.StatusSuccess)
	default: // nothing else has an instant
	}
	if m := l.p.manners; m != nil {
		m.changeMade(&c, differs)
	}
	if l.changes.Len() > 0 {
		l.sendChange()
	}
	l.reassess()
}

// changed reports a change to both owners: to the owner that asked in any case, to
// the other one if a value differs.
func (l *link) changed(c *change, differs bool, central, peripheral procKind) {
	for _, e := range []*endpoint{&l.c, &l.p} {
		kind := central
		if e == &l.p {
			kind = peripheral
		}
		switch {
		case e.dead || !c.known && e == &l.p:
		case e.proc.cur.kind == kind && (c.by == e):
			e.finishProcedure(kind, hci.StatusSuccess)
		case differs:
			e.owner.reportEvent(e, e.outcome(kind, hci.StatusSuccess))
		}
	}
}

// replyParams answers a peripheral's request on behalf of the central's host:
// the central makes the update, or refuses.
func (e *endpoint) replyParams(p linkParams, st hci.Status) {
	if st != hci.StatusSuccess {
		e.sendControl(control{op: llRejectExtInd, about: llConnectionParamReq, status: st})
		return
	}
	e.link.announce(change{kind: procUpdate, by: e.other(), params: p})
}

// askLength starts a data length update for the packets that this side sends.
func (e *endpoint) askLength(tx int, t time.Duration) {
	e.proc.wantLength.tx, e.proc.wantLength.txTime = tx, t
	e.startProcedure(procedure{kind: procLength, quiet: true})
}
