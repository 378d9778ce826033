package errclass

import (
	"slices"
	"time"
)

// table is all rows. The first row that matches an error decides, so rows for what
// many errors wrap, such as net.ErrClosed, come last.
var table = slices.Concat(remoteKindRows, smpRows, situationRows, localRows, attRows, l2capRows, hciRows, systemRows, remoteWordRows)

// unclassified is the row of all other errors.
var unclassified = row{
	name: Unclassified,
	do:   treatment{category: Connection, budget: BudgetConnect, delay: DelayShort},
	why:  "unknown: the number of attempts bounds the cost of trying again",
}

// Treatments that several rows have.
var (
	// fatal is a call that fails whenever it is repeated.
	fatal    = treatment{category: Fatal, advice: adviceRequest}
	canceled = treatment{category: Canceled}
	// unlucky is a failure whose reason says little.
	unlucky = treatment{category: Connection, budget: BudgetConnect, delay: DelayShort}
	// lost is a link that was lost, or did not come up.
	lost = treatment{category: Aborted, budget: BudgetTransient, delay: DelayTransient, advice: adviceRadio}
	// hungUp is a link that the peer ended; its rows have adviseHungUp.
	hungUp = treatment{category: Aborted, budget: BudgetTransient, delay: DelayTransient}
	// endedHere is a link that this side ended, but not the program.
	endedHere = treatment{category: Aborted, budget: BudgetTransient, delay: DelayTransient, advice: adviceByItself}
	// timedOut is a procedure that took too long, other than waiting for the peer's
	// advertising.
	timedOut = treatment{category: Connection, budget: BudgetTimeout, delay: DelayStack}
	// unheard is a peer whose advertising was not heard; its rows have adviseUnheard.
	unheard = treatment{category: NotFound, budget: BudgetTimeout, delay: DelayStack}
	// full is an adapter without room for another link.
	full = treatment{
		category: OutOfSlots, redial: Redial{Times: 1, Wait: 250 * time.Millisecond}, budget: BudgetTransient, delay: DelayOutOfSlots,
		action: LowerLimit | AwaitSlot, advice: adviceSlots,
	}
	// away is an adapter that ended or is being reset.
	away = treatment{category: Connection, budget: BudgetAdapter, delay: DelayStack, action: OtherAdapter}
	// broken is an adapter that does not work.
	broken = treatment{
		category: Connection, budget: BudgetTransient, delay: DelayStack,
		action: RecoverAdapter | OtherAdapter, advice: adviceAdapter,
	}
	// keys is a bond whose keys do not fit. One more try shows whether that was
	// chance.
	keys = treatment{
		category: BondLost, redial: Redial{Times: 1, Wait: 250 * time.Millisecond},
		action: CheckBond, advice: adviceBond,
	}
	secure = treatment{category: Connection, action: Secure, advice: adviceSecure}
	// collided is a collision of two procedures, which the next try avoids.
	collided = treatment{category: Connection, redial: Redial{Times: 2}, budget: BudgetConnect, delay: DelayShort}
	// changed is a table that is not the cached one; its rows have adviseChanged.
	changed = treatment{
		category: Connection, redial: Redial{Times: 1}, budget: BudgetTransient, delay: DelayShort,
		action: Rediscover,
	}
	// refused is a request that the peer refuses whenever it is repeated.
	refused = treatment{category: Fatal}
	// misbehaved is a peer that broke a rule of a protocol.
	misbehaved = treatment{category: Connection, budget: BudgetConnect, delay: DelayShort}
)

// The errors that upstream's user sees of several rows.
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
