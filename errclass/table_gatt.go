package errclass

import (
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/l2cap"
)

// hidden is a table that the peer does not let read.
var hidden = treatment{category: Connection, budget: BudgetConnect, delay: DelayShort, advice: adviceHidden}

var attRows = []row{
	{
		name: "att: enhanced bearer lost", match: []match{is(att.ErrBearerLost)},
		like: likeBleak, do: unlucky, why: "the link goes on; whether the peer has written the value is not known",
	},
	{
		name: "gatt: no enhanced bearers", match: []match{is(gatt.ErrNoEnhanced)},
		like: likeBleak, do: refused, why: "the peer does not offer them; the link goes on with one bearer",
	},
	{
		name: "att: transaction timeout", match: []match{is(att.ErrTransactionTimeout)},
		like: likeTimeout,
		do:   timedOut, advise: adviseSilent,
		why: "after 30 s without an answer the bearer is dead, and its link is closed",
	},
	{
		name: "gatt: discovery refused with 0x01", match: []match{allOf(as[*gatt.DiscoveryError](), codes(att.CodeInvalidHandle))},
		like: likeBleak, do: hidden, why: "no stale handle: the table is being read",
	},
	{
		name: "gatt: table changed; att: 0x01, 0x0A, 0x12", match: []match{is(gatt.ErrStale, gatt.ErrForgotten),
			codes(att.CodeInvalidHandle, att.CodeAttributeNotFound, att.CodeDatabaseOutOfSync)},
		like: likeKey, do: changed, advise: adviseChanged,
		why: "on a handle from the cache: discover once more on the same link, and repeat",
	},
	{
		name: "gatt: not found", match: []match{is(gatt.ErrNotFound)},
		like: likeNotFound,
		do:   treatment{category: Connection, redial: Redial{Times: 1}, action: Rediscover, advice: adviceServices},
		why:  "the service or characteristic may be missing in the cache only",
	},
	{
		name: "gatt: wrong use", match: []match{
			is(gatt.ErrNoCCCD, gatt.ErrNotSubscribable, gatt.ErrNotSubscribed, gatt.ErrClientUnaware, gatt.ErrClientInsecure,
				gatt.ErrValueTooLong, gatt.ErrTooManyAttributes, att.ErrMTUExchanged),
			as[*att.TooLongError](),
		},
		like: likeOther, do: fatal, why: "the same call fails again",
	},
	{
		name: "gatt: discovery takes too long", match: []match{is(gatt.ErrDiscoveryTimeout)},
		like: likeTimeout, do: timedOut, why: "a table without end, or a very slow link",
	},
	{
		name: "att, gatt: malformed or forbidden PDU", match: []match{
			as[*att.ProtocolError](), as[*att.MalformedError](), is(att.ErrUnknownOpcode, att.ErrWrongBearer), as[*gatt.PrepareMismatchError](),
		},
		like: likeBleak, do: misbehaved, why: "the peer broke a rule of the protocol",
	},
	{
		name: "att: 0x05, 0x08, 0x0C, 0x0F security", match: []match{codes(att.CodeInsufficientAuthentication,
			att.CodeInsufficientAuthorization, att.CodeEncryptionKeySizeTooShort, att.CodeInsufficientEncryption)},
		like: likeBleak, do: secure, why: "raise the security once and repeat the request",
	},
	{
		name: "att: 0x09, 0x0E, 0x11, 0xFE busy", match: []match{codes(att.CodePrepareQueueFull, att.CodeUnlikelyError,
			att.CodeInsufficientResources, att.CodeProcedureAlreadyInProgress)},
		like: likeBleak, do: unlucky, why: "passes with time",
	},
	{
		name: "att: any other code", match: []match{attr(func(att.Code) bool { return true })},
		like: likeBleak, do: refused, why: "the attribute's own answer; the link is fine",
	},
}

var l2capRows = []row{
	{
		name: "l2cap: 0x0002, 0x000B, 0x000C channel refused as asked for", match: []match{
			results(l2cap.ResultSPSMNotSupported, l2cap.ResultUnacceptableParameters, l2cap.ResultInvalidParameters),
			is(l2cap.RejectNotUnderstood, l2cap.ErrReconfigure),
		},
		like: likeBleak, do: refused, why: "the peer does not offer it, or not with these parameters",
	},
	{
		name: "l2cap: 0x0005, 0x0006, 0x0007, 0x0008 security", match: []match{
			results(l2cap.ResultInsufficientAuthentication, l2cap.ResultInsufficientAuthorization,
				l2cap.ResultKeySizeTooShort, l2cap.ResultInsufficientEncryption)},
		like: likeBleak, do: secure, why: "raise the security once and repeat the request",
	},
	{
		name: "l2cap: 0x0004, 0x000D, 0x000E, 0x000F not now", match: []match{
			results(l2cap.ResultNoResources, l2cap.ResultPending, l2cap.ResultAuthenticationPending, l2cap.ResultAuthorizationPending),
			is(l2cap.ErrBusy)},
		like: likeBleak, do: treatment{category: Connection, budget: BudgetConnect, delay: DelayLong}, why: "passes with time",
	},
	{
		name: "l2cap: any other result or rejection", match: []match{results(), as[l2cap.RejectReason]()},
		like: likeBleak, do: unlucky, why: "a channel identifier that crossed another",
	},
	{
		name: "l2cap: no answer", match: []match{as[*l2cap.TimeoutError]()},
		like: likeTimeout, do: timedOut, why: "the peer does not answer signaling",
	},
	{
		name: "l2cap: malformed or forbidden frame", match: []match{is(l2cap.ErrViolation), as[*l2cap.SignalError]()},
		like: likeBleak, do: misbehaved, why: "the peer broke a rule of the protocol",
	},
	{
		name: "l2cap: connection parameters rejected", match: []match{is(l2cap.ErrParamsRejected)},
		like: likeBleak, do: treatment{category: Connection, advice: adviceParams}, why: "the central refuses the same again",
	},
	{
		name: "l2cap: no channel identifier left", match: []match{is(l2cap.ErrNoCID)},
		like: likeOther, do: fatal, why: "other channels of the link have to be closed first",
	},
	{
		name: "l2cap: closed by the peer", match: []match{is(l2cap.ErrPeerClosed)},
		like: likeBleak, do: unlucky, why: "a channel, not the link",
	},
	{
		name: "l2cap: closed here", match: []match{is(l2cap.ErrClosed)},
		like: likeOther, do: canceled, why: "this side ended it on purpose",
	},
}
