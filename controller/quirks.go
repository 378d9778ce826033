package controller

// quirk is a known fault of a controller and its workaround.
type quirk struct {
	symptom string           // the fault, with the name of the controller
	match   func(*Info) bool // reports whether the controller has the fault
	apply   func(*Info)      // works around it
}

// Company identifiers of the manufacturers in the table below.
const (
	makerBroadcom = 15
	makerCSR      = 10
)

// quirks are applied once, at start-up.
var quirks = []quirk{
	{
		"clones of CSR8510 list commands that they do not have, of versions later than their own",
		func(i *Info) bool { return i.Version.Manufacturer == makerCSR && i.Version.HCIVersion < 9 },
		func(i *Info) { i.Extended = false },
	},
	{
		"BCM43438 and relatives answer a second LE Create Connection, or one while scanning, with a link layer code instead of 0x0C",
		func(i *Info) bool { return i.Version.Manufacturer == makerBroadcom && i.Version.HCIVersion <= 8 },
		func(i *Info) { i.scanBlocksInitiating = true },
	},
}
