package sim

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// train is the periodic advertising of an advertising set. Without receivers it has no
// timer.
type train struct {
	set       *advSet
	params    hci.LESetPeriodicAdvertisingParameters
	ready     bool // it has parameters
	data      []byte
	partial   bool    // the host has sent a part of the data
	enabled   bool    // by the host
	on        bool    // the set has advertised since
	anchor    instant // of its first packet
	receivers []*receiver
	timer     timer
}

// maxMissed is the number of packets that may be missed before a synchronization fails to
// be established (Vol 4, Part E, 7.7.65.14).
const maxMissed = 6

// receiver is the synchronization of a controller with a train.
type receiver struct {
	c           *Controller
	train       *train
	handle      hci.Handle
	cmd         hci.LEPeriodicAdvertisingCreateSync
	established bool
	missed      int
	skip        int   // packets that it does not listen to
	lost        timer // the timeout since the last packet
	report      hci.LEPeriodicAdvertisingReport
}

func newTrain(s *advSet) *train {
	t := &train{set: s}
	t.timer.fire = t.sendPeriodic
	return t
}

// interval is the time between two packets.
func (t *train) interval() time.Duration { return t.params.IntervalMin }

// start begins the train if the host has enabled it and the set advertises.
func (t *train) start() {
	if t.on || !t.enabled || !t.set.adv.on {
		return
	}
	t.on, t.anchor = true, t.set.c.air.now.plus(t.interval())
}

// stop ends the train. Those who are synchronized notice by their timeout.
func (t *train) stop() {
	t.enabled, t.on = false, false
	t.set.c.air.disarm(&t.timer)
	for _, r := range slices.Clone(t.receivers) {
		if !r.established {
			r.c.failReceiver(r)
		}
	}
	t.receivers = nil
}

// schedule arms the timer for the next packet.
func (t *train) schedule() {
	a := t.set.c.air
	if !t.on || len(t.receivers) == 0 || t.timer.armed() {
		return
	}
	at := t.anchor
	if passed := a.now.since(t.anchor); passed >= 0 {
		at = t.anchor.plus((passed/t.interval() + 1) * t.interval())
	}
	a.arm(&t.timer, at)
}

// sendPeriodic sends one packet, with all packets that are chained to it.
func (t *train) sendPeriodic() {
	a := t.set.c.air
	for _, r := range slices.Clone(t.receivers) {
		switch {
		case r.skip > 0:
			r.skip--
		case a.arrives(t.set.c.node, r.c.node):
			r.hearPeriodic()
		case !r.established:
			if r.missed++; r.missed == maxMissed {
				r.c.failReceiver(r)
			}
		}
	}
	t.schedule()
}

// hearPeriodic handles a packet that has arrived.
func (r *receiver) hearPeriodic() {
	c, t := r.c, r.train
	if !r.established {
		r.established = true
		c.search = nil
		c.sendEvent(&hci.LEPeriodicAdvertisingSyncEstablished{
			Sync: r.handle, SID: r.cmd.SID, Advertiser: r.cmd.Advertiser, PHY: t.set.params.SecondaryPHY, Interval: t.interval(), ClockAccuracy: 5,
		})
	}
	r.skip = int(r.cmd.Skip)
	c.air.arm(&r.lost, c.air.now.plus(r.cmd.Timeout))
	if r.cmd.Options&hci.PeriodicReportsOff != 0 {
		return
	}
	if c.port == nil || !c.port.hasRoom(true) {
		c.stats.DroppedReports++
		return
	}
	c.stats.Reports++
	power := int8(127)
	if t.params.Properties&hci.AdvPropIncludeTxPower != 0 {
		power = t.set.c.cfg.TxPower
	}
	data, rssi := t.data, c.air.rssi(t.set.c.node, c.node)
	for {
		n := min(len(data), hci.MaxPeriodicReportData)
		r.report = hci.LEPeriodicAdvertisingReport{Sync: r.handle, TxPower: power, RSSI: rssi, CTEType: 0xFF, Data: data[:n]}
		if data = data[n:]; len(data) > 0 {
			r.report.Status = hci.PeriodicIncomplete
		}
		c.sendEvent(&r.report)
		if len(data) == 0 {
			return
		}
	}
}

// failReceiver reports that a synchronization was not established.
func (c *Controller) failReceiver(r *receiver) {
	c.removeReceiver(r)
	c.search = nil
	c.sendEvent(&hci.LEPeriodicAdvertisingSyncEstablished{Status: hci.StatusFailedToEstablish})
}

func (c *Controller) removeReceiver(r *receiver) {
	c.air.disarm(&r.lost)
	is := func(o *receiver) bool { return o == r }
	c.receivers = slices.DeleteFunc(c.receivers, is)
	r.train.receivers = slices.DeleteFunc(r.train.receivers, is)
}

// periodicSearch is the synchronization that the host has asked for, until it is
// established.
type periodicSearch struct {
	cmd   hci.LEPeriodicAdvertisingCreateSync
	found *receiver // nil until the set was heard
}

// firstSync is the first sync handle, so that they differ from connection handles.
const firstSync = 0x0100

// hearsPeriodic follows the train of a set that the host looks for.
func (c *Controller) hearsPeriodic(v *advertiser, identity hci.Addr) {
	s, ok := v.owner.(*advSet)
	if c.search == nil || c.search.found != nil || !ok || v.legacy || v.anonymous || !s.train.on {
		return
	}
	cmd := &c.search.cmd
	if v.sid != cmd.SID || identity.Identity() != cmd.Advertiser.Identity() && v.own != cmd.Advertiser {
		return
	}
	h := hci.Handle(firstSync)
	for slices.ContainsFunc(c.receivers, func(r *receiver) bool { return r.handle == h }) {
		h++
	}
	r := &receiver{c: c, train: s.train, handle: h, cmd: *cmd}
	r.lost.fire = func() {
		c.removeReceiver(r)
		c.sendEvent(&hci.LEPeriodicAdvertisingSyncLost{Sync: r.handle})
	}
	c.search.found = r
	c.receivers = append(c.receivers, r)
	s.train.receivers = append(s.train.receivers, r)
	s.train.schedule()
}

// dropPeriodic ends the trains of the controller and its synchronizations, without events.
func (c *Controller) dropPeriodic() {
	for _, s := range c.sets {
		s.train.stop()
	}
	for _, r := range slices.Clone(c.receivers) {
		c.removeReceiver(r)
	}
	c.search = nil
}

func (c *Controller) periodicCommand(p hci.Params, r *reply) bool {
	switch p := p.(type) {
	case hci.LESetPeriodicAdvertisingParameters:
		c.onSet(p.Handle, r, func(s *advSet) {
			switch {
			case s.params.Properties&unfitForTrains != 0:
				r.st = hci.StatusInvalidParameters
			case s.train.enabled:
				r.st = hci.StatusCommandDisallowed
			default:
				s.train.params, s.train.ready = p, true
			}
		})
	case hci.LESetPeriodicAdvertisingData:
		c.onSet(p.Handle, r, func(s *advSet) { r.st = s.train.addData(p) })
	case hci.LESetPeriodicAdvertisingEnable:
		c.onSet(p.Handle, r, func(s *advSet) {
			switch t := s.train; {
			case !p.Enable:
				t.stop()
			case !t.ready || t.partial:
				r.st = hci.StatusCommandDisallowed
			default:
				t.enabled = true
				t.start()
			}
		})
	case hci.LEPeriodicAdvertisingCreateSync:
		same := func(o *receiver) bool { return o.cmd.SID == p.SID && o.cmd.Advertiser == p.Advertiser }
		switch {
		case c.search != nil:
			r.st = hci.StatusCommandDisallowed
		case slices.ContainsFunc(c.receivers, same):
			r.st = hci.StatusConnectionExists
		default:
			c.search = &periodicSearch{cmd: p}
		}
	case hci.LEPeriodicAdvertisingCreateSyncCancel:
		if c.search == nil {
			r.st = hci.StatusCommandDisallowed
			break
		}
		if found := c.search.found; found != nil {
			c.removeReceiver(found)
		}
		c.search = nil
		r.after(func() {
			c.sendEvent(&hci.LEPeriodicAdvertisingSyncEstablished{Status: hci.StatusCanceledByHost})
		})
	case hci.LEPeriodicAdvertisingTerminateSync:
		i := slices.IndexFunc(c.receivers, func(o *receiver) bool { return o.established && o.handle == p.Sync })
		if i < 0 {
			r.st = hci.StatusUnknownAdvertisingID
			break
		}
		c.removeReceiver(c.receivers[i])
	default:
		return false
	}
	return true
}

// unfitForTrains are the properties of sets that have no periodic advertising (Vol 4,
// Part E, 7.8.61).
const unfitForTrains = hci.AdvPropConnectable | hci.AdvPropScannable | hci.AdvPropLegacy | hci.AdvPropOmitAddress

// addData sets the data, or a fragment of it (Vol 4, Part E, 7.8.62).
func (t *train) addData(p hci.LESetPeriodicAdvertisingData) hci.Status {
	whole := p.Operation == hci.AdvDataComplete
	have := t.data
	switch {
	case !t.ready, t.enabled && !whole && p.Operation != hci.AdvDataUnchanged:
		return hci.StatusCommandDisallowed
	case p.Operation == hci.AdvDataUnchanged:
		return hci.StatusSuccess
	case !whole && len(p.Data) == 0:
		return hci.StatusInvalidParameters
	case whole || p.Operation == hci.AdvDataFirst:
		have = nil
	case !t.partial:
		return hci.StatusInvalidParameters
	}
	if len(have)+len(p.Data) > maxAdvData {
		t.partial, t.data = false, nil
		return hci.StatusMemoryFull
	}
	t.partial = p.Operation == hci.AdvDataFirst || p.Operation == hci.AdvDataIntermediate
	t.data = append(slices.Clone(have), p.Data...)
	return hci.StatusSuccess
}
