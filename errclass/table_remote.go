package errclass

import "strings"

// remoteKindRows are errors of other stacks whose class says all.
var remoteKindRows = []row{
	{
		name: "TimeoutError", match: []match{kinds(KindTimeout)}, like: likeTimeout,
		do:  treatment{category: NotFound, budget: BudgetTimeout, delay: DelayStack, advice: adviceMissing},
		why: "no answer from the remote radio; most often the device was not heard",
	},
	{
		name: "KeyError", match: []match{kinds(KindKey)}, like: likeKey, do: changed, why: "services changed under the caller",
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

// remoteMissing is a device that another stack does not know.
var remoteMissing = treatment{category: NotFound, budget: BudgetTransient, delay: DelayOutOfSlots, advice: adviceMissing}

// bluez returns an error in the form of BlueZ.
func bluez(text string) RemoteError {
	return RemoteError{Kind: KindDBus, Text: "[org.bluez.Error.Failed] " + text}
}

func byWords(like RemoteError, do treatment, why string, texts ...string) row {
	return row{name: strings.Join(texts, ", "), match: []match{words(texts...)}, word: true, like: like, do: do, why: why}
}

// remoteWordRows are errors that are known by their words. Where the words stand
// for a reason, the treatment is that of the reason, save that the other side
// has dialed again at once already.
var remoteWordRows = []row{
	byWords(RemoteError{Text: "ESP_GATT_CONN_CONN_CANCEL"},
		treatment{category: Aborted, budget: BudgetTransient, delay: DelayOutOfSlots, action: OtherAdapter, advice: adviceAborted},
		"the radio refused to dial, or the device kept silent: seldom a matter of slots", "ESP_GATT_CONN_CONN_CANCEL"),
	byWords(RemoteError{Text: "no available connection slot"},
		treatment{category: OutOfSlots, budget: BudgetTransient, delay: DelayOutOfSlots, action: AwaitSlot, advice: adviceSlots},
		"0x07, 0x09, 0x0D, or a count of slots there", "available connection", "connection slot"),
	byWords(bluez("le-connection-abort-by-local"), lost,
		"BlueZ's word for nearly all failures to connect, most often 0x3E", "le-connection-abort-by-local"),
	byWords(bluez("br-connection-canceled"), lost, "the link went before it was ready", "br-connection-canceled"),
	byWords(RemoteError{Text: "ESP_GATT_CONN_FAIL_ESTABLISH"},
		treatment{category: Aborted, budget: BudgetTransient, delay: DelayMedium, advice: adviceAborted},
		"0x3E, after several tries there", "ESP_GATT_CONN_FAIL_ESTABLISH"),
	byWords(RemoteError{Text: "ESP_GATT_CONN_TERMINATE_PEER_USER"}, lost, "0x13", "ESP_GATT_CONN_TERMINATE_PEER_USER"),
	byWords(RemoteError{Text: "ESP_GATT_CONN_TERMINATE_LOCAL_HOST"}, lost, "0x16", "ESP_GATT_CONN_TERMINATE_LOCAL_HOST"),
	byWords(RemoteError{Text: "ESP_GATT_CONN_TIMEOUT"},
		treatment{category: Aborted, budget: BudgetConnect, delay: DelayMedium, action: RelaxParams, advice: adviceAborted},
		"0x08", "ESP_GATT_CONN_TIMEOUT"),
	byWords(RemoteError{Text: "ESP_GATT_ERROR"},
		treatment{category: Aborted, budget: BudgetConnect, delay: DelayLong, advice: adviceAborted},
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
		treatment{category: Aborted, budget: BudgetConnect, delay: DelayStack, action: RelaxParams, advice: adviceAborted},
		"0x08 or 0x10", "le-connection-timeout"),
	byWords(bluez("le-connection-concurrent-connection-limit"), full, "0x09 or 0x0A", "le-connection-concurrent-connection-limit"),
	byWords(bluez("le-connection-memory-allocation"), full, "0x07", "le-connection-memory-allocation"),
	byWords(bluez("le-connection-already-connected"),
		treatment{category: Connection, redial: Redial{Times: 1}, budget: BudgetConnect, delay: DelayStack, action: Adopt},
		"0x0B", "le-connection-already-connected"),
	byWords(likeByRemote,
		treatment{category: Aborted, budget: BudgetConnect, delay: DelayStack, advice: adviceAborted},
		"0x13, 0x14 or 0x15", "le-connection-abort-by-remote"),
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
