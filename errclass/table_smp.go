package errclass

import (
	"errors"
	"slices"

	"github.com/moor-ble/moor/smp"
)

// smpRows stand before those of HCI, whose codes some of these errors wrap.
var smpRows = []row{
	{
		name: "smp: bond lost", match: []match{is(smp.ErrBondLost)},
		like: likeDisconnected, do: treatment{category: BondLost, action: CheckBond, advice: adviceBond},
		why: "the peer says that it has no key: it will say so again",
	},
	{
		name: "smp: no key in the bond, damaged bond, bond without privacy", match: []match{is(smp.ErrNoKey, smp.ErrBondDamaged, smp.ErrOpenBond)},
		like: likeDisconnected, do: treatment{category: BondLost, action: CheckBond},
		why: "it stays as it is until it is replaced; in plain text whoever has the device's address would be believed",
	},
	{
		name: "smp: silent for 30 s", match: []match{is(smp.ErrTimeout)},
		like: likeTimeout,
		do:   treatment{category: Connection, budget: BudgetTimeout, delay: DelayStack, action: CloseLink},
		why:  "no pairing is allowed on this link any more",
	},
	{
		name: "smp: canceled", match: []match{is(smp.ErrCanceled)},
		like: likeOther, do: canceled, why: "the caller gave up",
	},
	{
		name: "smp: 0x09, 0x10, busy", match: []match{reasons(smp.ReasonRepeatedAttempts, smp.ReasonBusy), is(smp.ErrBusy)},
		like: likeBleak,
		do:   treatment{category: Connection, budget: BudgetConnect, delay: DelayOutOfSlots},
		why:  "wants a pause",
	},
	{
		name: "smp: 0x01, 0x04, 0x08, 0x0B, 0x0C, 0x0F", match: []match{reasons(
			smp.ReasonPasskeyEntryFailed, smp.ReasonConfirmValueFailed, smp.ReasonUnspecified, smp.ReasonDHKeyCheckFailed,
			smp.ReasonNumericComparisonFailed, smp.ReasonKeyRejected)},
		like: likeBleak, do: treatment{category: Connection, advice: adviceSecure},
		why: "somebody said no, or somebody is in the middle: not tried again unasked",
	},
	{
		name: "smp: 0x05, pairing not supported", match: []match{reasons(smp.ReasonPairingNotSupported)},
		like: likeBleak, do: treatment{category: Fatal, advice: adviceUnpaired}, why: "the peer has no pairing, whenever it is asked",
	},
	{
		name: "smp: no bond, bonded already, weak bond", match: []match{is(smp.ErrNoBond, smp.ErrBonded, smp.ErrWeakBond)},
		like: likeOther, do: treatment{category: Fatal, advice: adviceSecure}, why: "the caller has to decide whether to pair",
	},
	{
		name: "smp: wrong use", match: []match{is(smp.ErrNoSigningKey, smp.ErrOtherAdapter, smp.ErrIdentityDamaged)},
		like: likeOther, do: fatal, why: "the same call fails again",
	},
	{
		name: "smp: signature", match: []match{is(smp.ErrSignature)},
		like: likeOther, do: refused, why: "what came is not to be believed",
	},
	{
		name: "smp: any other reason", match: []match{matchFunc(func(s *subject) bool { return asReason(s) != 0 })},
		like: likeBleak, do: treatment{category: Fatal, advice: adviceSecure},
		why: "the two sides cannot agree on a way to pair, whenever they are asked",
	},
}

func reasons(want ...smp.Reason) match {
	return matchFunc(func(s *subject) bool { return slices.Contains(want, asReason(s)) })
}

// asReason returns the pairing reason within an error, 0 if there is none.
func asReason(s *subject) smp.Reason {
	r, _ := errors.AsType[smp.Reason](s.err)
	return r
}
