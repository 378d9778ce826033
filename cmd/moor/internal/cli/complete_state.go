package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/cmd/moor/internal/assigned"
	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/servicecache"
)

// offerDevices returns the devices in the state directory, the one heard last first.
func (a *app) offerDevices() (all []offer) {
	dir, err := a.readStateDir()
	if err != nil {
		return nil
	}
	devices, _ := connmgr.KeptDevices(dir) // of an error, the command tells the reason
	slices.SortStableFunc(devices, func(x, y connmgr.Device) int { return y.Seen.Compare(x.Seen) })
	add := func(addr hci.Addr, help string) {
		word := addr.String()
		if !slices.ContainsFunc(all, func(o offer) bool { return o.word == word }) {
			all = append(all, offer{word, help})
		}
	}
	for i := range devices {
		add(devices[i].Addr, devices[i].Name)
	}
	for _, it := range a.keptTables(dir) {
		add(it.Addr, "")
	}
	return all
}

func (a *app) keptTables(dir string) []servicecache.Item {
	cache, err := connmgr.OpenCache(dir, a.log)
	if err != nil {
		return nil
	}
	defer cache.Close()
	items, _ := cache.List()
	return items
}

// offerAttributes returns the attributes in the table of a device: its values by UUID,
// or by handle where a UUID occurs more than once.
func (a *app) offerAttributes(device string) (all []offer) {
	var addr peerArg
	dir, err := a.readStateDir()
	if err != nil || addr.UnmarshalText([]byte(device)) != nil {
		return nil
	}
	for _, it := range a.keptTables(dir) {
		if it.Addr.MAC != addr.Addr.MAC || addr.Known && it.Addr != addr.Addr {
			continue
		}
		times := map[gatt.UUID]int{}
		for _, c := range characteristics(it.Entry.Profile) {
			times[c.UUID]++
		}
		for _, c := range characteristics(it.Entry.Profile) {
			word := c.UUID.String()
			help := cmp.Or(assigned.Characteristic(c.UUID), word)
			if times[c.UUID] > 1 {
				word = fmt.Sprintf("0x%04x", uint16(c.Value))
			}
			all = append(all, offer{word, help + " (" + strings.Join(propertyNames(c.Properties), ", ") + ")"})
		}
	}
	return all
}

func characteristics(p *gatt.Profile) (all []gatt.Characteristic) {
	for i := range p.Services {
		all = append(all, p.Services[i].Characteristics...)
	}
	return all
}
