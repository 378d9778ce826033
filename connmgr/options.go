package connmgr

import (
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

// Options holds the options of one Establish. Zero fields have their defaults;
// nil is the same as an empty one.
type Options struct {
	// Name is the name of the device in logs and errors; default the name heard on air,
	// or the address.
	Name string
	// Policy replaces the policy of the Manager; nil keeps that.
	Policy *Policy
	// MaxAttempts replaces the policy's, if not 0. Negative allows one attempt.
	MaxAttempts int
	// Timeout bounds the whole Establish, in addition to ctx; default none.
	Timeout time.Duration
	// Disconnected is called once, on a goroutine of its own, when the link of a Client
	// ends for another reason than the Client's Close. err is the reason.
	Disconnected func(c *Client, err error)
	// Device is called before each attempt and returns the device to connect to, for
	// devices that change their address. With ok=false the previous one stays.
	Device func() (d Device, ok bool)
	// DisableCache discovers the attribute table even if it is cached.
	DisableCache bool
	// DisableDiscovery discovers nothing until the program uses an attribute.
	DisableDiscovery bool
	// Require lists services, and characteristics in them, that the device must have. If
	// a cached table lacks one, the table is discovered anew on the same link. If the
	// device lacks it, Establish ends with a *MissingError.
	Require []Requirement
	// Pair pairs with the device if there is no bond with it, or only a bond without a
	// key for the link. An existing bond encrypts the link, with or without Pair, before
	// any other use; if that fails, there is no connection. Config.StateDir and
	// Config.Pairing determine where the bond is kept.
	Pair bool
	// Pairing holds the options of that pairing; Repair takes the place of its Replace.
	// If it requires MITM protection or has out-of-band data, an unauthenticated bond
	// fails with smp.ErrWeakBond.
	Pairing *smp.PairOptions
	// Repair pairs again with a device that has lost the bond, or whose bond is damaged
	// or cannot be used with private addresses (smp.ErrOpenBond). Without it, these are
	// ErrBondLost: a device that merely has the address must not get a new bond unasked.
	// With Pair it also replaces a bond that fails with smp.ErrWeakBond. A device that
	// ends the link when it is encrypted, with 0x05, 0x06 or 0x3D, or twice in a row with
	// another reason, is taken for one that has lost the bond, and is paired with on the
	// next link.
	Repair bool
	// Adapter restricts a new link to the adapter with this name. An existing link to
	// the device is shared even if it is on another adapter: a device has one link to
	// this host.
	Adapter string
	// Priority orders the calls that wait for a connection slot; the highest goes first.
	Priority int
	// Evict ends the link of lower Priority that has been idle for the longest time, if
	// no adapter has a free slot. Its Clients see the reason of a link that this host
	// has ended.
	Evict bool
	// InitialParams are the connection parameters of the new link, with which the table
	// is discovered; default 7.5 ms, latency 0, supervision timeout 2 s. If only the
	// device considers the link established, it does not advertise for that timeout.
	// After a lost link, or where the device refuses the parameters, the next attempt
	// asks for a longer interval and supervision timeout: at least 30–50 ms and 5 s, and
	// then 100–150 ms and 10 s.
	InitialParams hci.ConnParams
	// SettledParams are requested after Establish has returned, once the link is idle;
	// default 30–50 ms, latency 0, supervision timeout 5 s. A refusal is not an error.
	// They yield to parameters that the device itself has asked for on the link, and to
	// Client.UpdateParams. See Client.Settled.
	SettledParams hci.ConnParams
	// PHYs are the PHYs on which to listen for the device: hci.PHYs1M, hci.PHYsCoded or
	// both; default 1M. A link that may be on the coded PHY is not moved to 2M.
	PHYs hci.PHYs
	// KeepParams leaves the link at InitialParams.
	KeepParams bool
	// DisableMTU does not exchange the MTU: the ATT_MTU stays 23.
	DisableMTU bool
}

// Requirement is a service that a device must have, and characteristics in it.
type Requirement struct {
	Service         gatt.UUID
	Characteristics []gatt.UUID
}

func (o *Options) initialParams() hci.ConnParams {
	if o.InitialParams != (hci.ConnParams{}) {
		return o.InitialParams
	}
	return hci.ConnParams{IntervalMin: 7500 * time.Microsecond, IntervalMax: 7500 * time.Microsecond, Timeout: 2 * time.Second}
}

func (o *Options) settledParams() hci.ConnParams {
	if o.SettledParams != (hci.ConnParams{}) {
		return o.SettledParams
	}
	return hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: 5 * time.Second}
}

// checkParams returns an error for parameters that would fail in every attempt.
func (o *Options) checkParams() error {
	if err := o.initialParams().Validate(); err != nil {
		return err
	}
	return o.settledParams().Validate()
}
