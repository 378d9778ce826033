package errclass

import (
	"errors"
	"slices"

	"github.com/moor-ble/moor/smp"
)

// smpRows stand before hciRows, since some of these errors wrap HCI codes.
var smpRows = []row{
	{
		name: "smp: bond lost", match: []match{is(smp.ErrBondLost)},
		like: likeDisconnected, do: treatment{category: BondLost, action: CheckBond, advice: adviceBond},
		why: "the peer reports that it has no key, and would report it again",
	},
	{
		name: "smp: no key in the bond, damaged bond, bond without privacy", match: []match{is(smp.ErrNoKey, smp.ErrBondDamaged, smp.ErrOpenBond)},
		like: likeDisconnected, do: treatment{category: BondLost, action: CheckBond},
		why: "the bond stays as it is until it is replaced; without encryption any device with this address would be trusted",
	},
	{
		name: "smp: silent for 30 s", match: []match{is(smp.ErrTimeout)},
		like: likeTimeout,
		do:   treatment{category: Connection, budget: BudgetTimeout, delay: DelayStack, action: CloseLink},
		why:  "no pairing is allowed on this link anymore",
	},
	{
		name: "smp: canceled", match: []match{is(smp.ErrCanceled)},
		like: likeOther, do: canceled, why: "the caller gave up",
	},
	{
		name: "smp: 0x09, 0x10, busy", match: []match{reasons(smp.ReasonRepeatedAttempts, smp.ReasonBusy), is(smp.ErrBusy)},
		like: likeBleak,
		do:   treatment{category: Connection, budget: BudgetConnect, delay: DelayOutOfSlots},
		why:  "the peer needs a pause",
	},
	{
		name: "smp: 0x01, 0x04, 0x08, 0x0B, 0x0C, 0x0F", match: []match{reasons(
			smp.ReasonPasskeyEntryFailed, smp.ReasonConfirmValueFailed, smp.ReasonUnspecified, smp.ReasonDHKeyCheckFailed,
			smp.ReasonNumericComparisonFailed, smp.ReasonKeyRejected)},
		like: likeBleak, do: treatment{category: Connection, advice: adviceSecure},
		why: "a user refused, or a third device interferes: never repeated automatically",
	},
	{
		name: "smp: 0x05, pairing not supported", match: []match{reasons(smp.ReasonPairingNotSupported)},
		like: likeBleak, do: treatment{category: Fatal, advice: adviceUnpaired}, why: "the peer does not support pairing",
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
		like: likeOther, do: refused, why: "the data cannot be trusted",
	},
	{
		name: "smp: malformed PDU", match: []match{is(smp.ErrUnknownCode)},
		like: likeBleak, do: misbehaved, why: "the peer broke a rule of the protocol",
	},
	{
		name: "smp: any other reason", match: []match{matchFunc(func(s *subject) bool { return asReason(s) != 0 })},
		like: likeBleak, do: treatment{category: Fatal, advice: adviceSecure},
		why: "the two sides have no pairing method in common",
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
