package remote

import (
	"crypto/rand"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

const (
	// acceptListSize is how many devices the host may dial at a time. A proxy has requests
	// for single devices, and as many of them as it has slots.
	acceptListSize = 64
	// aclLen is the longest data packet of the host: the longest PDU of ATT fits.
	aclLen = 1020
	// aclNum is how many data packets the host may have under way: writes without response
	// that the proxy has not acknowledged.
	aclNum = 32
	// commandCredits is how many commands the host may send at a time.
	commandCredits = 8
	// version is that of Core 5.0, the first one with the extended commands.
	version = 0x09
	// noCompany is the identifier for no company.
	noCompany = 0xFFFF
)

// supportedCommands returns the commands that are played for the host.
func (r *radio) supportedCommands() (s hci.SupportedCommands) {
	s.Add(
		hci.OpReset, hci.OpSetEventMask, hci.OpLESetEventMask, hci.OpReadLocalVersionInformation, hci.OpReadLocalSupportedCommands,
		hci.OpLEReadLocalSupportedFeatures, hci.OpReadBDADDR, hci.OpLEReadBufferSize, hci.OpLEReadSupportedStates, hci.OpLERand,
		hci.OpLESetRandomAddress,
		hci.OpLESetScanParameters, hci.OpLESetScanEnable, hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable,
		hci.OpLECreateConnection, hci.OpLEExtendedCreateConnection, hci.OpLECreateConnectionCancel,
		hci.OpLEReadFilterAcceptListSize, hci.OpLEClearFilterAcceptList, hci.OpLEAddDeviceToFilterAcceptList,
		hci.OpLERemoveDeviceFromFilterAcceptList,
		hci.OpDisconnect, hci.OpReadRSSI, hci.OpLEReadRemoteFeatures,
	)
	if r.can(esphome.FlagParams) {
		s.Add(hci.OpLEConnectionUpdate)
	}
	return s
}

// reply is the answer to a command. The function then runs after the answer.
type reply struct {
	status hci.Status
	ret    hci.Return
	then   func()
}

// runCommand carries out a command of the host and answers it.
func (r *radio) runCommand(b []byte) {
	p, err := hci.ParseCommand(b)
	if err != nil {
		rd := wire.NewReader(b)
		if op := hci.Opcode(rd.U16()); rd.Err() == nil {
			r.complete(op, reply{status: hci.StatusInvalidParameters})
		}
		return
	}
	op := p.Opcode()
	if !r.supported.Has(op) {
		r.sendEvent(&hci.CommandStatus{Status: hci.StatusUnknownCommand, NumPackets: commandCredits, Opcode: op})
		return
	}
	a := r.execute(p)
	if _, ok := p.(hci.Procedure); ok {
		r.sendEvent(&hci.CommandStatus{Status: a.status, NumPackets: commandCredits, Opcode: op})
	} else {
		r.complete(op, a)
	}
	if a.then != nil {
		a.then()
	}
}

func (r *radio) complete(op hci.Opcode, a reply) {
	r.host.pushPacket(hci.AppendCommandComplete([]byte{uint8(hci.PacketEvent)}, commandCredits, op, a.status, a.ret), false)
}

// sendEvent sends an event to the host.
func (r *radio) sendEvent(ev hci.Event) {
	r.host.pushPacket(hci.AppendEvent([]byte{uint8(hci.PacketEvent)}, ev), false)
}

// execute carries out a command that is supported.
func (r *radio) execute(p hci.Params) reply {
	switch p := p.(type) {
	case hci.Reset:
		r.reset()
	case hci.LESetScanParameters:
		r.legacy, r.scan.active = true, p.Active
	case hci.LESetScanEnable:
		r.enableScan(p.Enable)
	case hci.LESetExtendedScanParameters:
		r.legacy = false
		for _, s := range p.Scanning {
			r.scan.active = s.Active
		}
	case hci.LESetExtendedScanEnable:
		r.enableScan(p.Enable)
	case hci.LEClearFilterAcceptList:
		r.dial.accept = nil
	case hci.LEAddDeviceToFilterAcceptList:
		return r.dial.addDevice(p.Addr)
	case hci.LERemoveDeviceFromFilterAcceptList:
		r.dial.removeDevice(p.Addr)
	case hci.LECreateConnection:
		return r.dial.start(p.FilterPolicy, p.Peer, p.Params)
	case hci.LEExtendedCreateConnection:
		if len(p.Initiating) == 0 {
			return reply{status: hci.StatusInvalidParameters}
		}
		return r.dial.start(p.FilterPolicy, p.Peer, p.Initiating[0].Params)
	case hci.LECreateConnectionCancel:
		return r.dial.cancel()
	case hci.Disconnect:
		return r.disconnect(p.Handle)
	case hci.LEConnectionUpdate:
		return r.updateParams(p)
	case hci.ReadRSSI: // the protocol tells none of a link
		return reply{status: r.statusOfLink(p.Handle), ret: hci.LinkRSSI{Handle: p.Handle, RSSI: unknownRSSI}}
	case hci.LEReadRemoteFeatures: // there are none that the host could use
		return reply{status: r.statusOfLink(p.Handle), then: func() {
			if r.handles[p.Handle] != nil {
				r.sendEvent(&hci.LEReadRemoteFeaturesComplete{Handle: p.Handle})
			}
		}}
	default:
		return r.describeController(p)
	}
	return reply{}
}

// reset brings the controller into its first state: no event reports the end of its links.
func (r *radio) reset() {
	r.scan.running, r.legacy = false, false
	r.dial.running, r.dial.wanted, r.dial.accept = false, nil, nil
	clear(r.handles)
	for _, l := range r.links {
		l.handle, l.again = 0, false
		l.abandon()
	}
}

// unknownRSSI is the signal strength that is not known.
const unknownRSSI = 127

// statusOfLink returns the status of a command about a link.
func (r *radio) statusOfLink(h hci.Handle) hci.Status {
	if r.handles[h] == nil {
		return hci.StatusUnknownConnection
	}
	return hci.StatusSuccess
}

// describeController answers the commands of the start-up.
func (r *radio) describeController(p hci.Params) reply {
	switch p.(type) {
	case hci.ReadLocalVersionInformation:
		return reply{ret: hci.LocalVersion{HCIVersion: version, LMPVersion: version, Manufacturer: noCompany}}
	case hci.ReadLocalSupportedCommands:
		return reply{ret: r.supported}
	case hci.LEReadLocalSupportedFeatures:
		return reply{ret: hci.FeatureExtendedAdvertising}
	case hci.ReadBDADDR:
		return reply{ret: r.radioAddress()}
	case hci.LEReadBufferSize:
		return reply{ret: hci.LEBufferSize{ACLLen: aclLen, ACLNum: aclNum}}
	case hci.LEReadSupportedStates:
		return reply{ret: hci.LEStates(1<<42 - 1)}
	case hci.LEReadFilterAcceptListSize:
		return reply{ret: hci.Count(acceptListSize)}
	case hci.LERand:
		var n hci.RandomNumber
		_, _ = rand.Read(n.Number[:]) // never fails
		return reply{ret: n}
	}
	return reply{} // masks, and what has nothing to set
}

// updateParams asks the proxy for other connection parameters.
func (r *radio) updateParams(c hci.LEConnectionUpdate) reply {
	l := r.handles[c.Handle]
	switch {
	case l == nil:
		return reply{status: hci.StatusUnknownConnection}
	case l.asked != nil:
		return reply{status: hci.StatusCommandDisallowed}
	}
	asked := c.Params
	l.asked = &asked
	const unit, timeoutUnit = 1250 * time.Microsecond, 10 * time.Millisecond
	return reply{then: func() {
		//nolint:gosec // the ranges of the command are small
		r.send(&esphome.SetParams{
			Address: esphome.AddressOf(l.peer.MAC), IntervalMin: uint32(asked.IntervalMin / unit), IntervalMax: uint32(asked.IntervalMax / unit),
			Latency: uint32(asked.Latency), Timeout: uint32(asked.Timeout / timeoutUnit),
		})
	}}
}

// takeParams reports the outcome of updateParams. The proxy does not tell the interval that
// is in use: it is taken for the shortest one that was asked for.
func (l *link) takeParams(m *esphome.SetParamsResponse) {
	if l.asked == nil {
		return
	}
	ev := &hci.LEConnectionUpdateComplete{Handle: l.handle, Params: l.params}
	if m.Error == 0 {
		l.params = hci.ConnParamsInUse{Interval: l.asked.IntervalMin, Latency: l.asked.Latency, Timeout: l.asked.Timeout}
		ev.Params = l.params
	} else {
		l.r.log.Debug("parameters refused", "proxy", l.r.name, "address", l.peer, "number", m.Error)
		ev.Status = hci.StatusUnacceptableParameters
	}
	l.asked = nil
	l.r.sendEvent(ev)
}
