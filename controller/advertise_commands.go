package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// ownAddress returns the address of the set on air.
func (s *advertSet) ownAddress() hci.Addr {
	if s.opts != nil && s.opts.Address != (hci.Addr{}) {
		return s.opts.Address
	}
	return s.a.c.own
}

// enableSet returns the command that starts or stops the set.
func (s *advertSet) enableSet(on bool) hci.Params {
	if !s.a.c.info.Extended {
		return hci.LESetAdvertisingEnable{Enable: on}
	}
	set := hci.AdvertisingSet{Handle: s.handle}
	if on && s.opts != nil {
		set.Duration, set.MaxEvents = s.opts.Duration, uint8(s.opts.MaxEvents)
		if !s.endsAt.IsZero() { // what a pause has left of it
			const step = 10 * time.Millisecond
			set.Duration = max(step, s.endsAt.Sub(s.a.c.now).Round(step))
		}
	}
	return hci.LESetExtendedAdvertisingEnable{Enable: on, Sets: []hci.AdvertisingSet{set}}
}

// setupCommands returns the commands that set the parameters and the data.
func (s *advertSet) setupCommands() []hci.Params {
	if s.a.c.info.Extended {
		return s.extendedSetup()
	}
	return s.legacySetup()
}

// target returns the peer of directed advertising, and the kind of the own address.
func (s *advertSet) target() (peer hci.Addr, own hci.AddrKind) {
	own = s.ownAddress().Kind
	if s.opts.Peer.Kind >= hci.AddrPublicIdentity {
		own += hci.AddrPublicIdentity - hci.AddrPublic
	}
	return s.opts.Peer.Identity(), own
}

func (s *advertSet) legacySetup() []hci.Params {
	o := s.opts
	peer, own := s.target()
	p := hci.LESetAdvertisingParameters{
		IntervalMin: o.interval(), IntervalMax: o.interval(), OwnAddrKind: own, Peer: peer, ChannelMap: 7, FilterPolicy: o.filterPolicy(),
	}
	switch {
	case o.HighDuty:
		p.Type = hci.AdvDirectInd
		return []hci.Params{p}
	case peer != hci.Addr{}:
		p.Type = hci.AdvDirectIndLow
		return []hci.Params{p}
	case o.NonConnectable && len(o.Response) > 0:
		p.Type = hci.AdvScanInd
	case o.NonConnectable:
		p.Type = hci.AdvNonconnInd
	default:
		p.Type = hci.AdvInd
	}
	return []hci.Params{p, hci.LESetAdvertisingData{Data: o.Data}, hci.LESetScanResponseData{Data: o.Response}}
}

// properties returns the properties of the set. The extended commands set up legacy
// packets too, which every scanner receives.
func (o *AdvertiseOptions) properties() (p hci.AdvProperties) {
	directed := o.Peer != hci.Addr{}
	for _, b := range [...]struct {
		on  bool
		bit hci.AdvProperties
	}{
		{!o.NonConnectable, hci.AdvPropConnectable},
		{len(o.Response) > 0 || !o.Extended && !o.NonConnectable && !directed, hci.AdvPropScannable},
		{directed, hci.AdvPropDirected},
		{o.HighDuty, hci.AdvPropHighDuty},
		{!o.Extended, hci.AdvPropLegacy},
		{o.Anonymous, hci.AdvPropOmitAddress},
		{o.IncludeTxPower, hci.AdvPropIncludeTxPower},
	} {
		if b.on {
			p |= b.bit
		}
	}
	return p
}

func (s *advertSet) extendedSetup() (ps []hci.Params) {
	o, props := s.opts, s.opts.properties()
	plain := func(p hci.AdvProperties) bool { return p&hci.AdvPropLegacy != 0 && p&hci.AdvPropDirected == 0 }
	scannable := props&hci.AdvPropScannable != 0
	switch {
	case s.exists && props != s.props && (!plain(props) || !plain(s.props)):
		// Its data may not fit the properties (7.8.53).
		ps = append(ps, hci.LERemoveAdvertisingSet{Handle: s.handle})
	case s.response && !scannable: // a set with a response refuses these parameters (7.8.53)
		ps = append(ps, hci.LESetExtendedScanResponseData{Handle: s.handle, Operation: hci.AdvDataComplete})
	}
	if o.longestData() > maxLegacyAdv && s.a.maxData == 0 && s.a.c.info.Commands.Has(hci.OpLEReadMaximumAdvertisingDataLength) {
		ps = append(ps, hci.LEReadMaximumAdvertisingDataLength{})
	}
	peer, own := s.target()
	p := hci.LESetExtendedAdvertisingParameters{
		Handle: s.handle, Properties: props, IntervalMin: o.interval(), IntervalMax: o.interval(), ChannelMap: 7,
		OwnAddrKind: own, Peer: peer, FilterPolicy: o.filterPolicy(), TxPower: TxPowerUnknown,
		PrimaryPHY: o.primaryPHY(), SecondaryPHY: o.secondaryPHY(), SID: s.handle & 0x0F,
	}
	if o.TxPower != nil {
		p.TxPower = *o.TxPower
	}
	ps = append(ps, p)
	if a := s.ownAddress(); a.Kind == hci.AddrRandom {
		ps = append(ps, hci.LESetAdvertisingSetRandomAddress{Handle: s.handle, Addr: a.MAC})
	}
	if plain(props) || !scannable && (o.Extended || len(o.Data) > 0) {
		ps = append(ps, dataPieces(o.Data, 251, func(op hci.AdvOperation, b []byte) hci.Params {
			return hci.LESetExtendedAdvertisingData{Handle: s.handle, Operation: op, Data: b}
		})...)
	}
	if scannable { // an empty response replaces an earlier one
		ps = append(ps, dataPieces(o.Response, 251, func(op hci.AdvOperation, b []byte) hci.Params {
			return hci.LESetExtendedScanResponseData{Handle: s.handle, Operation: op, Data: b}
		})...)
	}
	if t := o.Periodic; t != nil && !s.train.on {
		ps = append(ps, s.trainSetup(t)...)
	}
	return ps
}

// trainSetup returns the commands that set up the periodic advertising and start it.
func (s *advertSet) trainSetup(t *PeriodicOptions) []hci.Params {
	p := hci.LESetPeriodicAdvertisingParameters{Handle: s.handle, IntervalMin: t.interval(), IntervalMax: t.interval()}
	if t.IncludeTxPower {
		p.Properties = hci.AdvPropIncludeTxPower
	}
	ps := append([]hci.Params{p}, dataPieces(t.Data, hci.MaxPeriodicData, func(op hci.AdvOperation, b []byte) hci.Params {
		return hci.LESetPeriodicAdvertisingData{Handle: s.handle, Operation: op, Data: b}
	})...)
	return append(ps, hci.LESetPeriodicAdvertisingEnable{Enable: true, Handle: s.handle})
}

// dataPieces returns the commands that set data of any length, in pieces of at most size
// octets (Vol 4, Part E, 7.8.54).
func dataPieces(data []byte, size int, command func(op hci.AdvOperation, b []byte) hci.Params) (ps []hci.Params) {
	if len(data) <= size {
		return []hci.Params{command(hci.AdvDataComplete, data)}
	}
	for op := hci.AdvDataFirst; len(data) > 0; op = hci.AdvDataIntermediate {
		n := min(len(data), size)
		piece := data[:n]
		if data = data[n:]; len(data) == 0 {
			op = hci.AdvDataLast
		}
		ps = append(ps, command(op, piece))
	}
	return ps
}
