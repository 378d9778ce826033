package controller

import (
	"errors"

	"github.com/moor-ble/moor/hci"
)

// legacy switches a controller to the legacy commands if it refuses the extended ones
// that it lists: some have a bit of Read Local Supported Commands set by mistake, some
// refuse the first extended scan as busy. A controller accepts no legacy command after
// an extended one until it is reset (Vol 4, Part E, 3.1.1). So the switch is a job of
// quiet, which resets the controller and repeats the commands of the start-up. It
// would end all links, and is not made while there is one.
type legacy struct {
	c      *core
	works  [kindCount]bool // kinds of extended commands that the controller has accepted
	coded  [kindCount]bool // those of them that it has accepted on the coded PHY
	queued bool            // the job is queued or runs
	// publish makes a change of c.info visible to other goroutines; nil in tests.
	publish func(Info)
}

// extendedKind is the use of an extended command.
type extendedKind uint8

const (
	kindNone extendedKind = iota
	kindScan
	kindInitiate
	kindAdvertise
	kindCount
)

// extendedKindOf returns the kind of op; kindNone if it is no extended command.
func extendedKindOf(op hci.Opcode) extendedKind {
	switch op {
	case hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable:
		return kindScan
	case hci.OpLEExtendedCreateConnection:
		return kindInitiate
	case hci.OpLESetAdvertisingSetRandomAddress, hci.OpLESetExtendedAdvertisingParameters, hci.OpLESetExtendedAdvertisingData,
		hci.OpLESetExtendedScanResponseData, hci.OpLESetExtendedAdvertisingEnable:
		return kindAdvertise
	}
	return kindNone
}

// noteAccepted records that the controller has accepted cmd. A kind works once the
// controller has started it.
func (f *legacy) noteAccepted(cmd *command) {
	switch cmd.op {
	case hci.OpLEExtendedCreateConnection:
		f.works[kindInitiate] = true
	case hci.OpLESetExtendedScanEnable, hci.OpLESetExtendedAdvertisingEnable:
		const enable = 4 // after packet type, opcode and length
		if len(cmd.packet) > enable && cmd.packet[enable] != 0 {
			f.works[extendedKindOf(cmd.op)] = true
		}
	}
}

// noteListening records that the controller listens on phys.
func (f *legacy) noteListening(kind extendedKind, phys hci.PHYs) {
	if phys.Has(hci.PHYsCoded) {
		f.coded[kind] = true
	}
}

// publishInfo makes a change of c.info visible to other goroutines.
func (c *core) publishInfo() {
	if c.legacy.publish != nil {
		c.legacy.publish(c.info)
	}
}

// fallBackToLegacy switches to the legacy commands if err is the refusal of an extended
// command of a kind that has never worked. It then returns true, and what failed is to
// be tried again once quiet lets it.
func (c *core) fallBackToLegacy(err error) bool {
	f := &c.legacy
	refused, ok := errors.AsType[*CommandError](err)
	if !ok || !c.info.Extended || len(c.links) > 0 || c.err != nil {
		return false
	}
	kind := extendedKindOf(refused.Op)
	if kind == kindNone || f.works[kind] {
		return false
	}
	switch statusOf(err) {
	case hci.StatusUnknownCommand, hci.StatusUnsupportedFeature, hci.StatusInvalidParameters:
	case hci.StatusCommandDisallowed: // may be for a reason that passes
		if kind == kindInitiate || c.dial.state != dialIdle {
			return false
		}
	default:
		return false
	}
	if !f.queued {
		f.queued = true
		c.quiet.addJob(func(done func(error)) { f.switchCommands(refused, done) }, func(error) { f.queued = false })
	}
	return true
}

// errLinkUp is the reason for no switch to the legacy commands.
var errLinkUp = errors.New("controller: a link is up")

// switchCommands resets the controller and sets it up for the legacy commands.
func (f *legacy) switchCommands(refused *CommandError, done func(error)) {
	c := f.c
	if len(c.links) > 0 { // it has come up since
		done(errLinkUp)
		return
	}
	c.countFault(&c.stats.LegacyFallbacks, "extended commands refused, using the legacy commands", "error", refused)
	c.info.Extended, c.info.ExtendedRefused = false, refused
	c.publishInfo()
	c.scan.checkScanners()
	setup := append([]hci.Params{hci.LESetEventMask{Mask: c.info.leEventMask()}}, c.info.setup...)
	if c.own.Kind == hci.AddrRandom {
		setup = append(setup, hci.LESetRandomAddress{Addr: c.own.MAC})
	}
	if c.adv.usesAcceptList() {
		setup = append(setup, acceptListCommands(c.adv.accept)...)
	}
	c.runInOrder([]hci.Params{hci.Reset{}}, func() {
		for _, l := range c.up.listLinks() { // the reset has ended them
			l.loseLink()
		}
		c.dial.stuck = false
		c.adv.noteReset()
		c.syncs.failSyncs(ErrReset)
		c.runInOrder(setup, func() { c.resolving.reloadList(done) })
	})
}
