package goble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// maxAdvertising is the length of legacy advertising data, in octets.
const maxAdvertising = 31

// advertising is advertising data to build.
type advertising struct{ data, response []byte }

// appendField appends an AD structure to the data if it fits.
func appendField(to *[]byte, typ hci.ADType, content ...[]byte) bool {
	n := 1
	for _, c := range content {
		n += len(c)
	}
	if len(*to)+1+n > maxAdvertising {
		return false
	}
	*to = append(*to, byte(n), byte(typ))
	for _, c := range content {
		*to = append(*to, c...)
	}
	return true
}

// single returns data of one field alone, without flags.
func single(typ hci.ADType, content ...[]byte) (advertising, error) {
	var a advertising
	if !appendField(&a.data, typ, content...) {
		return a, fmt.Errorf("goble: the data exceeds the %d octets of an advertisement: %w", maxAdvertising, ble.ErrEIRPacketTooLong)
	}
	return a, nil
}

// nameAndServices returns flags, as many of the UUIDs as fit, and the name, which goes to the
// scan response if it does not fit, and is shortened if it does not fit there.
func nameAndServices(name string, uuids []ble.UUID) (advertising, error) {
	var a advertising
	appendField(&a.data, hci.ADFlags, []byte{hci.FlagGeneralDiscoverable | hci.FlagNoBREDR})
	for _, list := range []struct {
		octets        int
		all, some     hci.ADType
		content, part []byte
	}{
		{octets: 2, all: hci.ADServices16, some: hci.ADServices16Incomplete},
		{octets: 16, all: hci.ADServices128, some: hci.ADServices128Incomplete},
	} {
		for _, u := range uuids {
			if len(u) != 2 && len(u) != 16 {
				_, err := toUUID(u)
				return a, err
			}
			if len(u) == list.octets {
				list.content = append(list.content, u...)
			}
		}
		if len(list.content) == 0 || appendField(&a.data, list.all, list.content) {
			continue
		}
		room := maxAdvertising - len(a.data) - 2
		if fit := room / list.octets * list.octets; fit > 0 {
			appendField(&a.data, list.some, list.content[:fit])
		}
	}
	if name == "" || appendField(&a.data, hci.ADName, []byte(name)) || appendField(&a.response, hci.ADName, []byte(name)) {
		return a, nil
	}
	end := maxAdvertising - 2
	for !utf8.RuneStart(name[end]) && end > 1 {
		end--
	}
	appendField(&a.response, hci.ADShortName, []byte(name[:end]))
	return a, nil
}

// Advertise advertises the name, the services and the manufacturer data of adv until ctx
// ends, and returns ctx's error itself. Fields that do not fit the advertisement go to the
// scan response. Centrals may connect, as many as the controller allows. Another call
// replaces the advertisement; the former call returns when its own ctx ends.
func (d *Device) Advertise(ctx context.Context, adv ble.Advertisement) error {
	if adv == nil {
		return errors.New("goble: the advertisement is nil: use AdvertiseNameAndServices")
	}
	a, err := nameAndServices(adv.LocalName(), adv.Services())
	if err != nil {
		return err
	}
	if m := adv.ManufacturerData(); m != nil {
		if len(m) < 2 {
			return fmt.Errorf("goble: manufacturer data % x has no company identifier: put its two octets in front", m)
		}
		if !appendField(&a.data, hci.ADManufacturer, m) && !appendField(&a.response, hci.ADManufacturer, m) {
			return fmt.Errorf("goble: %d octets of manufacturer data do not fit: %w", len(m), ble.ErrEIRPacketTooLong)
		}
	}
	return d.advertise(ctx, a, nil)
}

// AdvertiseNameAndServices advertises a name and services; see Advertise. Of the services it
// advertises those that fit.
func (d *Device) AdvertiseNameAndServices(ctx context.Context, name string, uuids ...ble.UUID) error {
	a, err := nameAndServices(name, uuids)
	return d.advertise(ctx, a, err)
}

// AdvertiseMfgData advertises data in a format of the company id, at most 27 octets; see
// Advertise.
func (d *Device) AdvertiseMfgData(ctx context.Context, id uint16, b []byte) error {
	a, err := single(hci.ADManufacturer, binary.LittleEndian.AppendUint16(nil, id), b)
	return d.advertise(ctx, a, err)
}

// AdvertiseServiceData16 advertises data of a service with a 16-bit UUID, at most 27 octets;
// see Advertise.
func (d *Device) AdvertiseServiceData16(ctx context.Context, id uint16, b []byte) error {
	a, err := single(hci.ADServiceData16, binary.LittleEndian.AppendUint16(nil, id), b)
	return d.advertise(ctx, a, err)
}

// AdvertiseIBeaconData advertises the data of an iBeacon, which begins with its type and its
// length; see Advertise.
func (d *Device) AdvertiseIBeaconData(ctx context.Context, b []byte) error {
	return d.AdvertiseMfgData(ctx, 0x004C, b)
}

// AdvertiseIBeacon advertises an iBeacon with a UUID of 16 octets; pwr is the power at a
// distance of one meter in dBm. See Advertise.
func (d *Device) AdvertiseIBeacon(ctx context.Context, u ble.UUID, major, minor uint16, pwr int8) error {
	if u.Len() != 16 {
		return fmt.Errorf("goble: UUID %v of an iBeacon has %d octets, not 16", u, u.Len())
	}
	b := append([]byte{0x02, 0x15}, ble.Reverse(u)...)
	b = binary.BigEndian.AppendUint16(b, major)
	b = binary.BigEndian.AppendUint16(b, minor)
	return d.AdvertiseIBeaconData(ctx, append(b, byte(pwr)))
}

// maxCentrals is the number of links at which advertising pauses. Most controllers stop
// earlier, and advertising goes on when a link ends.
const maxCentrals = 64

// advertise advertises until ctx ends.
func (d *Device) advertise(ctx context.Context, a advertising, err error) error {
	p := d.peripheral
	switch {
	case p == nil:
		return errNoPeripheral
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	p.acceptLinks()
	o := d.options()
	p.air.Lock()
	p.turn++
	turn := p.turn
	err = p.h.Advertise(ctx, &controller.AdvertiseOptions{
		Data: a.data, Response: a.response, Interval: o.advInterval, NonConnectable: o.advSilent, MaxLinks: maxCentrals,
	})
	p.air.Unlock()
	if err == nil {
		select {
		case <-ctx.Done():
		case <-p.h.Done():
			return p.h.Err()
		}
	}
	p.air.Lock()
	defer p.air.Unlock()
	if p.turn == turn {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTime)
		defer cancel()
		_ = p.h.StopAdvertising(stop)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
