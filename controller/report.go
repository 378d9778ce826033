package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// RSSIUnknown and TxPowerUnknown mean that the controller has no value of the
// signal strength or of the transmit power, or reports an impossible one: dBm are
// -127 to 20 (Vol 4, Part E, 7.7.65.2 and 7.7.65.13).
const (
	RSSIUnknown    int8 = 127
	TxPowerUnknown int8 = 127
)

// Report is one received advertisement or scan response, together with the latest
// packet of the other kind from the same device. The slices are valid until the next
// call of [Scanner.Next], the next step of [Scanner.All], or the return of
// [ScanOptions.OnReport]: a program that keeps them needs a Clone.
type Report struct {
	Time time.Time
	Addr hci.Addr
	RSSI int8 // dBm, or RSSIUnknown
	// TxPower is the transmit power in dBm in the header of an extended
	// advertisement, or TxPowerUnknown.
	TxPower int8
	// Connectable and Scannable report whether the advertiser accepts connections
	// and scan requests. A scan response has the values of its advertisement.
	Connectable, Scannable bool
	Directed               bool // the advertisement is for one central
	ScanResponse           bool // the packet was a scan response
	Extended               bool // the packet was an extended advertisement
	Truncated              bool // the controller could not deliver all data
	PrimaryPHY             hci.PHY
	SecondaryPHY           hci.PHY       // zero if there was no secondary packet
	PeriodicInterval       time.Duration // of the periodic advertising of the set; 0 if there is none
	SID                    uint8         // advertising set, 0 to 15; 0xFF if there is none
	Data                   hci.AdvData   // of the advertisement
	Response               hci.AdvData   // of the scan response
}

// Clone returns a copy that is valid for good.
func (r *Report) Clone() Report {
	var k keptReport
	k.copyReport(r)
	return k.Report
}

// Name returns the name of the device, "" if there is none. A complete name takes
// precedence over a shortened one, then the scan response over the advertisement.
func (r *Report) Name() string {
	name, _ := r.LocalName()
	return name
}

// LocalName is Name, and reports whether the name is complete.
func (r *Report) LocalName() (name string, complete bool) {
	raw, complete := r.RawName()
	return string(raw), complete
}

// RawName is LocalName without a copy. The name aliases Data or Response.
func (r *Report) RawName() (name []byte, complete bool) {
	if name, complete = r.Response.RawName(); complete {
		return name, true
	}
	if n, complete := r.Data.RawName(); complete || len(name) == 0 {
		return n, complete
	}
	return name, false
}

// Services returns the service UUIDs in Data and Response, without duplicates.
func (r *Report) Services() []uuid.UUID {
	us := r.Data.Services()
	for _, u := range r.Response.Services() {
		if !slices.Contains(us, u) {
			us = append(us, u)
		}
	}
	return us
}

// HasService reports whether Data or Response lists the service u.
func (r *Report) HasService(u uuid.UUID) bool {
	return r.Data.HasService(u) || r.Response.HasService(u)
}

// ManufacturerData returns the manufacturer data in Data and Response.
func (r *Report) ManufacturerData() []hci.ManufacturerData {
	return append(r.Data.ManufacturerData(), r.Response.ManufacturerData()...)
}

// ServiceData returns the service data in Data and Response.
func (r *Report) ServiceData() []hci.ServiceData {
	return append(r.Data.ServiceData(), r.Response.ServiceData()...)
}
