package controller

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// RSSIUnknown is the signal strength of which the controller has no value
// (Vol 4, Part E, 7.7.65.2).
const RSSIUnknown int8 = 127

// TxPowerUnknown is the transmit power of which the controller has no value.
const TxPowerUnknown int8 = 127

// Report is one advertisement, together with what was heard before from the
// same device of the other kind: the scan response to an advertisement, the
// advertisement to a scan response. All slices are the receiver's to keep.
type Report struct {
	Time time.Time
	Addr hci.Addr
	RSSI int8 // dBm, or RSSIUnknown
	// TxPower is the power in dBm given in an extended advertisement's header,
	// or TxPowerUnknown.
	TxPower int8
	// What the packet allows: to connect, to ask for a scan response. A scan
	// response has the values of the advertisement that it belongs to.
	Connectable, Scannable bool
	Directed               bool // the advertisement names one central
	ScanResponse           bool // the packet was a scan response
	Extended               bool // the packet was an extended advertisement
	Truncated              bool // the controller could not deliver all data
	PrimaryPHY             hci.PHY
	SecondaryPHY           hci.PHY // zero if there was no secondary packet
	SID                    uint8   // advertising set; meaningful if Extended
	Data                   hci.AdvData
	Response               hci.AdvData
}

// Name returns the device's name, the complete one before a shortened one, and
// the scan response's before the advertisement's; "" if there is none.
func (r *Report) Name() string {
	name, whole := r.Response.LocalName()
	if whole {
		return name
	}
	if n, whole := r.Data.LocalName(); whole || name == "" {
		return n
	}
	return name
}

// Services returns the UUIDs of services in both parts.
func (r *Report) Services() []uuid.UUID {
	us := r.Data.Services()
	for _, u := range r.Response.Services() {
		if !slices.Contains(us, u) {
			us = append(us, u)
		}
	}
	return us
}

// HasService reports whether either part lists u.
func (r *Report) HasService(u uuid.UUID) bool {
	return r.Data.HasService(u) || r.Response.HasService(u)
}

// ManufacturerData returns the manufacturer fields of both parts.
func (r *Report) ManufacturerData() []hci.ManufacturerData {
	return append(r.Data.ManufacturerData(), r.Response.ManufacturerData()...)
}

// ServiceData returns the service data fields of both parts.
func (r *Report) ServiceData() []hci.ServiceData {
	return append(r.Data.ServiceData(), r.Response.ServiceData()...)
}
