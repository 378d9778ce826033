package errclass

import (
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

// situationRows are errors that mean something else in a known situation.
var situationRows = []row{
	{
		name:  "0x05, 0x06, 0x3D of a link on which a Security Request was refused",
		match: []match{when(refusedSecurity, statusAt(onLink, hci.StatusAuthenticationFailure, hci.StatusKeyMissing, hci.StatusMICFailure))},
		like:  likeDisconnected, do: secure,
		why: "the device asked for encryption and ended the link for want of it",
	},
	{
		name:  "0x13 of a link on which a Security Request was refused",
		match: []match{when(refusedSecurity, statusAt(onLink, hci.StatusRemoteUserTerminated))},
		like:  likeByRemote,
		do: treatment{
			category: Connection, redial: Redial{Times: 2, Wait: time.Second}, action: Secure, advice: adviceSecure,
		},
		why: "probably for want of encryption: three such ends are no coincidence",
	},
	{
		name:  "0x06 of a link with a bond",
		match: []match{when(encrypted, statusAt(anywhere, hci.StatusKeyMissing))},
		like:  likeDisconnected, do: treatment{category: BondLost, action: CheckBond, advice: adviceBond},
		why: "the device reports that it has no key, and will report it again",
	},
	{
		name:  "0x13, 0x14, 0x15 while the link is encrypted with a bond",
		match: []match{when(func(in *Situation) bool { return in.Encrypted && in.Phase == PhaseSecure }, hangUps)},
		like:  likeByRemote,
		do: treatment{
			category: Aborted, budget: BudgetTransient, delay: DelayTransient, action: CheckBond, advice: adviceUnbonded,
		},
		why: "busy, or without a key: some devices report a lost bond like this",
	},
	{
		name:  "0x05, 0x06 of a link without a bond",
		match: []match{when(unencrypted, statusAt(anywhere, hci.StatusAuthenticationFailure, hci.StatusKeyMissing))},
		like:  likeDisconnected, do: treatment{category: Connection, budget: BudgetConnect, delay: DelayShort}, advise: adviseRefused,
		why: "without a bond, no keys can be lost",
	},
	{
		name:  "0x3D of a link without a bond",
		match: []match{when(unencrypted, statusAt(anywhere, hci.StatusMICFailure))},
		like:  likeDisconnected, do: treatment{category: Connection, budget: BudgetConnect, delay: DelayMedium, advice: adviceRadio},
		why: "a damaged packet",
	},
	{
		name:  "not heard, but heard with another kind of address",
		match: []match{when(func(in *Situation) bool { return in.Heard.Other != (hci.Addr{}) }, unheardDial)},
		like:  likeTimeout, do: treatment{category: NotFound}, advise: adviseUnheard,
		why: "the address that was asked for is not on air",
	},
	{
		name:  "not heard connectable, but heard",
		match: []match{when(func(in *Situation) bool { return in.Heard.lately() && !in.Heard.Connectable }, unheardDial)},
		like:  likeTimeout, do: treatment{category: NotFound}, advise: adviseUnheard,
		why: "the device takes no connection until its user does something",
	},
	{
		name: "att: 0x01, 0x0A in the first discovery",
		match: []match{when(func(in *Situation) bool { return in.Phase == PhaseDiscover && !in.Cached },
			codes(att.CodeInvalidHandle, att.CodeAttributeNotFound))},
		like: likeBleak, do: hidden, why: "no stale handle: no table was remembered",
	},
}

// hangUps matches links that the peer ended.
var hangUps = statusAt(onLink, hci.StatusRemoteUserTerminated, hci.StatusRemoteLowResources, hci.StatusRemotePowerOff)

// unheardDial matches dials during which the device was not heard.
var unheardDial = anyOf(is(controller.ErrDialTimeout), statusAt(onDial, hci.StatusUnknownConnection, hci.StatusCanceledByHost))

func refusedSecurity(in *Situation) bool { return in.SecurityRefused && !in.Encrypted }

func encrypted(in *Situation) bool { return in.Encrypted }

func unencrypted(in *Situation) bool { return !in.Encrypted }
