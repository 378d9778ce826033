package errclass

import (
	"errors"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// localRows are errors of this host.
var localRows = []row{
	{
		name: "controller: ended", match: []match{as[*controller.Error]()},
		like: likeEOF, do: away, why: "no fault of the device: the adapter comes back, or another one is there",
	},
	{
		name: "controller: link closed by its user", match: []match{matchFunc(func(s *subject) bool {
			return s.place == onLink && s.status == hci.StatusLocalHostTerminated && closedByUser(s.err)
		})},
		like: likeOther, do: canceled, why: "this side ended it on purpose",
	},
	{
		name: "controller: the peer was not heard in time", match: []match{is(controller.ErrDialTimeout)},
		like: likeTimeout, do: unheard, advise: adviseUnheard, why: "there was no link that could have a fault",
	},
	{
		name: "controller: no answer from the controller, no credit, or stuck", match: []match{is(controller.ErrNoAnswer, controller.ErrNoCredit, controller.ErrNoDataCredit, controller.ErrStuck, controller.ErrUnanswered)},
		like: likeEOF, do: broken, why: "an adapter that takes no data, or takes or answers no command, makes no connection",
	},
	{
		name: "controller: reset before it answered", match: []match{is(controller.ErrReset)},
		like: likeEOF, do: treatment{category: Connection, budget: BudgetTransient, delay: DelayStack}, why: "the same command may be sent again",
	},
	{
		name: "controller: the peer does not acknowledge data", match: []match{is(controller.ErrUnacknowledged)},
		like: likeDisconnected, do: treatment{category: Aborted, budget: BudgetConnect, delay: DelayMedium, advice: adviceDeaf},
		why: "the link layer of the device is stuck, or the contact is at its limit",
	},
	{
		name: "controller: goes on with a canceled initiation", match: []match{is(controller.ErrStillInitiating)},
		like: likeInProgress,
		do: treatment{
			category: Connection, budget: BudgetConnect, delay: DelayStack,
			action: RecoverAdapter | OtherAdapter, advice: adviceAdapter,
		},
		why: "this controller takes no other dial until it is reset",
	},
	{
		name: "controller: has a link to the peer that this host does not know", match: []match{is(controller.ErrUnknownLink)},
		like: RemoteError{Kind: KindDBus, Text: "[org.bluez.Error.Failed] le-connection-already-connected"},
		do: treatment{
			category: Connection, redial: Redial{Times: 1, Wait: 250 * time.Millisecond}, budget: BudgetConnect, delay: DelayStack,
			action: RecoverAdapter | OtherAdapter, advice: adviceAdapter,
		},
		why: "the event about the link was lost: this controller takes no dial to the peer until it is reset",
	},
	{
		name: "controller: no caller was waiting for the connection", match: []match{is(controller.ErrUnwanted)},
		like: likeOther, do: canceled, why: "the connection came after its callers had given up, and was closed",
	},
	{
		name: "controller: no Bluetooth LE", match: []match{is(controller.ErrNoLE)},
		like: likeOther, do: treatment{category: Fatal, advice: adviceNoLE}, why: "the adapter is for Bluetooth Classic only",
	},
	{
		name: "controller: no coded PHY", match: []match{is(controller.ErrNoCodedPHY)},
		like: likeOther, do: treatment{category: Fatal, advice: adviceNoCodedPHY}, why: "another adapter may have it",
	},
	{
		name: "controller: not supported by the controller", match: []match{is(controller.ErrNotSupported, controller.ErrNoExtendedAdvertising, controller.ErrNoPeriodicAdvertising)},
		like: likeOther, do: fatal, why: "another adapter may be able to",
	},
	{
		name: "controller: advertising has ended or was stopped", match: []match{is(controller.ErrAdvertisingEnded, controller.ErrSetStopped)},
		like: likeOther, do: canceled, why: "the options of the set, or the program, have asked for it",
	},
	{
		name: "controller: periodic advertising was lost", match: []match{is(controller.ErrSyncLost)},
		like: likeTimeout, do: unheard, advise: adviseUnheard, why: "the device is away or has stopped: a scan hears when it is back",
	},
	{
		name: "controller: the end of the link was not reported", match: []match{is(controller.ErrStale, controller.ErrEventLost)},
		like: likeDisconnected, do: treatment{category: Connection, budget: BudgetConnect}, why: "the link ended for an unknown reason: at once again",
	},
	{
		name: "hci: value outside of its range", match: []match{as[*hci.ParamError](), as[*hci.AdvSplitError]()},
		like: likeOther, do: fatal, why: "the caller's mistake",
	},
	{
		name: "controller: hardware error event", match: []match{as[controller.HardwareFault]()},
		like: likeEOF, do: broken, why: "the adapter has to be reset",
	},
	{
		name: "controller: malformed packet from the controller", match: []match{as[*hci.PacketError]()},
		like: likeBleak, do: treatment{category: Connection, budget: BudgetConnect, delay: DelayShort, action: OtherAdapter, advice: adviceAdapter},
		why: "may be the loss of a single octet",
	},
}

func closedByUser(err error) bool {
	d, ok := errors.AsType[*controller.DisconnectError](err)
	return ok && d.Local && d.Cause == nil
}

// hciRows are the error codes of Vol 1, Part F, by where they were given.
var hciRows = []row{
	{
		name: "0x01 of a command", match: []match{statusAt(onCommand|onDial, hci.StatusUnknownCommand)},
		like: likeOther, do: treatment{category: Fatal}, advise: adviseLacking, why: "the controller will not learn the command: use another one, or do without",
	},
	{
		name: "0x11, 0x12, 0x19, 0x1A, 0x1E, 0x20, 0x24, 0x27, 0x2E, 0x30, 0x45 of a command",
		match: []match{statusAt(onCommand|onDial, hci.StatusUnsupportedFeature, hci.StatusInvalidParameters,
			hci.StatusUnknownLMPPDU, hci.StatusUnsupportedRemoteFeature, hci.StatusInvalidLMPParameters, hci.StatusUnsupportedLMPValue,
			hci.StatusLMPPDUNotAllowed, hci.StatusQoSNotSupported, hci.StatusChannelClassificationNotSupported,
			hci.StatusOutOfMandatoryRange, hci.StatusPacketTooLong)},
		like: likeOther, do: fatal, advise: adviseRequest, why: "the same request fails the same way: leave a feature out, or change parameters",
	},
	{
		name: "0x02, 0x44 of a dial", match: []match{statusAt(onDial, hci.StatusUnknownConnection, hci.StatusCanceledByHost)},
		like: likeTimeout, do: unheard, advise: adviseUnheard, why: "the end of an attempt that this host canceled: the peer was not heard",
	},
	{
		name: "0x02 of a command or link", match: []match{statusAt(onCommand|onLink, hci.StatusUnknownConnection)},
		like: likeDisconnected, do: treatment{category: Connection, budget: BudgetConnect}, why: "the link has ended meanwhile: at once again",
	},
	{
		name: "0x03 hardware failure", match: []match{statusAt(anywhere, hci.StatusHardwareFailure)},
		like: likeEOF, do: broken, why: "a fault of the controller: recover it, try another",
	},
	{
		name: "0x04, 0x10, 0x3C timeouts before a link", match: []match{statusAt(anywhere, hci.StatusPageTimeout, hci.StatusAcceptTimeout, hci.StatusAdvertisingTimeout)},
		like: likeTimeout, do: unheard, advise: adviseUnheard, why: "the peer did not answer",
	},
	{
		name: "0x05, 0x06, 0x3D keys", match: []match{statusAt(anywhere, hci.StatusAuthenticationFailure, hci.StatusKeyMissing, hci.StatusMICFailure)},
		like: likeDisconnected, do: keys, why: "the same keys fail every time, so no budget is spent on them",
	},
	{
		name: "0x07, 0x09, 0x0D of a dial", match: []match{statusAt(onDial, hci.StatusMemoryFull, hci.StatusConnectionLimit, hci.StatusRejectedResources)},
		like: likeNoSlot, do: full, why: "a passing refusal, or the controller's true limit: ask once more, learn it, and wait for a link to end",
	},
	{
		name: "0x08 connection timeout", match: []match{statusAt(anywhere, hci.StatusConnectionTimeout)},
		like:   RemoteError{Text: "ESP_GATT_CONN_TIMEOUT"},
		do:     treatment{category: Aborted, budget: BudgetConnect, delay: DelayMedium, action: RelaxParams},
		advise: adviseLost,
		why:    "a weak signal, or a supervision timeout too short for interval and latency",
	},
	{
		name: "0x0B connection already exists", match: []match{statusAt(onCommand|onDial, hci.StatusConnectionExists)},
		like: RemoteError{Kind: KindDBus, Text: "[org.bluez.Error.Failed] le-connection-already-connected"},
		do:   treatment{category: Connection, redial: Redial{Times: 1}, budget: BudgetConnect, delay: DelayShort, action: Adopt},
		why:  "this controller has a link to the peer",
	},
	{
		name: "0x0C command disallowed", match: []match{statusAt(onCommand|onDial, hci.StatusCommandDisallowed)},
		like: likeInProgress,
		do: treatment{
			category: Connection, redial: Redial{Times: 3, Wait: 100 * time.Millisecond}, budget: BudgetConnect, delay: DelayStack,
			advice: adviceBusy,
		},
		why: "this controller does not take the command now: another dial is pending; a scan was paused already",
	},
	{
		name: "0x0E, 0x17, 0x18, 0x25, 0x26, 0x29, 0x2F, 0x37 security",
		match: []match{statusAt(anywhere, hci.StatusRejectedSecurity, hci.StatusRepeatedAttempts, hci.StatusPairingNotAllowed,
			hci.StatusEncryptionModeNotAcceptable, hci.StatusLinkKeyUnchangeable, hci.StatusPairingUnitKey,
			hci.StatusInsufficientSecurity, hci.StatusSimplePairingNotSupported)},
		like: likeBleak, do: secure, why: "the peer wants more security than the link has",
	},
	{
		name: "0x13 remote user terminated", match: []match{statusAt(anywhere, hci.StatusRemoteUserTerminated)},
		like: RemoteError{Text: "ESP_GATT_CONN_TERMINATE_PEER_USER"}, do: hungUp, advise: adviseHungUp,
		why: "right after connecting: busy, or connected to another central",
	},
	{
		name: "0x14, 0x15 remote low on resources or powering off", match: []match{statusAt(anywhere, hci.StatusRemoteLowResources, hci.StatusRemotePowerOff)},
		like: likeByRemote,
		do:   treatment{category: Aborted, budget: BudgetTransient, delay: DelayOutOfSlots}, advise: adviseHungUp,
		why: "the peer needs time",
	},
	{
		name: "0x16 local host terminated", match: []match{statusAt(anywhere, hci.StatusLocalHostTerminated)},
		like: RemoteError{Text: "ESP_GATT_CONN_TERMINATE_LOCAL_HOST"}, do: endedHere,
		why: "ended on this side, but not by the program",
	},
	{
		name:  "0x1F, 0x23, 0x28, 0x2A collisions",
		match: []match{statusAt(anywhere, hci.StatusUnspecified, hci.StatusProcedureCollision, hci.StatusInstantPassed, hci.StatusDifferentTransaction)},
		like:  RemoteError{Text: "ESP_GATT_CONN_UNKNOWN"}, do: collided, why: "two procedures met, or a packet came too late: the next try is another draw",
	},
	{
		name: "0x22 LL response timeout", match: []match{statusAt(anywhere, hci.StatusLLResponseTimeout)},
		like: RemoteError{Text: "ESP_GATT_CONN_LMP_TIMEOUT"}, do: unlucky, advise: adviseStuck,
		why: "the peer is stuck, often after a request for parameters or features",
	},
	{
		name: "0x38, 0x3A busy", match: []match{statusAt(anywhere, hci.StatusHostBusyPairing, hci.StatusControllerBusy)},
		like: likeBleak,
		do: treatment{
			category: Connection, redial: Redial{Times: 10, Wait: 100 * time.Millisecond}, budget: BudgetConnect, delay: DelayShort,
			advice: adviceBusy,
		},
		why: "passes after a short wait",
	},
	{
		name: "0x3B unacceptable connection parameters", match: []match{statusAt(anywhere, hci.StatusUnacceptableParameters)},
		like: likeBleak,
		do:   treatment{category: Connection, budget: BudgetConnect, delay: DelayShort, action: RelaxParams, advice: adviceParams},
		why:  "other parameters may do",
	},
	{
		name: "0x3E connection failed to be established", match: []match{statusAt(anywhere, hci.StatusFailedToEstablish)},
		like: RemoteError{Text: "ESP_GATT_CONN_FAIL_ESTABLISH"},
		do:   treatment{category: Aborted, redial: Redial{Times: 3}, budget: BudgetTransient, delay: DelayMedium, advice: adviceRadio},
		why:  "the peer advertises, but missed the request to connect: again at once is usually right",
	},
	{
		name: "any other HCI error code", match: []match{statusAt(anywhere)},
		like: likeBleak, do: unlucky, why: "not a code of LE links, or unknown",
	},
}
