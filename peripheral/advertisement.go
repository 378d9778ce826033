package peripheral

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// legacyRoom is the room in advertising data and in a scan response, in octets.
const legacyRoom = 31

// Advertisement returns the advertising options; nil if the peripheral does not
// advertise. The name moves to the scan response if it does not fit beside the rest.
// Services that the description does not name are left out where there is no room.
func (d *Description) Advertisement() (*controller.AdvertiseOptions, error) {
	a := &d.Advertising
	if a.Off {
		return nil, nil
	}
	o := &controller.AdvertiseOptions{Interval: a.Interval, NonConnectable: a.NonConnectable, MaxLinks: d.Links}
	if a.Interval != 0 {
		if err := hci.CheckAdvertisingInterval(a.Interval); err != nil {
			return nil, &FieldError{Path: "advertising.interval", Err: err}
		}
	}
	f := hci.AdvFields{Flags: hci.FlagGeneralDiscoverable | hci.FlagNoBREDR, Appearance: d.Appearance, TxPower: a.TxPower}
	for _, s := range a.ServiceData {
		f.ServiceData = append(f.ServiceData, hci.ServiceData{UUID: s.UUID, Data: s.Data})
	}
	for _, m := range a.Manufacturer {
		f.Manufacturer = append(f.Manufacturer, hci.ManufacturerData{Company: m.Company, Data: m.Data})
	}
	f.Services = slices.Clone(a.Services)
	if !a.NoName {
		f.Name = d.Name
	}
	if a.Services == nil && !a.NoServices {
		d.addServices(&f)
	}
	var err error
	if o.Data, err = f.Append(nil, legacyRoom); err == nil {
		return o, nil
	}
	name := hci.AdvFields{Name: f.Name}
	f.Name = ""
	if o.Data, err = f.Append(nil, legacyRoom); err != nil {
		return nil, fieldErrorf("advertising", "%s; the largest parts are %s", plainText(err), largestParts(&f))
	}
	if o.Response, err = name.Append(nil, legacyRoom); err != nil {
		return nil, fieldErrorf("name", "%d octets, and a scan response has room for %d: shorten the name, or write advertising: {no-name: true}", len(name.Name), legacyRoom-2)
	}
	return o, nil
}

// addServices adds the services of the table with 16-bit UUIDs as far as there is room.
func (d *Description) addServices(f *hci.AdvFields) {
	for i := range d.Services {
		u := d.Services[i].UUID
		if _, short := u.Short(); !short || d.Services[i].Secondary || slices.Contains(f.Services, u) {
			continue
		}
		g := *f
		g.Name, g.Services = "", append(slices.Clip(f.Services), u)
		if _, err := g.Append(nil, legacyRoom); err == nil {
			f.Services = append(f.Services, u)
		}
	}
}

// largestParts names the parts of advertising data with their octets.
func largestParts(f *hci.AdvFields) string {
	parts := []string{}
	add := func(name string, g hci.AdvFields) {
		if b, err := g.Append(nil, 1<<16); err == nil && len(b) > 0 {
			parts = append(parts, fmt.Sprintf("%s (%d octets)", name, len(b)))
		}
	}
	short, long := []uuid.UUID{}, []uuid.UUID{}
	for _, u := range f.Services {
		if u.WireLen() == 2 {
			short = append(short, u)
		} else {
			long = append(long, u)
		}
	}
	add("services of 16 bits", hci.AdvFields{Services: short})
	add("services of 128 bits", hci.AdvFields{Services: long})
	add("service-data", hci.AdvFields{ServiceData: f.ServiceData})
	add("manufacturer", hci.AdvFields{Manufacturer: f.Manufacturer})
	return strings.Join(parts, ", ")
}

// plainText returns the text of an error of package hci without the package.
func plainText(err error) string { return strings.TrimPrefix(err.Error(), "hci: ") }
