package connmgr

import (
	"context"
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
	// device lacks it, Establish ends with a *MissingError; after further attempts, if the
	// device shows no service at all.
	Require []Requirement
	// Ready is a check of the program's own, such as a handshake or the wait for the first
	// notification. It runs inside the attempt, after the steps of Establish, and Establish
	// returns the Client only if it returns nil. Otherwise the attempt has failed, for a
	// *ReadyError with its error, the link ends unless other Clients share it, and the
	// policy decides about the next attempt: an error of this module has its class, any
	// other one may pass and counts as a connect error. ctx ends with the attempt, after
	// Policy.SafetyTimeout at the latest; Ready must then return. It runs on the goroutine of
	// Establish, which is that of its caller or of Manager.Keep. Every other call for the
	// device waits until Ready has returned, whatever its Priority. Ready must neither close
	// the Client nor establish a connection to the same device, which would wait for this one.
	Ready func(ctx context.Context, c *Client) error
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
	// this host. While the adapter is full or does not hear the device, another call for the
	// device that can use an adapter which does makes the link, and this call shares it.
	Adapter string
	// Prefer is the name of the adapter that makes a new link as long as it hears the
	// device and has a free slot. The others are the fallback: while it is down, does not
	// hear the device, or repeated dials by it have failed. The bond decides before it, as
	// does Adapter. If Config.Adapters is nil, an adapter that was not there when the Manager
	// was opened counts as down; otherwise a name that is not in it is an error.
	Prefer string
	// Priority orders the calls that wait for a connection slot; the highest goes first.
	// Calls for the same device have the highest of their priorities while they wait
	// together, and a link has the highest of its Clients. It does not shorten the wait for a
	// call that makes the link to the same device, or for its Ready.
	Priority int
	// Evict ends the link of lower Priority that has been idle for the longest time, if
	// no adapter has a free slot. Its Clients see the reason of a link that this host
	// has ended. While the adapters scan and do not hear the device, no link is ended.
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
	// RememberParams remembers the parameters of a successful Client.UpdateParams for the
	// device, with Config.StateDir beyond the end of the program. Later links to the
	// device with this option settle to them, unless SettledParams are set. See
	// Manager.RememberedParams.
	RememberParams bool
	// PHYs are the PHYs on which to listen for the device: hci.PHYs1M, hci.PHYsCoded or
	// both; default 1M. A link that may be on the coded PHY is not moved to 2M. An
	// adapter whose controller lacks or refuses the coded PHY fails with
	// controller.ErrNoCodedPHY.
	PHYs hci.PHYs
	// KeepParams leaves the link at InitialParams.
	KeepParams bool
	// DisableMTU does not exchange the MTU: the ATT_MTU stays 23.
	DisableMTU bool
	// DisableEATT uses one ATT bearer. By default, an encrypted link to a device that
	// supports enhanced bearers gets three of them a second after its first use, so that
	// up to four requests are outstanding at a time.
	DisableEATT bool

	began func() // called at the begin of each attempt; may be nil
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
