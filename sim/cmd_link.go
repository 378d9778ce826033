package sim

import (
	"github.com/moor-ble/moor/hci"
)

// linkCommand carries out the commands for one link.
func (c *Controller) linkCommand(p hci.Params, r *reply) bool {
	switch p := p.(type) {
	case hci.Disconnect:
		c.onLink(p.Handle, r, func(k *conn) {
			if !disconnectReason(p.Reason) {
				r.st = hci.StatusInvalidParameters
				return
			}
			k.closing = true
			r.after(func() { k.endpoint.startTermination(p.Reason) })
		})
	case hci.ReadRemoteVersionInformation:
		c.startOn(p.Handle, r, procedure{kind: procVersion})
	case hci.LEReadRemoteFeatures:
		c.startOn(p.Handle, r, procedure{kind: procFeatures})
	case hci.LEConnectionUpdate:
		c.updateParams(p, r)
	case hci.LERemoteConnectionParameterRequestReply:
		c.replyParams(p.Handle, r, newLinkParams(p.Params), hci.StatusSuccess)
	case hci.LERemoteConnectionParameterRequestNegativeReply:
		c.replyParams(p.Handle, r, linkParams{}, p.Reason)
	case hci.ReadRSSI:
		r.ret = hci.LinkRSSI{Handle: p.Handle, RSSI: 127}
		c.onLink(p.Handle, r, func(k *conn) {
			r.ret = hci.LinkRSSI{Handle: p.Handle, RSSI: c.air.rssi(k.endpoint.other().radio, c.node)}
		})
	case hci.ReadTransmitPowerLevel:
		r.ret = hci.LinkTxPower{Handle: p.Handle, Power: c.cfg.TxPower}
		c.onLink(p.Handle, r, func(*conn) {})
	case hci.LEReadChannelMap:
		r.ret = hci.LinkChannelMap{Handle: p.Handle}
		c.onLink(p.Handle, r, func(k *conn) {
			r.ret = hci.LinkChannelMap{Handle: p.Handle, Map: k.endpoint.link.chanMap}
		})
	case hci.LESetHostChannelClassification:
		c.chanMap = p.Map
		for _, k := range c.conns {
			if k != nil && k.endpoint.role == central {
				k.endpoint.startProcedure(procedure{kind: procChannelMap, chans: p.Map})
			}
		}
	case hci.LESetDataLength:
		r.ret = p.Handle
		c.onLink(p.Handle, r, func(k *conn) {
			r.after(func() { k.endpoint.askLength(int(p.TXOctets), p.TXTime) })
		})
	case hci.LEReadSuggestedDefaultDataLength:
		r.ret = hci.DataLength{TXOctets: uint16(c.able.defaultTx), TXTime: c.able.defaultTime}
	case hci.LEWriteSuggestedDefaultDataLength:
		c.able.defaultTx, c.able.defaultTime = int(p.TXOctets), p.TXTime
	case hci.LEReadMaximumDataLength:
		n := c.cfg.maxOctets()
		r.ret = hci.MaximumDataLength{TXOctets: uint16(n), TXTime: timeFor(n), RXOctets: uint16(n), RXTime: timeFor(n)}
	case hci.LEReadPHY:
		r.ret = hci.LinkPHY{Handle: p.Handle}
		c.onLink(p.Handle, r, func(k *conn) {
			r.ret = hci.LinkPHY{Handle: p.Handle, TX: k.endpoint.phy, RX: k.endpoint.other().phy}
		})
	case hci.LESetDefaultPHY:
		if !c.phys().Has(p.TX | p.RX) {
			r.st = hci.StatusUnsupportedFeature
			break
		}
		c.able.preferTx, c.able.preferRx = orAll(p.TX, c.phys()), orAll(p.RX, c.phys())
	case hci.LESetPHY:
		if !c.phys().Has(p.TX | p.RX) {
			r.st = hci.StatusUnsupportedFeature
			break
		}
		c.startOn(p.Handle, r, procedure{kind: procPHY, tx: orAll(p.TX, c.phys()), rx: orAll(p.RX, c.phys())})
	default:
		return false
	}
	return true
}

func orAll(p, all hci.PHYs) hci.PHYs { return or(p, all) }

// disconnectReason reports whether a host may give the reason
// (Vol 4, Part E, 7.1.6).
func disconnectReason(st hci.Status) bool {
	switch st {
	case hci.StatusAuthenticationFailure, hci.StatusRemoteUserTerminated, hci.StatusRemoteLowResources,
		hci.StatusRemotePowerOff, hci.StatusUnsupportedRemoteFeature, hci.StatusPairingUnitKey,
		hci.StatusUnacceptableParameters:
		return true
	default:
		return false
	}
}

// onLink calls f with the link of a handle. It refuses the command if there is no
// such link, or if the host has disconnected it.
func (c *Controller) onLink(h hci.Handle, r *reply, f func(k *conn)) {
	switch k := c.connOf(h); {
	case k == nil:
		r.st = hci.StatusUnknownConnection
	case k.closing:
		r.st = hci.StatusCommandDisallowed
	default:
		f(k)
	}
}

// startOn starts a procedure after a successful answer.
func (c *Controller) startOn(h hci.Handle, r *reply, p procedure) {
	c.onLink(h, r, func(k *conn) { r.after(func() { k.endpoint.startProcedure(p) }) })
}

func newLinkParams(p hci.ConnParams) linkParams {
	return linkParams{min: p.IntervalMin, max: p.IntervalMax, latency: int(p.Latency), timeout: p.Timeout}
}

// updateParams starts a connection update: by decision of a central, by request of
// a peripheral.
func (c *Controller) updateParams(p hci.LEConnectionUpdate, r *reply) {
	c.onLink(p.Handle, r, func(k *conn) {
		kind := procUpdate
		if k.endpoint.role == peripheral {
			if kind = procParams; !c.cfg.features().Has(hci.FeatureConnParamRequest) {
				r.st = hci.StatusUnsupportedRemoteFeature
				return
			}
		}
		r.after(func() { k.endpoint.startProcedure(procedure{kind: kind, params: newLinkParams(p.Params)}) })
	})
}

// replyParams handles the host's reply to LE Remote Connection Parameter Request.
func (c *Controller) replyParams(h hci.Handle, r *reply, p linkParams, st hci.Status) {
	r.ret = h
	c.onLink(h, r, func(k *conn) {
		if !k.paramsAsked {
			r.st = hci.StatusCommandDisallowed
			return
		}
		k.paramsAsked = false
		r.after(func() { k.endpoint.replyParams(p, st) })
	})
}

// requestParams implements owner. It refuses if the event is masked.
func (c *Controller) requestParams(e *endpoint, p linkParams) {
	ev := &hci.LERemoteConnectionParameterRequest{Handle: e.handle, Params: hci.ConnParams{
		IntervalMin: p.min, IntervalMax: p.max, Latency: uint16(p.latency), Timeout: p.timeout,
	}}
	k := c.connOf(e.handle)
	if k == nil || !c.wantsLE(hci.EvLERemoteConnectionParameterRequest) {
		e.replyParams(p, hci.StatusUnsupportedRemoteFeature)
		return
	}
	k.paramsAsked = true
	c.sendEvent(ev)
}

// reportEvent implements owner.
func (c *Controller) reportEvent(_ *endpoint, ev hci.Event) { c.sendEvent(ev) }

// requestKey implements owner. There is no key if the event is masked.
func (c *Controller) requestKey(e *endpoint, rand [8]byte, ediv uint16) {
	if !c.wantsLE(hci.EvLELongTermKeyRequest) {
		e.replyKey(nil)
		return
	}
	c.sendEvent(&hci.LELongTermKeyRequest{Handle: e.handle, Rand: rand, EDIV: ediv})
}

// abilities implements owner.
func (c *Controller) abilities() *abilities { return &c.able }

// linkEstablished implements owner. It starts a data length update if the host
// has suggested a longer default.
func (c *Controller) linkEstablished(e *endpoint) {
	if c.able.defaultTx > startLengths.tx && c.able.features.Has(hci.FeatureDataLength) {
		e.startProcedure(procedure{kind: procLength, quiet: true})
	}
}

// linkEnded implements owner.
func (c *Controller) linkEnded(e *endpoint, reason hci.Status) {
	k := c.connOf(e.handle)
	if k == nil || k.endpoint != e {
		return
	}
	c.conns[e.handle-firstHandle] = nil
	c.held -= k.held
	for e.data.Len() > 0 {
		c.usedIn = append(c.usedIn, e.data.Pop().raw)
	}
	for i := range c.done {
		if c.done[i].Handle == e.handle {
			c.done = append(c.done[:i], c.done[i+1:]...)
			break
		}
	}
	c.sendEvent(&hci.DisconnectionComplete{Handle: e.handle, Reason: reason})
}

var _ owner = (*Controller)(nil)
