package errclass

import "strings"

// remoteKindRows are errors of other stacks that are known by their class.
var remoteKindRows = []row{
	{
		name: "TimeoutError with words about slots", match: []match{allOf(kinds(KindTimeout), words(slotWords...))},
		like: RemoteError{Kind: KindTimeout, Text: "No free BLE connection slot became available"},
		do:   noSlot, why: "the remote radio has waited for a free connection",
	},
	{
		name: "TimeoutError", match: []match{kinds(KindTimeout)}, like: likeTimeout,
		do:  treatment{category: NotFound, budget: BudgetTimeout, delay: DelayStack, advice: adviceMissing},
		why: "no answer from the remote radio; most often the device was not heard",
	},
	{
		name: "KeyError", match: []match{kinds(KindKey)}, like: likeKey, do: changed, advise: adviseChanged, why: "services changed under the caller",
	},
	{
		name: "BrokenPipeError", match: []match{kinds(KindBrokenPipe)}, like: RemoteError{Kind: KindBrokenPipe}, do: broken, why: "a dead transport",
	},
	{
		name: "EOFError", match: []match{kinds(KindEOF)}, like: likeEOF, do: broken, why: "a dead transport",
	},
	{
		name: "AttributeError", match: []match{kinds(KindAttribute)}, like: RemoteError{Kind: KindAttribute}, do: unlucky, why: "a race in the other stack",
	},
	{
		name: "BleakDeviceNotFoundError", match: []match{kinds(KindDeviceNotFound)}, like: RemoteError{Kind: KindDeviceNotFound},
		do: remoteMissing, why: "the device is unknown there; news of it cut the wait short",
	},
	{
		name: "any other exception", match: []match{kinds(KindOther)}, like: likeOther, do: refused, why: "a mistake in the call or the program",
	},
}

// noSlot is a remote radio without a free connection.
var noSlot = treatment{category: OutOfSlots, budget: BudgetTransient, delay: DelayOutOfSlots, action: AwaitSlot, advice: adviceSlots}

// remoteMissing is a device that another stack does not know.
var remoteMissing = treatment{category: NotFound, budget: BudgetTransient, delay: DelayOutOfSlots, advice: adviceMissing}

// bluez returns an error with the text of BlueZ.
func bluez(text string) RemoteError {
	return RemoteError{Kind: KindDBus, Text: "[org.bluez.Error.Failed] " + text}
}

// byWords returns the row of errors that contain any of texts.
func byWords(like RemoteError, do treatment, why string, texts ...string) row {
	return row{name: strings.Join(texts, ", "), match: []match{words(texts...)}, word: true, like: like, do: do, why: why}
}

// advised returns r with an advice that depends on the subject.
func (r row) advised(advise func(*subject) string) row {
	r.advise = advise
	return r
}

// remoteWordRows are errors that are known by their words. Words that stand for a
// reason have its treatment, without its redials: the other side has made them.
var remoteWordRows = []row{
	byWords(RemoteError{Text: connectionCanceled},
		treatment{category: Aborted, budget: BudgetTransient, delay: DelayOutOfSlots, action: OtherAdapter},
		"the radio refused to dial, or the device kept silent: seldom a matter of slots", connectionCanceled).advised(adviseCanceled),
	byWords(RemoteError{Text: "no available connection slot"}, noSlot,
		"0x07, 0x09, 0x0D, or a count of slots there", slotWords...),
	byWords(bluez("le-connection-abort-by-local"), lost,
		"BlueZ's word for nearly all failures to connect, most often 0x3E", "le-connection-abort-by-local"),
	byWords(bluez("br-connection-canceled"), lost, "the link went before it was ready", "br-connection-canceled"),
	byWords(RemoteError{Text: "ESP_GATT_CONN_FAIL_ESTABLISH"},
		treatment{category: Aborted, budget: BudgetTransient, delay: DelayMedium, advice: adviceRadio},
		"0x3E, after several tries there", "ESP_GATT_CONN_FAIL_ESTABLISH"),
	byWords(RemoteError{Text: "ESP_GATT_CONN_TERMINATE_PEER_USER"}, hungUp, "0x13", "ESP_GATT_CONN_TERMINATE_PEER_USER").advised(adviseHungUp),
	byWords(RemoteError{Text: "ESP_GATT_CONN_TERMINATE_LOCAL_HOST"}, endedHere, "0x16", "ESP_GATT_CONN_TERMINATE_LOCAL_HOST"),
	byWords(RemoteError{Text: "ESP_GATT_CONN_TIMEOUT"},
		treatment{category: Aborted, budget: BudgetConnect, delay: DelayMedium, action: RelaxParams, advice: adviceRadio},
		"0x08", "ESP_GATT_CONN_TIMEOUT"),
	byWords(RemoteError{Text: "ESP_GATT_ERROR"},
		treatment{category: Aborted, budget: BudgetConnect, delay: DelayLong, advice: adviceRadio},
		"133: one number for many failures", "ESP_GATT_ERROR"),
	byWords(RemoteError{Text: "ESP_GATT_CONN_LMP_TIMEOUT"}, unlucky, "0x22",
		"ESP_GATT_CONN_LMP_TIMEOUT", "ESP_GATT_CONN_UNKNOWN", "ESP_GATT_CONN_L2C_FAILURE", "ESP_GATT_CONN_CONN_NONE", "ESP_GATT_CONN_NONE"),
	byWords(RemoteError{Kind: KindDBus, Text: unknownObject},
		treatment{category: NotFound, budget: BudgetConnect, delay: DelayStack, advice: adviceMissing},
		"BlueZ has forgotten the device", unknownObject),
	byWords(likeInProgress,
		treatment{category: Connection, budget: BudgetConnect, delay: DelayStack, advice: adviceBusy},
		"0x0C: another dial is pending there", "org.bluez.Error.InProgress", "le-connection-busy"),
	byWords(likeNotReady,
		treatment{category: Connection, budget: BudgetConnect, delay: DelayStack, action: RecoverAdapter | OtherAdapter, advice: adviceAdapter},
		"the adapter is down", "org.bluez.Error.NotReady"),
	byWords(bluez("le-connection-timeout"),
		treatment{category: Aborted, budget: BudgetConnect, delay: DelayStack, action: RelaxParams, advice: adviceRadio},
		"0x08 or 0x10", "le-connection-timeout"),
	byWords(bluez("le-connection-concurrent-connection-limit"), full, "0x09 or 0x0A", "le-connection-concurrent-connection-limit"),
	byWords(bluez("le-connection-memory-allocation"), full, "0x07", "le-connection-memory-allocation"),
	byWords(bluez("le-connection-already-connected"),
		treatment{category: Connection, redial: Redial{Times: 1}, budget: BudgetConnect, delay: DelayStack, action: Adopt},
		"0x0B", "le-connection-already-connected"),
	byWords(likeByRemote,
		treatment{category: Aborted, budget: BudgetConnect, delay: DelayStack},
		"0x13, 0x14 or 0x15", "le-connection-abort-by-remote").advised(adviseHungUp),
	byWords(bluez("le-connection-key-missing"), keys, "0x06, or a bond that failed", "le-connection-key-missing",
		"org.bluez.Error.AuthenticationFailed", "org.bluez.Error.AuthenticationRejected", "org.bluez.Error.AuthenticationTimeout"),
	byWords(bluez("le-connection-not-supported"), fatal, "0x11, 0x12, 0x1A, 0x20, 0x27 or 0x29",
		"le-connection-not-supported", "le-connection-invalid-arguments", "org.bluez.Error.InvalidArguments", "org.bluez.Error.NotSupported"),
	byWords(bluez("le-connection-unknown"),
		treatment{category: Connection, budget: BudgetConnect, delay: DelayStack},
		"0x0D to 0x0F, 0x19, 0x1E, 0x23 to 0x25, 0x03, or the rest",
		"le-connection-refused", "le-connection-link-layer-protocol-error", "le-connection-create-socket",
		"le-connection-gatt-browsing", "le-connection-unknown", "le-connection-aborted"),
	byWords(RemoteError{Text: "failed to discover services, device disconnected"}, unlucky,
		"the link ended while services were read", "failed to discover services, device disconnected"),
	byWords(likeDisconnected, treatment{category: Connection, budget: BudgetConnect},
		"the link came up and dropped while it was set up: at once again", "Disconnected"),
	{
		name: "BleakNotFoundError", match: []match{kinds(KindNotFound)}, like: RemoteError{Kind: KindNotFound}, do: remoteMissing,
		why: "as BleakDeviceNotFoundError",
	},
	byWords(likeNotFound,
		treatment{category: NotFound, budget: BudgetConnect, delay: DelayShort, advice: adviceMissing},
		"a device, or a characteristic", "not found"),
	{
		name: "any other BleakDBusError", match: []match{kinds(KindDBus)}, like: RemoteError{Kind: KindDBus},
		do: treatment{category: Connection, budget: BudgetConnect, delay: DelayStack}, why: "BlueZ gets time to clean up",
	},
	{
		name: "any other D-Bus error by its words", match: []match{words("org.bluez.Error.", "org.freedesktop.DBus.Error.")}, word: true,
		like: RemoteError{Kind: KindDBus}, do: treatment{category: Connection, budget: BudgetConnect, delay: DelayStack}, why: "as above",
	},
	{
		name: "any other BleakError", match: []match{kinds(KindBleak)}, do: unlucky, why: "no class, no known words",
	},
}
