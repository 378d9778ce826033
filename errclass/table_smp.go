package errclass

import (
	"errors"
	"slices"

	"github.com/moor-ble/moor/smp"
)

// smpRows come before those of HCI, whose codes some of these errors wrap.
var smpRows = []row{
	{
		name: "smp: bond not saved", match: []match{as[*smp.SaveError]()},
		like: likeOther, do: treatment{category: Fatal, advice: adviceDisk}, why: "another pairing would end in the same way",
	},
	{
		name: "smp: bond lost", match: []match{is(smp.ErrBondLost)},
		like: likeDisconnected, do: treatment{category: BondLost, action: CheckBond, advice: adviceBond},
		why: "the peer reports that it has no key, and will report it again",
	},
	{
		name: "smp: no key in the bond, damaged bond, bond without privacy", match: []match{is(smp.ErrNoKey, smp.ErrBondDamaged, smp.ErrOpenBond)},
		like: likeDisconnected, do: treatment{category: BondLost, action: CheckBond},
		why: "the bond has to be replaced; on a link in plain text, any device with the address would be trusted",
	},
	{
		name: "smp: silent for 30 s", match: []match{is(smp.ErrTimeout)},
		like: likeTimeout,
		do:   timedOut, why: "no further pairing is allowed on this link",
	},
	{
		name: "smp: canceled", match: []match{is(smp.ErrCanceled)},
		like: likeOther, do: canceled, why: "the caller gave up",
	},
	{
		name: "smp: 0x09, 0x10, busy", match: []match{reasons(smp.ReasonRepeatedAttempts, smp.ReasonBusy), is(smp.ErrBusy)},
		like: likeBleak,
		do:   treatment{category: Connection, budget: BudgetConnect, delay: DelayOutOfSlots},
		why:  "the peer demands a pause",
	},
	{
		name: "smp: 0x01, 0x04, 0x0B, 0x0C", match: []match{reasons(smp.ReasonPasskeyEntryFailed, smp.ReasonConfirmValueFailed,
			smp.ReasonDHKeyCheckFailed, smp.ReasonNumericComparisonFailed)},
		like: likeBleak, do: treatment{category: Connection, advice: advicePasskey},
		why: "a wrong passkey, or a man in the middle: the user decides whether to try again",
	},
	{
		name: "smp: keys differ", match: []match{is(smp.ErrKeysDiffer)},
		like: likeBleak, do: treatment{category: Connection, advice: adviceKeysDiffer},
		why: "the key of the pairing does not encrypt the link: the user decides whether to pair again",
	},
	{
		name: "smp: 0x08, 0x0F by the peer", match: []match{allOf(byPeer, reasons(smp.ReasonUnspecified, smp.ReasonKeyRejected))},
		like: likeBleak, do: treatment{category: Connection, advice: adviceDenied},
		why: "the user of the device decides",
	},
	{
		name: "smp: 0x08, 0x0F by this host", match: []match{reasons(smp.ReasonUnspecified, smp.ReasonKeyRejected)},
		like: likeBleak, do: treatment{category: Connection},
		why: "the user of this host decides",
	},
	{
		name: "smp: no bond", match: []match{is(smp.ErrNoBond)},
		like: likeOther, do: treatment{category: Fatal, advice: adviceSecure}, why: "the caller has to decide whether to pair",
	},
	{
		name: "smp: bonded already, weak bond", match: []match{is(smp.ErrBonded, smp.ErrWeakBond)},
		like: likeOther, do: treatment{category: Fatal}, why: "the caller has to decide whether to replace the bond",
	},
	{
		name: "smp: 0x05, pairing not supported by the peer", match: []match{allOf(byPeer, reasons(smp.ReasonPairingNotSupported))},
		like: likeBleak, do: treatment{category: Fatal, advice: adviceUnpaired}, why: "the peer refuses every pairing",
	},
	{
		name: "smp: 0x05, pairing refused by this host", match: []match{reasons(smp.ReasonPairingNotSupported)},
		like: likeBleak, do: treatment{category: Fatal, advice: adviceIncoming}, why: "this host refuses every pairing that the peer begins",
	},
	{
		name: "smp: wrong use", match: []match{is(smp.ErrNoSigningKey, smp.ErrOtherController, smp.ErrIdentityDamaged, smp.ErrInUse)},
		like: likeOther, do: fatal, why: "the same call fails again",
	},
	{
		name: "smp: signature", match: []match{is(smp.ErrSignature)},
		like: likeOther, do: refused, why: "the value is not authentic",
	},
	{
		name: "smp: any other reason by the peer", match: []match{allOf(byPeer, anyReason)},
		like: likeBleak, do: treatment{category: Fatal, advice: adviceDemands},
		why: "the peer refuses what this host offers, and will refuse it again",
	},
	{
		name: "smp: any other reason by this host", match: []match{anyReason},
		like: likeBleak, do: treatment{category: Fatal, advice: adviceDisagree},
		why: "this host refuses what the peer offers, such as legacy pairing, and will refuse it again",
	},
}

// byPeer matches pairings that the peer refused.
var byPeer = matchFunc(func(s *subject) bool {
	e, ok := errors.AsType[*smp.Error](s.err)
	return ok && !e.Local
})

// anyReason matches errors with a pairing reason.
var anyReason = matchFunc(func(s *subject) bool { return asReason(s) != 0 })

func reasons(want ...smp.Reason) match {
	return matchFunc(func(s *subject) bool { return slices.Contains(want, asReason(s)) })
}

// asReason returns the pairing reason in an error; 0 if there is none.
func asReason(s *subject) smp.Reason {
	r, _ := errors.AsType[smp.Reason](s.err)
	return r
}
