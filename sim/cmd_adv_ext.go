package sim

import (
	"slices"

	"github.com/moor-ble/moor/hci"
)

func (c *Controller) advSetOf(handle uint8) *advSet {
	for _, s := range c.sets {
		if s.handle == handle {
			return s
		}
	}
	return nil
}

// onSet calls f with the advertising set of a handle, if there is one.
func (c *Controller) onSet(handle uint8, r *reply, f func(s *advSet)) {
	if s := c.advSetOf(handle); s != nil {
		f(s)
	} else {
		r.st = hci.StatusUnknownAdvertisingID
	}
}

func (c *Controller) extAdvCommand(p hci.Params, r *reply) bool {
	switch p := p.(type) {
	case hci.LEReadMaximumAdvertisingDataLength:
		r.ret = hci.AdvDataLength(maxAdvData)
	case hci.LEReadNumberOfSupportedAdvertisingSets:
		r.ret = hci.Count(c.cfg.advertisingSets())
	case hci.LESetAdvertisingSetRandomAddress:
		c.onSet(p.Handle, r, func(s *advSet) {
			if s.adv.on && s.adv.connectable {
				r.st = hci.StatusCommandDisallowed
				return
			}
			s.random = p.Addr
		})
	case hci.LESetExtendedAdvertisingParameters:
		c.setExtParams(p, r)
	case hci.LESetExtendedAdvertisingData:
		c.onSet(p.Handle, r, func(s *advSet) {
			s.data, r.st = s.addData(s.data, p.Operation, p.Data)
			s.adv.data = s.data
		})
	case hci.LESetExtendedScanResponseData:
		c.onSet(p.Handle, r, func(s *advSet) {
			s.rsp, r.st = s.addData(s.rsp, p.Operation, p.Data)
			s.adv.response = s.rsp
		})
	case hci.LESetExtendedAdvertisingEnable:
		r.st = c.enableSets(p)
	case hci.LERemoveAdvertisingSet:
		c.onSet(p.Handle, r, func(s *advSet) {
			if s.adv.on || s.train.enabled {
				r.st = hci.StatusCommandDisallowed
				return
			}
			c.sets = slices.DeleteFunc(c.sets, func(t *advSet) bool { return t == s })
		})
	case hci.LEClearAdvertisingSets:
		if c.advertising() || slices.ContainsFunc(c.sets, func(s *advSet) bool { return s.train.enabled }) {
			r.st = hci.StatusCommandDisallowed
			break
		}
		c.sets = nil
	default:
		return false
	}
	return true
}

// setExtParams makes a set or changes it.
func (c *Controller) setExtParams(p hci.LESetExtendedAdvertisingParameters, r *reply) {
	s := c.advSetOf(p.Handle)
	switch {
	case s == nil && len(c.sets) >= c.cfg.advertisingSets():
		r.st = hci.StatusMemoryFull
		return
	case s != nil && s.adv.on:
		r.st = hci.StatusCommandDisallowed
		return
	case s != nil && s.train.enabled && p.Properties&unfitForTrains != 0:
		r.st = hci.StatusInvalidParameters
		return
	case !validProperties(p) || s != nil && p.Properties&hci.AdvPropLegacy != 0 && len(s.data) > legacyData:
		r.st = hci.StatusInvalidParameters
		return
	case !c.phys().Has(hci.PHYsCoded) && (p.PrimaryPHY == hci.PHYCoded || p.SecondaryPHY == hci.PHYCoded):
		r.st = hci.StatusUnsupportedFeature
		return
	case s == nil:
		s = c.newSet(p.Handle)
		c.sets = append(c.sets, s)
	}
	s.params = p
	r.ret = hci.TxPower(min(p.TxPower, c.cfg.TxPower))
}

// legacyData is the greatest length of legacy advertising data in octets.
const legacyData = 31

// validProperties checks the combinations of Vol 4, Part E, 7.8.53.
func validProperties(p hci.LESetExtendedAdvertisingParameters) bool {
	props := p.Properties
	has := func(x hci.AdvProperties) bool { return props&x != 0 }
	if has(hci.AdvPropLegacy) {
		kind := props &^ hci.AdvPropIncludeTxPower
		for _, v := range legacyProperties {
			if v == kind {
				return p.PrimaryPHY == hci.PHY1M
			}
		}
		return false
	}
	switch {
	case has(hci.AdvPropHighDuty), has(hci.AdvPropConnectable) && has(hci.AdvPropScannable):
		return false
	}
	return !has(hci.AdvPropOmitAddress) || !has(hci.AdvPropConnectable|hci.AdvPropScannable)
}

// addData appends a fragment of advertising data (Vol 4, Part E, 7.8.54).
func (s *advSet) addData(have []byte, op hci.AdvOperation, b []byte) ([]byte, hci.Status) {
	limit := maxAdvData
	if s.params.Properties&hci.AdvPropLegacy != 0 {
		limit = legacyData
	}
	whole := op == hci.AdvDataComplete || op == hci.AdvDataUnchanged
	switch {
	case s.adv.on && !whole:
		return have, hci.StatusCommandDisallowed
	case op == hci.AdvDataUnchanged:
		if !s.adv.on || len(have) == 0 {
			return have, hci.StatusInvalidParameters
		}
		return have, hci.StatusSuccess
	case !whole && (len(b) == 0 || limit == legacyData):
		return have, hci.StatusInvalidParameters
	case op == hci.AdvDataComplete || op == hci.AdvDataFirst:
		have = nil
	case !s.partial:
		return have, hci.StatusInvalidParameters
	}
	if len(have)+len(b) > limit {
		s.partial = false
		return nil, hci.StatusMemoryFull
	}
	s.partial = op == hci.AdvDataFirst || op == hci.AdvDataIntermediate
	return append(slices.Clone(have), b...), hci.StatusSuccess
}

// enableSets starts or stops advertising sets.
func (c *Controller) enableSets(p hci.LESetExtendedAdvertisingEnable) hci.Status {
	if !p.Enable && len(p.Sets) == 0 {
		for _, s := range c.sets {
			s.adv.stopAdvertising()
		}
		return hci.StatusSuccess
	}
	for i, e := range p.Sets {
		switch s := c.advSetOf(e.Handle); {
		case s == nil:
			return hci.StatusUnknownAdvertisingID
		case slices.ContainsFunc(p.Sets[:i], func(o hci.AdvertisingSet) bool { return o.Handle == e.Handle }):
			return hci.StatusInvalidParameters
		case p.Enable && s.params.Properties&hci.AdvPropHighDuty != 0 && e.Duration > highDutyTime:
			return hci.StatusInvalidParameters
		}
	}
	for _, e := range p.Sets {
		s := c.advSetOf(e.Handle)
		if !p.Enable {
			s.adv.stopAdvertising()
			continue
		}
		if st := s.enable(s.random != hci.MAC{}, e.Duration, int(e.MaxEvents)); st != hci.StatusSuccess {
			return st
		}
	}
	return hci.StatusSuccess
}
