package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// controlOp is a link layer control PDU (Vol 6, Part B, 2.4.2).
type controlOp uint8

const (
	llConnectionUpdateInd  controlOp = 0x00
	llChannelMapInd        controlOp = 0x01
	llTerminateInd         controlOp = 0x02
	llEncReq               controlOp = 0x03
	llEncRsp               controlOp = 0x04
	llStartEncReq          controlOp = 0x05
	llStartEncRsp          controlOp = 0x06
	llUnknownRsp           controlOp = 0x07
	llFeatureReq           controlOp = 0x08
	llFeatureRsp           controlOp = 0x09
	llPauseEncReq          controlOp = 0x0A
	llPauseEncRsp          controlOp = 0x0B
	llVersionInd           controlOp = 0x0C
	llPeripheralFeatureReq controlOp = 0x0E
	llConnectionParamReq   controlOp = 0x0F
	llRejectExtInd         controlOp = 0x11
	llLengthReq            controlOp = 0x14
	llLengthRsp            controlOp = 0x15
	llPHYReq               controlOp = 0x16
	llPHYRsp               controlOp = 0x17
	llPHYUpdateInd         controlOp = 0x18
)

// controlSizes are the payload octets of the PDUs, opcode included.
var controlSizes = map[controlOp]int{
	llConnectionUpdateInd: 12, llChannelMapInd: 8, llTerminateInd: 2, llEncReq: 23,
	llEncRsp: 13, llStartEncReq: 1, llStartEncRsp: 1, llUnknownRsp: 2, llFeatureReq: 9,
	llFeatureRsp: 9, llPauseEncReq: 1, llPauseEncRsp: 1, llVersionInd: 6,
	llPeripheralFeatureReq: 9, llConnectionParamReq: 24, llRejectExtInd: 3,
	llLengthReq: 9, llLengthRsp: 9, llPHYReq: 3, llPHYRsp: 3, llPHYUpdateInd: 5,
}

// control is a control PDU. Each kind uses some of the fields.
type control struct {
	op       controlOp
	about    controlOp // the PDU that is refused or unknown
	status   hci.Status
	params   linkParams
	tx, rx   hci.PHYs
	length   lengths
	features hci.Features
	version  version
	key      [16]byte // the key that encrypts the packet
	rand     [8]byte
	ediv     uint16
	at       int64 // event counter of the instant
}

func (c *control) size() int { return controlSizes[c.op] }

// version is the content of LL_VERSION_IND.
type version struct {
	number     uint8
	company    uint16
	subversion uint16
}

// lengths are the packet lengths of an endpoint, in octets, and their times.
type lengths struct {
	tx, rx         int
	txTime, rxTime time.Duration
}

// startLengths are the lengths of a new link.
var startLengths = lengths{27, 27, 328 * time.Microsecond, 328 * time.Microsecond}

// timeFor is the time on the air of a packet of n octets and its MIC with 1M.
func timeFor(n int) time.Duration { return hci.PHY1M.Airtime(n + micLen) }

// receiveControl handles a control PDU of the other side.
func (e *endpoint) receiveControl(c *control) {
	e.link.air.logEnd(e, LogControl, []byte{byte(c.op)}, c.status)
	if c.op == llTerminateInd {
		e.reportEnd(c.status)
		return
	}
	if e.owner.abilities().mute {
		return
	}
	if e.manners != nil && e.manners.receiveControl(c) {
		return
	}
	if need, ok := controlNeeds[c.op]; ok && !e.owner.abilities().features.Has(need) {
		e.sendControl(control{op: llUnknownRsp, about: c.op, status: hci.StatusUnsupportedRemoteFeature})
		return
	}
	switch c.op {
	case llVersionInd:
		e.receiveVersion(c.version)
	case llFeatureReq, llPeripheralFeatureReq:
		e.proc.features, e.proc.hasFeatures = c.features, true
		e.sendControl(control{op: llFeatureRsp, features: e.owner.abilities().features})
	case llFeatureRsp:
		e.proc.features, e.proc.hasFeatures = c.features, true
		e.finishProcedure(procFeatures, hci.StatusSuccess)
	case llLengthReq:
		mine := e.ownLengths()
		e.sendControl(control{op: llLengthRsp, length: mine})
		e.agreeLengths(mine, c.length)
	case llLengthRsp:
		e.agreeLengths(e.ownLengths(), c.length)
		e.finishProcedure(procLength, hci.StatusSuccess)
	case llPHYReq:
		e.receivePHYRequest(c)
	case llPHYRsp:
		e.choosePHY(e, c)
	case llConnectionParamReq:
		e.owner.requestParams(e, c.params)
	case llConnectionUpdateInd, llChannelMapInd, llPHYUpdateInd:
		e.receiveInstant(c)
	case llEncReq, llEncRsp, llStartEncReq, llStartEncRsp, llPauseEncReq, llPauseEncRsp:
		e.receiveEncryption(c)
	case llRejectExtInd, llUnknownRsp:
		e.receiveRefusal(c)
	case llTerminateInd: // taken above, even by a mute link layer
	}
}

// controlNeeds lists the features that PDUs depend on.
var controlNeeds = map[controlOp]hci.Features{
	llLengthReq:            hci.FeatureDataLength,
	llConnectionParamReq:   hci.FeatureConnParamRequest,
	llPHYReq:               hci.Feature2MPHY,
	llPeripheralFeatureReq: hci.FeaturePeripheralFeatExchange,
	llEncReq:               hci.FeatureEncryption,
}

// controlSent is called when a control PDU of this endpoint has been acknowledged.
func (e *endpoint) controlSent(c *control) {
	if c.op == llTerminateInd {
		e.dropLink(hci.StatusLocalHostTerminated)
	}
}

func (e *endpoint) receiveVersion(v version) {
	first := !e.proc.hasVersion
	e.proc.version, e.proc.hasVersion = v, true
	if e.proc.saidVersion {
		e.finishProcedure(procVersion, hci.StatusSuccess)
	} else if first {
		e.sayVersion()
	}
}

func (e *endpoint) sayVersion() {
	a := e.owner.abilities()
	e.proc.saidVersion = true
	e.sendControl(control{op: llVersionInd, version: version{a.version, a.company, a.subversion}})
}

// receiveRefusal ends the procedure that the other side has refused.
func (e *endpoint) receiveRefusal(c *control) {
	switch c.about {
	case llFeatureReq, llPeripheralFeatureReq:
		e.finishProcedure(procFeatures, c.status)
	case llLengthReq:
		e.finishProcedure(procLength, c.status)
	case llPHYReq:
		e.finishProcedure(procPHY, c.status)
	case llConnectionParamReq:
		e.finishProcedure(procParams, c.status)
	case llEncReq:
		e.encryptionDone(c.status)
	default: // no procedure waits for an answer to the others
	}
}

// ownLengths are the lengths that this endpoint offers in a data length update.
func (e *endpoint) ownLengths() lengths {
	a := e.owner.abilities()
	l := e.proc.wantLength
	if l.tx == 0 {
		l.tx, l.txTime = a.defaultTx, a.defaultTime
	}
	l.tx = min(l.tx, a.maxTx)
	l.txTime = max(min(l.txTime, timeFor(a.maxTx)), startLengths.txTime)
	l.rx, l.rxTime = a.maxRx, timeFor(a.maxRx)
	return l
}

// agreeLengths puts the lengths that both sides support into use, and reports a
// change (Vol 6, Part B, 4.5.10).
func (e *endpoint) agreeLengths(mine, theirs lengths) {
	now := lengths{
		tx: max(27, min(mine.tx, theirs.rx)), txTime: max(startLengths.txTime, min(mine.txTime, theirs.rxTime)),
		rx: max(27, min(mine.rx, theirs.tx)), rxTime: max(startLengths.rxTime, min(mine.rxTime, theirs.txTime)),
	}
	if now == e.lengths {
		return
	}
	e.lengths = now
	e.owner.reportEvent(e, &hci.LEDataLengthChange{
		Handle: e.handle, MaxTXOctets: uint16(now.tx), MaxTXTime: now.txTime,
		MaxRXOctets: uint16(now.rx), MaxRXTime: now.rxTime,
	})
}
