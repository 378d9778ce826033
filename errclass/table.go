package errclass

import (
	"slices"
	"time"
)

// table holds all rows; the first that matches an error decides. Rows for general
// causes, such as net.ErrClosed, stand behind rows for the errors that wrap them.
var table = slices.Concat(remoteKindRows, smpRows, localRows, attRows, l2capRows, hciRows, systemRows, remoteWordRows)

// unclassified is the row of all other errors.
var unclassified = row{
	name: Unclassified,
	do:   treatment{category: Connection, budget: BudgetConnect, delay: DelayShort},
	why:  "unknown: the number of attempts bounds the cost of trying again",
}

// Treatments of several rows.
var (
	// fatal is a request that cannot succeed.
	fatal    = treatment{category: Fatal, advice: adviceRequest}
	canceled = treatment{category: Canceled}
	// unlucky is a failure with a reason that says little.
	unlucky = treatment{category: Connection, budget: BudgetConnect, delay: DelayShort}
	// lost is a link that ended, or was not established, for a common reason.
	lost = treatment{category: Aborted, budget: BudgetTransient, delay: DelayTransient, advice: adviceAborted}
	// timedOut is a procedure, other than finding the peer, that took too long.
	timedOut = treatment{category: Connection, budget: BudgetTimeout, delay: DelayStack}
	// unheard is a peer that was not heard.
	unheard = treatment{category: NotFound, budget: BudgetTimeout, delay: DelayStack, advice: adviceMissing}
	// full is an adapter without room for another link.
	full = treatment{
		category: OutOfSlots, budget: BudgetTransient, delay: DelayOutOfSlots,
		action: LowerLimit | AwaitSlot, advice: adviceSlots,
	}
	// broken is an adapter that does not work.
	broken = treatment{
		category: Connection, budget: BudgetTransient, delay: DelayStack,
		action: RecoverAdapter | OtherAdapter, advice: adviceAdapter,
	}
	// keys is a bond whose keys do not match: one more attempt shows whether that was
	// an accident.
	keys = treatment{
		category: BondLost, redial: Redial{Times: 1, Wait: 250 * time.Millisecond},
		action: CheckBond, advice: adviceBond,
	}
	secure = treatment{category: Connection, action: Secure, advice: adviceSecure}
	// collided is a collision of two procedures, which the next attempt avoids.
	collided = treatment{category: Connection, redial: Redial{Times: 2}, budget: BudgetConnect, delay: DelayShort}
	// changed is a table of the peer that differs from the cached one.
	changed = treatment{
		category: Connection, redial: Redial{Times: 1}, budget: BudgetTransient, delay: DelayShort,
		action: Rediscover, advice: adviceServices,
	}
	// refused is a refusal that the peer would repeat.
	refused = treatment{category: Fatal}
	// misbehaved is a peer that broke a protocol, which makes its link unusable.
	misbehaved = treatment{category: Connection, budget: BudgetConnect, delay: DelayShort, action: CloseLink}
)

// Errors that upstream's user sees, of several rows.
var (
	likeOther        = RemoteError{Kind: KindOther}
	likeBleak        = RemoteError{}
	likeTimeout      = RemoteError{Kind: KindTimeout}
	likeEOF          = RemoteError{Kind: KindEOF}
	likeKey          = RemoteError{Kind: KindKey}
	likeDisconnected = RemoteError{Text: "Disconnected"}
	likeNotReady     = RemoteError{Kind: KindDBus, Text: "[org.bluez.Error.NotReady] Resource Not Ready"}
	likeInProgress   = RemoteError{Kind: KindDBus, Text: "[org.bluez.Error.InProgress] Operation already in progress"}
	likeByRemote     = RemoteError{Kind: KindDBus, Text: "[org.bluez.Error.Failed] le-connection-abort-by-remote"}
	likeNoSlot       = RemoteError{Text: "no available connection slot"}
	likeNotFound     = RemoteError{Text: "not found"}
)
