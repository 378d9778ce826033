package controller

// quirk is a fault of a controller that start-up works around.
type quirk struct {
	symptom string // with the controller's name
	match   func(*Info) bool
	apply   func(*Info)
}

// Company identifiers of makers in the table below.
const (
	makerBroadcom = 15
	makerCSR      = 10
)

// quirks are known faults, each with controller and symptom. They are looked
// at once, at start-up.
var quirks = []quirk{
	{
		"clones of CSR8510 list commands of versions later than their own, which they do not have",
		func(i *Info) bool { return i.Version.Manufacturer == makerCSR && i.Version.HCIVersion < 9 },
		func(i *Info) { i.Extended = false },
	},
	{
		"BCM43438 and kin answer a second LE Create Connection, or one while scanning, with a link layer code instead of 0x0C",
		func(i *Info) bool { return i.Version.Manufacturer == makerBroadcom && i.Version.HCIVersion <= 8 },
		func(i *Info) { i.scanBlocksInitiating = true },
	},
}
