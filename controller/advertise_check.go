package controller

import (
	"errors"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/hci"
)

const (
	// maxLegacyAdv and maxExtendedAdv are the longest data in octets of a set with legacy
	// packets, and of an extended one (Vol 4, Part E, 7.8.57).
	maxLegacyAdv   = 31
	maxExtendedAdv = 1650
)

// validAdvertising returns a copy of o, or an error that names the option that no
// controller takes.
func validAdvertising(o *AdvertiseOptions) (*AdvertiseOptions, error) {
	opts := AdvertiseOptions{}
	if o != nil {
		opts = *o
		opts.Data, opts.Response, opts.Accept = slices.Clone(o.Data), slices.Clone(o.Response), slices.Clone(o.Accept)
		if o.Periodic != nil {
			p := *o.Periodic
			p.Data = slices.Clone(p.Data)
			opts.Periodic = &p
		}
	}
	for i, a := range opts.Accept {
		opts.Accept[i] = a.Identity()
	}
	check := opts.checkLegacy
	if opts.Extended {
		check = opts.checkExtended
	}
	for _, f := range [...]func() error{check, opts.checkTarget, opts.checkEnd, opts.checkOwn} {
		if err := f(); err != nil {
			if _, ok := errors.AsType[*hci.ParamError](err); ok {
				return nil, err
			}
			return nil, fmt.Errorf("controller: %w", err)
		}
	}
	return &opts, nil
}

// checkLegacy checks the options of a set with legacy packets.
func (o *AdvertiseOptions) checkLegacy() error {
	if !o.HighDuty {
		if err := hci.CheckAdvertisingInterval(o.interval()); err != nil {
			return err
		}
	}
	if n := max(len(o.Data), len(o.Response)); n > maxLegacyAdv {
		return fmt.Errorf("%d octets of advertising data or scan response, at most 31 can be sent: shorten them, or set Extended", n)
	}
	what := ""
	switch {
	case o.primaryPHY() != hci.PHY1M:
		what = "PrimaryPHY " + o.PrimaryPHY.String()
	case o.secondaryPHY() != hci.PHY1M:
		what = "SecondaryPHY " + o.SecondaryPHY.String()
	case o.Anonymous:
		what = "Anonymous"
	case o.IncludeTxPower:
		what = "IncludeTxPower"
	case o.Periodic != nil:
		what = "Periodic"
	case o.Peer != hci.Addr{} && o.NonConnectable:
		what = "directed advertising with NonConnectable"
	default:
		return nil
	}
	return fmt.Errorf("advertise: %s demands Extended", what)
}

// checkExtended checks the options of an extended set.
func (o *AdvertiseOptions) checkExtended() error {
	if err := hci.CheckExtendedAdvertisingInterval(o.interval()); err != nil {
		return err
	}
	scannable := len(o.Response) > 0
	switch n := max(len(o.Data), len(o.Response)); {
	case n > maxExtendedAdv:
		return fmt.Errorf("%d octets of advertising data or scan response, at most %d can be sent", n, maxExtendedAdv)
	case scannable && !o.NonConnectable:
		return errors.New("advertise: an extended set is connectable or has a Response, not both: set NonConnectable, or move the Response into Data")
	case scannable && len(o.Data) > 0:
		return errors.New("advertise: an extended set has Data or a Response, not both: move the Data into the Response")
	case o.primaryPHY() != hci.PHY1M && o.primaryPHY() != hci.PHYCoded:
		return fmt.Errorf("advertise: PrimaryPHY is %v, want 1M or coded", o.PrimaryPHY)
	case o.secondaryPHY() > hci.PHYCoded:
		return fmt.Errorf("advertise: SecondaryPHY is %v, want 1M, 2M or coded", o.SecondaryPHY)
	case o.HighDuty:
		return errors.New("advertise: HighDuty is for legacy packets alone: leave Extended out")
	case o.Anonymous && (!o.NonConnectable || scannable):
		return errors.New("advertise: an Anonymous set is NonConnectable and has no Response")
	case o.Periodic == nil:
		return nil
	case !o.NonConnectable || scannable || o.Anonymous:
		return errors.New("advertise: a set with Periodic is NonConnectable, has no Response and is not Anonymous")
	case len(o.Periodic.Data) > maxExtendedAdv:
		return fmt.Errorf("%d octets of periodic advertising data, at most %d can be sent", len(o.Periodic.Data), maxExtendedAdv)
	}
	return hci.CheckPeriodicInterval(o.Periodic.interval())
}

// checkTarget checks the options about the devices that a set is for.
func (o *AdvertiseOptions) checkTarget() error {
	directed := o.Peer != hci.Addr{}
	switch {
	case o.HighDuty && !directed:
		return errors.New("advertise: HighDuty demands a Peer")
	case directed && len(o.Accept) > 0:
		return errors.New("advertise: Peer and Accept exclude each other")
	case directed && !o.Extended && len(o.Data)+len(o.Response) > 0:
		return errors.New("advertise: directed legacy packets carry no data: leave Data and Response out, or set Extended")
	case directed && len(o.Response) > 0:
		return errors.New("advertise: a directed set has no Response: move it into Data")
	case o.Filter > FilterScans|FilterConnects:
		return fmt.Errorf("advertise: Filter is %d, want FilterScans, FilterConnects or both", o.Filter)
	case o.Filter != 0 && len(o.Accept) == 0:
		return errors.New("advertise: Filter demands a list Accept")
	}
	for _, a := range o.Accept {
		if a.Kind > hci.AddrRandom {
			return fmt.Errorf("advertise: %v in Accept, want public or random addresses", a)
		}
	}
	return nil
}

// checkEnd checks the options about the end of a set.
func (o *AdvertiseOptions) checkEnd() error {
	if o.MaxEvents < 0 || o.MaxEvents > 255 {
		return fmt.Errorf("advertise: MaxEvents is %d, want 1 to 255, or 0 for no limit", o.MaxEvents)
	}
	return hci.CheckAdvertisingDuration(o.Duration)
}

// checkOwn checks the address on air and the transmit power.
func (o *AdvertiseOptions) checkOwn() error {
	a := o.Address
	if p := o.TxPower; p != nil && (*p < -127 || *p > 20) {
		return fmt.Errorf("advertise: TxPower is %d dBm, want -127 to 20", *p)
	}
	if a == (hci.Addr{}) || a.Kind == hci.AddrPublic || a.IsStatic() || a.IsResolvable() || a.IsNonResolvable() {
		return nil
	}
	return fmt.Errorf("advertise: Address %v is no address that a device can have: write a public or a random one", a)
}

// needsExtended reports whether the options demand the extended commands.
func (o *AdvertiseOptions) needsExtended() bool {
	return o.Extended || o.Duration > 0 || o.MaxEvents > 0
}

// checkAdvertising returns an error for options that this controller does not have, and
// names the remedy. alone reports whether there is no other set.
func (c *core) checkAdvertising(o *AdvertiseOptions, alone bool) error {
	i := &c.info
	if !i.Extended {
		reason := ""
		if i.ExtendedRefused != nil {
			reason = " (" + i.ExtendedRefused.Error() + ")"
		}
		switch {
		case o.Extended:
			return fmt.Errorf("controller: advertise: %w%s: leave Extended out, or use an adapter of Bluetooth 5", ErrNoExtendedAdvertising, reason)
		case o.needsExtended():
			return fmt.Errorf("controller: advertise: %w%s: leave Duration and MaxEvents out, and stop the advertising instead", ErrNoExtendedAdvertising, reason)
		case !alone:
			return fmt.Errorf("controller: advertise: %w%s, so it has one set: stop the other one first", ErrNoExtendedAdvertising, reason)
		case o.Address.Kind == hci.AddrRandom && o.Address != c.own:
			return fmt.Errorf("controller: advertise: %w%s, so it has one random address: leave Address out, or open the adapter with Config.Address %v", ErrNoExtendedAdvertising, reason, o.Address)
		}
	}
	missing := func(what, remedy string) error {
		return fmt.Errorf("controller: advertise: %s: %w: %s", what, ErrNotSupported, remedy)
	}
	switch {
	case o.Address != hci.Addr{} && o.Address.Kind == hci.AddrPublic && o.Address.MAC != i.Public:
		return fmt.Errorf("controller: advertise: %v is not the public address of the controller: leave Address out, or take a random one", o.Address)
	case o.secondaryPHY() == hci.PHY2M && !i.Features.Has(hci.Feature2MPHY):
		return missing("2M PHY", "use 1M as SecondaryPHY")
	case (o.primaryPHY() == hci.PHYCoded || o.secondaryPHY() == hci.PHYCoded) && !i.Features.Has(hci.FeatureCodedPHY):
		return fmt.Errorf("controller: advertise: %w: use 1M alone", ErrNoCodedPHY)
	case o.Periodic != nil && (!i.Features.Has(hci.FeaturePeriodicAdvertising) || !i.Commands.Has(hci.OpLESetPeriodicAdvertisingEnable)):
		return missing("periodic advertising", "leave Periodic out, or use another adapter")
	case len(o.Accept) > i.AcceptListSize:
		return fmt.Errorf("controller: advertise: %d devices in Accept, but the filter accept list of the controller takes %d", len(o.Accept), i.AcceptListSize)
	}
	return nil
}

// checkPeriodicUpdate checks data that replaces that of running periodic advertising. The
// controller then takes one command alone (Vol 4, Part E, 7.8.62).
func checkPeriodicUpdate(data hci.AdvData) error {
	if len(data) > hci.MaxPeriodicData {
		return fmt.Errorf("controller: %d octets of periodic advertising data, at most %d can replace others: use Change, which begins anew", len(data), hci.MaxPeriodicData)
	}
	return nil
}
