package errclass

import (
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// Advice to a user, as clauses that follow an error and a colon.
const (
	adviceRadio = "radio contact broke, by interference or distance: bring adapter and device closer together, " +
		"add an adapter, or move this one away from USB 3 ports with an extension cable"
	adviceMissing  = "the device is no longer heard: check that it is on and advertises, bring it closer, or scan again"
	adviceDeaf     = "the device takes no data: restart it, or bring it closer"
	adviceSlots    = "no free connection, or the device is out of reach: end other connections or add an adapter"
	adviceBond     = "the keys of the bond do not fit any more: remove the bond on both sides and pair again"
	adviceUnbonded = "the device ended the connection while it was being encrypted with the bond: it may be busy, so try later; " +
		"if it always does so, it has lost the bond: remove the bond on both sides and pair again"
	adviceKeysDiffer = "the two sides do not have the same key after pairing: pair again; if that fails, remove old bonds on the device first"
	adviceSecure     = "the device wants a paired connection: pair with it first"
	adviceAdapter    = "the adapter does not work properly: replug or reset it, or use another one"
	adviceByItself   = "the controller ended the connection by itself: try again, or use another adapter"
	adviceNoCodedPHY = "leave the coded PHY out, or use an adapter that has it"
	adviceNoLE       = "this adapter is for Bluetooth Classic only: use an adapter with Bluetooth 4.0 or later"
	adviceLacking    = "this adapter lacks the command: use another adapter"
	adviceExtended   = "this adapter refuses the extended commands: use the legacy commands (controller.Config.DisableExtended, or --no-extended), or another adapter"
	adviceRequest    = "the request cannot succeed as it is: change its parameters"
	adviceParams     = "connection parameters do not suit: ask for a longer interval or supervision timeout"
	adviceBusy       = "the adapter is busy: another scan or connection attempt of it has to end first"
	adviceServices   = "the services of the device are not the remembered ones: they are read again"
	adviceRestless   = "the services of the device changed while they were read: they are read again"
	adviceHidden     = "the device refuses to show its services: connect with Options.DisableDiscovery"
	adviceDisk       = "make room on the disk, or give access to the state directory: the device has to pair again"
	adviceSystem     = "this system does not give access to the adapter: see the error for what is missing"
)

// Advice on pairing.
const (
	adviceUnpaired = "the device does not pair: connect without pairing; or it still has a bond with this host: remove that on the device"
	adviceIncoming = "this host does not accept a pairing that the other side begins: pair from here, or clear smp.Config.DisableIncoming"
	adviceDisagree = "the two sides cannot pair as asked for: allow less with smp.Config.AllowLegacy or a smaller MinKeySize, " +
		"or give smp.Config a Delegate that shows and enters passkeys"
	adviceDemands = "the device asks for a safer pairing: give smp.Config a Delegate that shows and enters passkeys, or pair out of band"
	advicePasskey = "the passkeys were not the same, or another device is in between: pair again with the number that is shown"
	adviceDenied  = "the device refused to pair: allow it there, as by its pairing mode, and pair again"
)

// Advice on remote radios.
const (
	adviceRejected = "the remote radio refused the connection at once: see its log, restart it, or update its firmware"
	adviceGaveUp   = "the remote radio gave up waiting for the device: bring the device closer, or add a radio near it"
	// rejectedWithin is the time in which a radio refuses; one that waits for the
	// device takes longer. The value is that of bleak-retry-connector 4.7.1.
	rejectedWithin = 8 * time.Second
)

// adviseRequest is the advice on a command that the controller refuses for its content.
func adviseRequest(s *subject) string {
	cmd, ok := errors.AsType[*controller.CommandError](s.err)
	if !ok {
		return adviceRequest
	}
	switch cmd.Op {
	case hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable, hci.OpLEExtendedCreateConnection,
		hci.OpLESetExtendedAdvertisingParameters, hci.OpLESetExtendedAdvertisingEnable:
		return adviceExtended
	}
	return adviceRequest
}

// adviseLacking is the advice on a command that the controller does not know.
func adviseLacking(s *subject) string {
	if a := adviseRequest(s); a != adviceRequest {
		return a
	}
	return adviceLacking
}

// phase returns the phase of the error; PhaseUnknown without a situation.
func (s *subject) phase() Phase {
	if s.in == nil {
		return PhaseUnknown
	}
	return s.in.Phase
}

// adviseRefused is the advice on a device that ended a link without a bond for want of
// security. In the phase of securing, the caller pairs already.
func adviseRefused(s *subject) string {
	const orBond = "; or it still has a bond with this host: remove that on the device"
	if s.phase() == PhaseSecure {
		return "the device refuses to pair: put it into its pairing mode" + orBond
	}
	return "the device refuses this host: pair with it first" + orBond
}

// adviseHungUp is the advice on a device that ended the link.
func adviseHungUp(s *subject) string {
	const (
		rest   = ": it may be busy or connected to another host: try later"
		always = ": it may be busy, so try later; if it always does so, "
	)
	when, why := "", rest
	switch s.phase() {
	case PhaseDial:
		when = " as soon as it was made"
	case PhaseSecure:
		when, why = " while it was being secured", always+"put it into its pairing mode"
	case PhaseMTU:
		when, why = " at the MTU request", always+"connect with Options.DisableMTU"
	case PhaseDiscover:
		when, why = " while its services were read", always+"connect with Options.DisableDiscovery"
	case PhaseSettle:
		when, why = " while its parameters were changed", always+"connect with Options.KeepParams"
	case PhaseUse:
		why = ": connect again"
	case PhaseUnknown, PhaseSlot:
	}
	if s.hasHCI {
		switch s.status {
		case hci.StatusRemoteLowResources:
			why = ", being short of resources: try later"
		case hci.StatusRemotePowerOff:
			why = ", being switched off: switch it on again"
		default:
		}
	}
	return "the device ended the connection" + when + why
}

// adviseLost is the advice on a link that was lost.
func adviseLost(s *subject) string {
	if s.phase() == PhaseSettle {
		return "radio contact broke when the parameters of the connection changed: connect with Options.KeepParams"
	}
	return adviceRadio
}

// adviseStuck is the advice on a link layer that does not answer.
func adviseStuck(s *subject) string {
	const stuck = "the device does not answer a request of the link layer: "
	if s.phase() == PhaseSettle {
		return stuck + "connect with Options.KeepParams"
	}
	return stuck + "restart it"
}

// adviseSilent is the advice on an attribute request without an answer.
func adviseSilent(s *subject) string {
	switch s.phase() {
	case PhaseMTU:
		return "the device does not answer the MTU request: connect with Options.DisableMTU"
	case PhaseDiscover:
		return "the device does not answer while its services are read: restart it, or connect with Options.DisableDiscovery"
	default:
		return "the device does not answer a request: restart it"
	}
}

// adviseChanged is the advice on a table that is not as expected.
func adviseChanged(s *subject) string {
	if s.phase() == PhaseDiscover && !s.in.Cached {
		return adviceRestless
	}
	return adviceServices
}

// adviseUnheard is the advice on a device that was not heard during a dial.
func adviseUnheard(s *subject) string {
	if s.in == nil {
		return adviceMissing
	}
	h := &s.in.Heard
	heard := fmt.Sprintf("%s heard the device %s ago", h.Adapter, seconds(h.Ago))
	switch {
	case h.Other != (hci.Addr{}):
		return fmt.Sprintf("the device is heard as %v: use that address", h.Other)
	case h.Adapter == "":
		return "no adapter has heard the device: check its address, that it is on and advertises, and bring it closer"
	case !h.lately():
		return heard + ", and no adapter since: check that it is on and advertises, or bring it closer"
	case !h.Connectable:
		return heard + ", but not connectable: put it into its connectable or pairing mode, or end its connection to another host"
	case s.in.Adapter != "" && h.Adapter != s.in.Adapter:
		return fmt.Sprintf("%s, %s did not: connect through %s, or bring the device closer to %[2]s", heard, s.in.Adapter, h.Adapter)
	}
	return heard + ", but it takes no connection: it may accept another host only"
}

// seconds writes a duration in seconds, with tenths below ten.
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// adviseCanceled is the advice on a remote radio that canceled a dial.
func adviseCanceled(s *subject) string { return canceledAdvice(s.elapsed()) }

// elapsed returns the duration of the attempt; 0 without a situation.
func (s *subject) elapsed() time.Duration {
	if s.in == nil {
		return 0
	}
	return s.in.Elapsed
}

func canceledAdvice(elapsed time.Duration) string {
	if elapsed < rejectedWithin {
		return adviceRejected
	}
	return adviceGaveUp
}
