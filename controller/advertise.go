package controller

import (
	"context"
	"time"

	"github.com/moor-ble/moor/hci"
)

// AdvertiseOptions holds the options of an advertising set. The zero value of a field
// means its default; nil means all defaults.
//
// The zero value advertises with legacy packets, which every scanner receives, and
// accepts connections.
type AdvertiseOptions struct {
	// Data is the complete advertising data, at most 31 octets, or with Extended as
	// many as the controller takes, at most 1650; default none. Nothing is added, not
	// even the flags that most centrals look for. Use hci.AdvFields to build it.
	Data hci.AdvData
	// Response is the scan response, with the same bounds; default none. An extended
	// set with a Response is scannable, which excludes Data and connections: its data is
	// the Response.
	Response hci.AdvData
	// Interval is the advertising interval, 20 ms to 10.24 s, or with Extended to
	// 10,485 s, in steps of 0.625 ms; default 100 ms.
	Interval time.Duration
	// NonConnectable disables connections.
	NonConnectable bool
	// MaxLinks is the number of links as peripheral at which a connectable set pauses,
	// whichever set they came from; default 1.
	MaxLinks int
	// Address is the address on air: the public address of the controller, or a random
	// one of any kind, which stays until the options change. The default is the address
	// of the host, which follows [Controller.UsePrivateAddresses]. With several
	// connectable sets on different addresses, [Link.OnAir] may name that of another set.
	Address hci.Addr

	// Extended selects extended advertising (Vol 6, Part B, 4.4.2.3), which scanners
	// older than Bluetooth 5, and many newer ones, do not receive.
	Extended bool
	// PrimaryPHY is hci.PHY1M or hci.PHYCoded; default 1M. SecondaryPHY is the PHY of
	// the data, and of links that begin there; default that of PrimaryPHY. Both demand
	// Extended for all but 1M.
	PrimaryPHY, SecondaryPHY hci.PHY
	// Anonymous leaves out the address. It demands Extended and NonConnectable.
	Anonymous bool
	// IncludeTxPower adds the transmit power to the header. It demands Extended.
	IncludeTxPower bool
	// TxPower asks for a transmit power, -127 to 20 dBm; nil leaves it to the
	// controller, and so do the legacy commands.
	TxPower *int8
	// Periodic adds periodic advertising. It demands Extended and NonConnectable.
	Periodic *PeriodicOptions

	// Peer makes the advertising directed: only this device may connect. Legacy packets
	// then carry no data. With an identity kind of address the controller resolves and
	// makes the private addresses; see [Controller.SetResolvingList].
	Peer hci.Addr
	// HighDuty advertises to Peer at the highest rate, for 1.28 s. Legacy packets alone
	// can.
	HighDuty bool
	// Accept restricts the set to these devices; empty means all. Filter selects the
	// requests that are restricted; default connections and scan requests. The controller
	// has one accept list of Info.AcceptListSize entries: all sets that use it must have
	// the same, and dials take turns meanwhile, ConnectAny to several peers fails.
	Accept []hci.Addr
	Filter AdvertiseFilter

	// Duration ends the set after this time, 10 ms to 655.35 s in steps of 10 ms;
	// MaxEvents ends the set after so many advertising events, 1 to 255, and counts anew
	// when the set goes on after a pause. Default no limit. Both demand extended commands.
	Duration  time.Duration
	MaxEvents int
}

// PeriodicOptions holds the options of periodic advertising (Vol 6, Part B, 4.4.2.12).
type PeriodicOptions struct {
	// Data is the data, at most 1650 octets, and at most what the controller takes. See
	// [AdvertisingSet.SetPeriodicData] for changing it.
	Data hci.AdvData
	// Interval is 7.5 ms to 81.91875 s in steps of 1.25 ms; default 100 ms.
	Interval time.Duration
	// IncludeTxPower adds the transmit power.
	IncludeTxPower bool
}

func (o *PeriodicOptions) interval() time.Duration {
	if o.Interval == 0 {
		return 100 * time.Millisecond
	}
	return o.Interval
}

// AdvertiseFilter selects the requests that AdvertiseOptions.Accept restricts
// (Vol 4, Part E, 7.8.5).
type AdvertiseFilter uint8

// The elements of AdvertiseFilter.
const (
	FilterScans    AdvertiseFilter = 1 << 0
	FilterConnects AdvertiseFilter = 1 << 1
)

func (o *AdvertiseOptions) interval() time.Duration {
	if o.Interval == 0 {
		return 100 * time.Millisecond
	}
	return o.Interval
}

func (o *AdvertiseOptions) maxLinks() int {
	if o.MaxLinks <= 0 {
		return 1
	}
	return o.MaxLinks
}

func (o *AdvertiseOptions) primaryPHY() hci.PHY {
	if o.PrimaryPHY == 0 {
		return hci.PHY1M
	}
	return o.PrimaryPHY
}

func (o *AdvertiseOptions) secondaryPHY() hci.PHY {
	if o.SecondaryPHY == 0 {
		return o.primaryPHY()
	}
	return o.SecondaryPHY
}

// filterPolicy returns the advertising filter policy.
func (o *AdvertiseOptions) filterPolicy() uint8 {
	switch {
	case len(o.Accept) == 0:
		return 0
	case o.Filter == 0:
		return uint8(FilterScans | FilterConnects)
	}
	return uint8(o.Filter)
}

// Advertise starts advertising, or replaces the advertising of an earlier call, and
// returns once the controller advertises. Advertising continues until
// [Controller.StopAdvertising], or until the end that the options set; it pauses while
// AdvertiseOptions.MaxLinks peers are connected. [Controller.Accept] returns the links of
// peers that connect. For further sets see [Controller.AddAdvertising].
//
// After an error of the controller the set is not advertised. When ctx ends, Advertise
// returns at once, but advertising may still start; StopAdvertising ends it. Without
// extended advertising, options that need it are refused with ErrNoExtendedAdvertising.
func (ctl *Controller) Advertise(ctx context.Context, o *AdvertiseOptions) error {
	opts, err := validAdvertising(o)
	if err != nil {
		return err
	}
	return ctl.setAdvertising(ctx, opts)
}

// StopAdvertising stops what Advertise started. If ctx has ended before the call, it does
// nothing.
func (ctl *Controller) StopAdvertising(ctx context.Context) error {
	return ctl.setAdvertising(ctx, nil)
}

// setAdvertising starts or changes the set of Advertise, or stops it if o is nil.
func (ctl *Controller) setAdvertising(ctx context.Context, o *AdvertiseOptions) error {
	_, err := askLoop(ctx, &ctl.core, wrapDuring(ctx, "advertise"), func(_ func() bool, done func(hci.None, error)) {
		ctl.core.adv.setWanted(o, func(err error) { done(hci.None{}, err) })
	})
	return err
}

// Accept waits for a link on which this host is the peripheral. At most 16 links
// wait for Accept; further ones are closed.
func (ctl *Controller) Accept(ctx context.Context) (*Link, error) {
	select {
	case l := <-ctl.accepted:
		return l, nil
	default:
	}
	if ctx.Err() == nil {
		select {
		case l := <-ctl.accepted:
			return l, nil
		case <-ctl.done:
			return nil, ctl.Err()
		case <-ctx.Done():
		}
	}
	return nil, wrapDuring(ctx, "accept")(context.Cause(ctx))
}
