package sim

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// TestDefaultAdvertisement wants every service found by its UUID, at the name's
// expense if need be.
func TestDefaultAdvertisement(t *testing.T) {
	services := func(n int) (defs []gatt.ServiceDef) {
		for i := range n {
			defs = append(defs, gatt.ServiceDef{UUID: uuid.From16(0x1801 + uint16(i))})
		}
		return defs
	}
	const flags = hci.FlagGeneralDiscoverable | hci.FlagNoBREDR
	umlauts := strings.Repeat("ä", 20)
	for _, c := range []struct {
		name           string
		cfg            PeripheralConfig
		data, response hci.AdvFields
	}{
		{
			"all fits", PeripheralConfig{Name: "Sensor", Appearance: 0x0300, Services: services(2)},
			hci.AdvFields{Flags: flags, Services: uuids(2), Appearance: 0x0300, Name: "Sensor"}, hci.AdvFields{},
		},
		{
			"the heart rate belt", *HeartRateBelt(),
			hci.AdvFields{Flags: flags, Services: []uuid.UUID{uuid.From16(uuidDeviceInformation), uuid.From16(uuidBattery), uuid.From16(uuidHeartRate)}, Appearance: 0x0341},
			hci.AdvFields{Name: "Heart rate belt"},
		},
		{
			"a name too long for both", PeripheralConfig{Name: umlauts, Services: services(1)},
			hci.AdvFields{Flags: flags, Services: uuids(1)}, hci.AdvFields{ShortName: umlauts[:28]},
		},
		{
			"eleven services", PeripheralConfig{Name: "S", Appearance: 0x0300, Services: services(11)},
			hci.AdvFields{Flags: flags, Services: uuids(11), Appearance: 0x0300}, hci.AdvFields{Name: "S"},
		},
		{
			"services beyond the room", PeripheralConfig{Name: "S", Appearance: 0x0300, Services: services(12)},
			hci.AdvFields{Flags: flags, Services: uuids(11), Appearance: 0x0300}, hci.AdvFields{Name: "S"},
		},
	} {
		o, err := advertised(&c.cfg)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff([]hci.AdvData{fields(t, c.data), fields(t, c.response)}, []hci.AdvData{o.Data, o.Response}); diff != "" {
			t.Errorf("%s: data and response differ (-want +got):\n%s", c.name, diff)
		}
	}
}

func uuids(n int) (list []uuid.UUID) {
	for i := range n {
		list = append(list, uuid.From16(0x1801+uint16(i)))
	}
	return list
}

func fields(t *testing.T, f hci.AdvFields) hci.AdvData {
	t.Helper()
	b, err := f.Append(nil, legacyData)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
