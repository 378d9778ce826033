package smp

import (
	"crypto/ecdh"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Config holds the options of a Manager. The zero value of each field is its
// default; a nil *Config is the same as an empty one.
type Config struct {
	// Store opens the store of bonds; default Memory().
	Store OpenStore
	// Delegate is the user interface of pairings; default NoInput.
	Delegate Delegate
	// FixedPasskey is the passkey that this host displays, as that on the label of a
	// device. An attacker learns one bit of a fixed passkey with each failed pairing
	// (Vol 3, Part H, 2.3.5.6.3): it is for devices under test. nil makes a new one for
	// each pairing.
	FixedPasskey *Passkey
	// MITM refuses pairings without protection against a man in the middle.
	MITM bool
	// DisableBonding saves no keys: they are lost with the link.
	DisableBonding bool
	// MinKeySize is the shortest key that is accepted, 7 to 16 octets; default 16.
	MinKeySize int
	// AllowLegacy accepts peers without LE Secure Connections. An eavesdropper on a
	// legacy pairing can decrypt all traffic under its keys, unless the pairing was
	// out of band.
	AllowLegacy bool
	// DisableSecureConnections makes this host a device without LE Secure
	// Connections, to test how peers treat one. It needs AllowLegacy.
	DisableSecureConnections bool
	// DisableIncoming refuses pairings that the peer begins. Bonds still work.
	DisableIncoming bool
	// MaxBonds is the number of bonds at which a peer can add no more: a pairing that a
	// peer without a bond begins, and that would make one, is refused. Pairings of the
	// program and pairings that replace a bond are not bounded. 0 is 256; a negative
	// value means no bound.
	MaxBonds int
	// AllowRepair lets a bonded central pair again without proof that it has the key
	// of the bond, as a central must that was reset. The new bond must be no weaker
	// than the bond that it replaces.
	AllowRepair bool
	// Signing distributes keys for signed writes, and asks for the peer's.
	Signing bool
	// OOB is the out-of-band data of pairings whose PairOptions have none, and of those
	// that peers begin. A TK or a peer's data in it implies MITM for these pairings. All
	// of them use the key pair of Local; see LocalOOB.
	OOB *OOB
	// KeyPair makes the P-256 key pair of a pairing; default a new one by crypto/ecdh.
	// It is called on the loop and must not wait.
	KeyPair func() (*ecdh.PrivateKey, error)
	// Privacy makes this host use resolvable private addresses, a new one every
	// AddressLifetime, and distribute the key that resolves them (Vol 3, Part C, 10.7).
	// Only peers that bond learn the identity address. Do not switch Privacy off
	// again: a peer that has the key may from then on ignore this host under its
	// identity address (Vol 6, Part B, 4.7).
	Privacy bool
	// AddressLifetime is how long a private address is used, 1 s to 1 h; default
	// 15 min, the specification's recommendation.
	AddressLifetime time.Duration
	// Changed is called after a bond has been saved, or removed: b is then nil. A
	// change of its signature counters alone does not count. Changed runs on the
	// goroutine that made the change, and may change bonds itself, or close the
	// Manager or its host. Calls for concurrent changes may arrive out of order; the
	// Store is authoritative. nil means no call.
	Changed func(peer hci.Addr, b *Bond)
	// Identity is the identity address, for a controller that uses a private address;
	// default the controller's own address.
	Identity hci.Addr
	// Binding identifies the controller in addition to its address; see Local. The
	// default is up to the caller of NewManager; package host uses the manufacturer.
	Binding string
	// Logger gets the events of links at level -2, and the names of PDUs at level -4.
	// Keys and passkeys are never logged. nil means no logging.
	Logger *slog.Logger
}

// Log levels; the same as in the other layers.
const (
	levelLink   = slog.Level(-2)
	levelPacket = slog.Level(-4)
)

func (c *Config) store() OpenStore {
	if c.Store == nil {
		return Memory()
	}
	return c.Store
}

func (c *Config) delegate() Delegate {
	if c.Delegate == nil {
		return NoInput{}
	}
	return c.Delegate
}

func (c *Config) addressLifetime() time.Duration {
	if c.AddressLifetime == 0 {
		return 15 * time.Minute
	}
	return c.AddressLifetime
}

func (c *Config) minKeySize() int {
	if c.MinKeySize == 0 {
		return keySizeMax
	}
	return c.MinKeySize
}

func (c *Config) maxBonds() int {
	switch {
	case c.MaxBonds == 0:
		return 256
	case c.MaxBonds < 0:
		return math.MaxInt
	}
	return c.MaxBonds
}

func (c *Config) keyPair() func() (*ecdh.PrivateKey, error) {
	if c.KeyPair == nil {
		return generateKey
	}
	return c.KeyPair
}

func (c *Config) validateConfig() error {
	if f := c.FixedPasskey; f != nil && *f >= passkeys {
		return fmt.Errorf("smp: Config.FixedPasskey is %v: %w", *f, errLongPasskey)
	}
	if n := c.minKeySize(); n < keySizeMin || n > keySizeMax {
		return fmt.Errorf("smp: Config.MinKeySize is %d octets, outside 7 to 16", n)
	}
	if c.DisableSecureConnections && !c.AllowLegacy {
		return fmt.Errorf("smp: no kind of pairing is left: Config.DisableSecureConnections needs AllowLegacy")
	}
	return nil
}

// PairOptions holds the options of one pairing. The zero value of each field is
// its default; a nil *PairOptions is the same as an empty one.
type PairOptions struct {
	// MITM refuses to pair without protection against a man in the middle, as
	// Config.MITM does for all pairings.
	MITM bool
	// Replace pairs even if there is a bond. If the pairing succeeds, the new bond
	// replaces it.
	Replace bool
	// DisableBonding saves no keys of this pairing.
	DisableBonding bool
	// Delegate is the user interface of this pairing; default Config.Delegate.
	Delegate Delegate
	// OOB is the out-of-band data of this pairing; default Config.OOB. A TK or the
	// peer's data in it implies MITM: an attacker could otherwise make both sides
	// believe that the other one has no use for the data.
	OOB *OOB
}

// oob returns the out-of-band data of a pairing with o.
func (c *Config) oob(o *PairOptions) *OOB {
	if o != nil && o.OOB != nil {
		return o.OOB
	}
	return c.OOB
}

func (c *Config) needsMITM(o *PairOptions) bool {
	return c.MITM || o != nil && o.MITM || c.oob(o).hasPeerData()
}

// settings returns the settings of a pairing with o, which may be nil, and its
// delegate. own is this host's address on the link.
func (c *Config) settings(o *PairOptions, id Identity, own hci.Addr) (settings, Delegate) {
	if !c.Privacy && !own.IsResolvable() {
		id.IRK = Key{} // means that this host uses no private addresses (Vol 3, Part H, 2.4.2.1)
	}
	if o == nil {
		o = &PairOptions{}
	}
	d := o.Delegate
	if d == nil {
		d = c.delegate()
	}
	s := settings{
		io: d.IO(), needMITM: c.needsMITM(o), needSC: !c.AllowLegacy, minKeySize: c.minKeySize(),
		sign: c.Signing, oob: c.oob(o), keyPair: c.keyPair(), identity: id, passkey: newPasskey,
	}
	if f := c.FixedPasskey; f != nil {
		s.passkey = func() Passkey { return *f }
	}
	if !c.DisableBonding && !o.DisableBonding {
		s.auth |= authBonding
	}
	if s.needMITM || s.io != NoInputNoOutput {
		s.auth |= authMITM // free of cost where there is a user
	}
	if !c.DisableSecureConnections {
		s.auth |= authSecureConnections
	}
	return s, d
}
