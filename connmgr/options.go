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
	// Name stands for the device in logs and errors; default the name heard on
	// air, or the address.
	Name string
	// Policy, if not nil, is used instead of the Manager's.
	Policy *Policy
	// MaxAttempts overrides the policy's, if not 0; negative allows one attempt.
	MaxAttempts int
	// Timeout bounds the whole Establish, beside ctx; default none.
	Timeout time.Duration
	// Disconnected is called once, on a goroutine of its own, when the link of
	// a Client ends other than by the Client's Close. err says why.
	Disconnected func(c *Client, err error)
	// Device is asked before each attempt for the address to connect to, for
	// devices that change it; it may answer ok=false to keep the last one.
	Device func() (d Device, ok bool)
	// DisableCache discovers the attribute table anew, whatever is cached.
	DisableCache bool
	// DisableDiscovery leaves the table alone until the program asks for it.
	DisableDiscovery bool
	// Require names services, and characteristics in them, that the device must
	// have. If a cached table lacks one, the table is discovered anew on the same
	// link; if that lacks it too, Establish ends with a *MissingError.
	Require []Requirement
	// Pair pairs with the device if there is no bond with it yet, or one without a
	// key for the link. With a bond the link is encrypted before anything else in
	// any case, or is not made. Where the bond is kept is Config.StateDir's matter,
	// or Config.Pairing's: with neither, it ends with the Manager.
	Pair bool
	// Pairing holds the options of that; its Replace is Repair. If it wants MITM,
	// or has out-of-band data, a bond without protection is smp.ErrWeakBond.
	Pairing *smp.PairOptions
	// Repair pairs again with a device that has lost the bond, or whose bond is
	// damaged here or cannot be used with private addresses (smp.ErrOpenBond);
	// without it, that is ErrBondLost: a device that only has the address must not
	// get a new bond unasked. With Pair it replaces a bond that is smp.ErrWeakBond
	// too.
	Repair bool
	// Adapter restricts the choice to the adapter of that name.
	Adapter string
	// Priority orders those who wait for a connection slot; higher goes first.
	Priority int
	// Evict ends the link of lower Priority that has been idle for the longest
	// time, if no adapter has a free slot. Its Clients see hci's reason for a
	// link that this host ended.
	Evict bool
	// InitialParams are the parameters that the link starts with and the table
	// is discovered at; default 7.5–15 ms, latency 0, supervision timeout 2 s. A
	// device that heard a connect of which this side heard nothing holds the link,
	// and does not advertise, for as long as that.
	InitialParams hci.ConnParams
	// SettledParams are asked for when the Client is ready; default 30–50 ms,
	// latency 0, supervision timeout 5 s. A refusal does no harm.
	SettledParams hci.ConnParams
	// KeepParams leaves the link at InitialParams.
	KeepParams bool
	// MTU is not exchanged if DisableMTU is set; the ATT_MTU stays 23 then.
	DisableMTU bool
}

// Requirement is a service that a device must have, with characteristics.
type Requirement struct {
	Service         gatt.UUID
	Characteristics []gatt.UUID
}

func (o *Options) initialParams() hci.ConnParams {
	if o.InitialParams != (hci.ConnParams{}) {
		return o.InitialParams
	}
	return hci.ConnParams{IntervalMin: 7500 * time.Microsecond, IntervalMax: 15 * time.Millisecond, Timeout: 2 * time.Second}
}

func (o *Options) settledParams() hci.ConnParams {
	if o.SettledParams != (hci.ConnParams{}) {
		return o.SettledParams
	}
	return hci.ConnParams{IntervalMin: 30 * time.Millisecond, IntervalMax: 50 * time.Millisecond, Timeout: 5 * time.Second}
}

// checkParams checks what would fail in every attempt alike.
func (o *Options) checkParams() error {
	if err := o.initialParams().Validate(); err != nil {
		return err
	}
	return o.settledParams().Validate()
}
