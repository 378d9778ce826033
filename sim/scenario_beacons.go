package sim

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
)

// beacon is a device of the scenario beacons. It only broadcasts.
type beacon struct {
	mac  hci.MAC
	name string
	typ  hci.ADType
	data []byte // service data with its UUID, or manufacturer data with its company
}

// beacons are the devices of the scenario beacons: a BTHome thermometer; another one
// that encrypts with the key 231d39c1d7cc1ab1aee224cd096db932, as the example of
// bthome.io does; a RuuviTag; an iBeacon; an Eddystone beacon with a web page.
var beacons = []beacon{
	{
		hci.MAC{0x01, 0x01, 0x00, 0xEE, 0xFF, 0xC0}, "Terrace", hci.ADServiceData16,
		[]byte{0xD2, 0xFC, 0x40, 0x00, 0x09, 0x01, 0x61, 0x02, 0xCA, 0x09, 0x03, 0xBF, 0x13},
	},
	{
		hci.MAC{0xA5, 0x80, 0x8F, 0xE6, 0x48, 0x54}, "Cellar", hci.ADServiceData16,
		[]byte{0xD2, 0xFC, 0x41, 0xE4, 0x45, 0xF3, 0xC9, 0x96, 0x2B, 0x33, 0x22, 0x11, 0x00, 0x6C, 0x7C, 0x45, 0x19},
	},
	{
		hci.MAC{0x4F, 0x88, 0x4C, 0x33, 0xB8, 0xCB}, "", hci.ADManufacturer,
		[]byte{
			0x99, 0x04, 0x05, 0x12, 0xFC, 0x53, 0x94, 0xC3, 0x7C, 0x00, 0x04, 0xFF, 0xFC, 0x04, 0x0C, 0xAC, 0x36, 0x42, 0x00, 0xCD,
			0xCB, 0xB8, 0x33, 0x4C, 0x88, 0x4F,
		},
	},
	{
		hci.MAC{0x04, 0x01, 0x00, 0xEE, 0xFF, 0xC0}, "", hci.ADManufacturer,
		[]byte{
			0x4C, 0x00, 0x02, 0x15, 0xE2, 0xC5, 0x6D, 0xB5, 0xDF, 0xFB, 0x48, 0xD2, 0xB0, 0x60, 0xD0, 0xF5, 0xA7, 0x10, 0x96, 0xE0,
			0x00, 0x64, 0x00, 0x01, 0xC5,
		},
	},
	{
		hci.MAC{0x05, 0x01, 0x00, 0xEE, 0xFF, 0xC0}, "", hci.ADServiceData16,
		[]byte{0xAA, 0xFE, 0x10, 0xEE, 0x03, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0x01},
	},
}

func fillBeacons(_ context.Context, w *World) error {
	w.addController(&ControllerConfig{Name: "sim"}, "")
	for _, b := range beacons {
		data := hci.AppendAD(nil, hci.ADFlags, []byte{hci.FlagGeneralDiscoverable | hci.FlagNoBREDR})
		data = hci.AppendAD(data, b.typ, b.data)
		if b.name != "" {
			data = hci.AppendAD(data, hci.ADName, []byte(b.name))
		}
		kind := hci.AddrRandom
		if !(hci.Addr{MAC: b.mac, Kind: kind}).IsStatic() {
			kind = hci.AddrPublic
		}
		address := hci.Addr{MAC: b.mac, Kind: kind}
		p := w.air.NewRawPeer(&RawPeerConfig{
			Name: b.name, Address: address, Type: hci.AdvNonconnInd, AdvData: data, Interval: time.Second,
		})
		w.addNode(&worldDevice{name: or(b.name, address.String()), node: p})
	}
	return nil
}
