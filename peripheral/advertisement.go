package peripheral

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// The room in advertising data, in octets. Legacy advertising has as much in a scan response.
// Data to which centrals connect is in a single packet.
const (
	legacyRoom      = 31
	connectableRoom = 245
	extendedRoom    = 1650
)

// isExtended reports whether the packets are those of Bluetooth 5.
func (a *Advertising) isExtended() bool { return a.Extended || a.Coded }

func (a *Advertising) room() int {
	switch {
	case !a.isExtended():
		return legacyRoom
	case a.NonConnectable:
		return extendedRoom
	}
	return connectableRoom
}

// setOptions returns the options of a set, without its data.
func (a *Advertising) setOptions(path string) (*controller.AdvertiseOptions, error) {
	o := &controller.AdvertiseOptions{Interval: a.Interval, NonConnectable: a.NonConnectable, Extended: a.isExtended()}
	if a.Coded {
		o.PrimaryPHY = hci.PHYCoded
	}
	if a.Interval == 0 {
		return o, nil
	}
	if err := hci.CheckAdvertisingInterval(a.Interval); err != nil {
		return nil, &FieldError{Path: path + ".interval", Err: err}
	}
	return o, nil
}

// dataFields returns the fields of the advertising data that a names.
func (a *Advertising) dataFields() hci.AdvFields {
	f := hci.AdvFields{Flags: hci.FlagGeneralDiscoverable | hci.FlagNoBREDR, TxPower: a.TxPower, Services: slices.Clone(a.Services)}
	for _, s := range a.ServiceData {
		f.ServiceData = append(f.ServiceData, hci.ServiceData{UUID: s.UUID, Data: s.Data})
	}
	for _, m := range a.Manufacturer {
		f.Manufacturer = append(f.Manufacturer, hci.ManufacturerData{Company: m.Company, Data: m.Data})
	}
	return f
}

// Advertisement returns the advertising options; nil if the peripheral does not
// advertise. The name moves to the scan response if it does not fit beside the rest.
// Services that the description does not name are left out where there is no room.
func (d *Description) Advertisement() (*controller.AdvertiseOptions, error) {
	a := &d.Advertising
	if a.Off {
		return nil, nil
	}
	o, err := a.setOptions("advertising")
	if err != nil {
		return nil, err
	}
	o.MaxLinks = d.Links
	f := a.dataFields()
	f.Appearance = d.Appearance
	if !a.NoName {
		f.Name = d.Name
	}
	if a.Services == nil && !a.NoServices {
		d.addServices(&f)
	}
	if o.Data, err = f.Append(nil, a.room()); err == nil {
		return o, nil
	}
	name := hci.AdvFields{Name: f.Name}
	if !a.isExtended() {
		f.Name = ""
		o.Data, err = f.Append(nil, legacyRoom)
	}
	if err != nil {
		return nil, fieldErrorf("advertising", "%s; the largest parts are %s", plainText(err), largestParts(&f))
	}
	if o.Response, err = name.Append(nil, legacyRoom); err != nil {
		return nil, fieldErrorf("name", "%d octets, and a scan response has room for %d: shorten the name, or write advertising: {no-name: true}", len(name.Name), legacyRoom-2)
	}
	return o, nil
}

// FurtherSets returns the options of the advertising sets beside that of Advertisement.
func (d *Description) FurtherSets() (sets []*controller.AdvertiseOptions, err error) {
	for i := range d.Advertising.Sets {
		x, path := &d.Advertising.Sets[i], fmt.Sprintf("advertising.sets[%d]", i)
		a := Advertising{
			NonConnectable: true, Interval: x.Interval, Extended: x.Extended, Coded: x.Coded,
			Services: x.Services, ServiceData: x.ServiceData, Manufacturer: x.Manufacturer, TxPower: x.TxPower,
		}
		o, err := a.setOptions(path)
		if err != nil {
			return nil, err
		}
		f := a.dataFields()
		f.Name = x.Name
		if o.Data, err = f.Append(nil, a.room()); err != nil {
			return nil, fieldErrorf(path, "%s; the largest parts are %s", plainText(err), largestParts(&f))
		}
		sets = append(sets, o)
	}
	return sets, nil
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
		if _, err := g.Append(nil, d.Advertising.room()); err == nil {
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
