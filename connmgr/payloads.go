package connmgr

import "github.com/moor-ble/moor/payload"

// Payloads decodes the measurements and identities that the device broadcasts, such
// as those of BTHome, RuuviTag and iBeacon; nil if there are none in a known format.
// Keys has the keys of devices that encrypt, and may be nil. The call decodes anew
// each time; a scan decodes nothing by itself.
func (r *Report) Payloads(keys *payload.Keys) []payload.Frame {
	return payload.Decode(r.Addr, r.Data, r.Response, keys)
}

// Payloads decodes the last advertisement of the device as Report.Payloads does.
func (d *Device) Payloads(keys *payload.Keys) []payload.Frame {
	return payload.Decode(d.Addr, d.Data, d.Response, keys)
}
