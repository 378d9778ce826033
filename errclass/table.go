package errclass

import (
	"slices"
	"time"
)

// table is all rows; the first that matches an error decides. What an error of
// this stack wraps last, such as net.ErrClosed, stands after what says more.
var table = slices.Concat(remoteKindRows, smpRows, localRows, attRows, l2capRows, hciRows, systemRows, remoteWordRows)

// unclassified is the row of all other errors.
var unclassified = row{
	name: Unclassified,
	do:   treatment{category: Connection, budget: BudgetConnect, delay: DelayShort},
	why:  "not known: the number of attempts bounds what trying again costs",
}

// Treatments that several rows have.
var (
	// fatal asks for what cannot be.
	fatal    = treatment{category: Fatal, advice: adviceRequest}
	canceled = treatment{category: Canceled}
	// unlucky is a failure with a reason that says little.
	unlucky = treatment{category: Connection, budget: BudgetConnect, delay: DelayShort}
	// lost is a link that ended, or came to nothing, as links do.
	lost = treatment{category: Aborted, budget: BudgetTransient, delay: DelayTransient, advice: adviceAborted}
	// timedOut is something other than the peer's advertising that took too long.
	timedOut = treatment{category: Connection, budget: BudgetTimeout, delay: DelayStack}
	// unheard is a peer that could not be found on air.
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
	// keys is a bond whose keys do not fit: one more try shows whether it was
	// chance, more would show nothing.
	keys = treatment{
		category: BondLost, redial: Redial{Times: 1, Wait: 250 * time.Millisecond},
		action: CheckBond, advice: adviceBond,
	}
	secure = treatment{category: Connection, action: Secure, advice: adviceSecure}
	// collided is two procedures that met, which the next try does not repeat.
	collided = treatment{category: Connection, redial: Redial{Times: 2}, budget: BudgetConnect, delay: DelayShort}
	// changed is a table of the peer that is not what the cache says.
	changed = treatment{
		category: Connection, redial: Redial{Times: 1}, budget: BudgetTransient, delay: DelayShort,
		action: Rediscover, advice: adviceServices,
	}
	// refused is what the peer will say again to the same request.
	refused = treatment{category: Fatal}
	// misbehaved is a peer that broke a protocol, after which its link is no use.
	misbehaved = treatment{category: Connection, budget: BudgetConnect, delay: DelayShort, action: CloseLink}
)

// What upstream's user sees of failures that several rows have.
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
