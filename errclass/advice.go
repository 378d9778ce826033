package errclass

// What a user can do, as clauses that follow an error and a colon.
const (
	adviceAborted  = "radio contact broke, as interference or distance does: bring adapter and device closer together, add an adapter, or move this one off USB 3 ports with an extension cable"
	adviceMissing  = "the device is not heard anymore: check that it is on and advertises, bring it closer, or scan again"
	adviceSlots    = "no free connection, or the device is out of reach: end other connections or add an adapter"
	adviceBond     = "the keys of the bond do not fit anymore: remove the bond on both sides and pair again"
	adviceSecure   = "the device wants a paired connection: pair with it first"
	adviceUnpaired = "the device does not pair: connect without pairing"
	adviceAdapter  = "the adapter does not work properly: replug or reset it, or use another one"
	adviceRequest  = "the request cannot succeed as it is: change its parameters"
	adviceParams   = "connection parameters do not suit: ask for a longer interval or supervision timeout"
	adviceBusy     = "the adapter is busy: another scan or connection attempt of it has to end first"
	adviceServices = "the device's services are other than remembered: they are read again"
	advicePeerBusy = "the device is short of resources or switching off: try later"
	adviceSystem   = "this system does not give access to the adapter: see the error for what is missing"
)
