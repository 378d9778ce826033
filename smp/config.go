package smp

import (
	"crypto/ecdh"
	"fmt"
	"log/slog"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Config holds the options of a Manager. The zero value of each field is its
// default; a nil *Config is the same as an empty one.
type Config struct {
	// Store opens the bonds; default Memory().
	Store OpenStore
	// Delegate asks the user; default NoInput.
	Delegate Delegate
	// MITM refuses pairings without protection against a man in the middle.
	MITM bool
	// DisableBonding keeps no keys: they are gone with the link.
	DisableBonding bool
	// MinKeySize is the shortest key that is accepted, 7 to 16 octets; default 16.
	MinKeySize int
	// AllowLegacy accepts peers without LE Secure Connections. Who listens while a
	// legacy pairing is made can read all that is encrypted with its keys, unless
	// it was made out of band.
	AllowLegacy bool
	// DisableSecureConnections makes this host such a peer, to try what others do
	// with them. It needs AllowLegacy.
	DisableSecureConnections bool
	// DisableIncoming refuses to pair when it is the peer that asks. Bonds are
	// used all the same.
	DisableIncoming bool
	// AllowRepair lets a central that is bonded pair again without having shown
	// that it has the key, as one does that was reset. The new bond must be no
	// weaker than the one that it replaces.
	AllowRepair bool
	// Signing distributes and asks for keys for signed writes.
	Signing bool
	// OOB is what was exchanged out of band, for pairings that have none of their
	// own in PairOptions. As there, a TK or a peer's data in it implies MITM, for
	// all pairings that it is used for.
	OOB *OOB
	// KeyPair makes the key pair on P-256 of a pairing; default one of
	// crypto/ecdh. It is called on the loop and must not wait.
	KeyPair func() (*ecdh.PrivateKey, error)
	// Privacy has this host use private addresses, each for AddressLifetime, and
	// gives peers the key to know it by them (Vol 3, Part C, 10.7); the identity
	// address is then told to peers that bond, and to nobody else. A peer that has
	// the key may ignore this host under its plain address from then on (Vol 6,
	// Part B, 4.7): it is set for good.
	Privacy bool
	// AddressLifetime is how long a private address is used, 1 s to 1 h; default
	// 15 min, by the specification's advice.
	AddressLifetime time.Duration
	// Changed is called when a bond has been saved, or was removed and is nil, on
	// the goroutine that did it; not when all that is new is the counter of its
	// signatures. It may change bonds itself. Of changes at the same time it may
	// hear in another order: what is there is in the Store. nil: nobody is told.
	Changed func(peer hci.Addr, b *Bond)
	// Identity is the identity address, for a controller that uses a private
	// address; default the controller's own.
	Identity hci.Addr
	// Binding is what the bonds belong to besides the address; see Local. Default
	// the controller's maker.
	Binding string
	// Logger gets what happens to links, at level -2, and PDUs by their names, at
	// level -4. Keys and passkeys are never logged. nil: silent.
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

func (c *Config) keyPair() func() (*ecdh.PrivateKey, error) {
	if c.KeyPair == nil {
		return generateKey
	}
	return c.KeyPair
}

func (c *Config) validateConfig() error {
	if n := c.minKeySize(); n < keySizeMin || n > keySizeMax {
		return fmt.Errorf("smp: a least key size of %d octets is outside 7 to 16", n)
	}
	if c.DisableSecureConnections && !c.AllowLegacy {
		return fmt.Errorf("smp: no kind of pairing is left: DisableSecureConnections needs AllowLegacy")
	}
	return nil
}

// PairOptions holds the options of one pairing. The zero value of each field is
// its default; a nil *PairOptions is the same as an empty one.
type PairOptions struct {
	// MITM refuses to pair without protection against a man in the middle, as
	// Config.MITM does for all pairings.
	MITM bool
	// Replace pairs although there is a bond, which the new one replaces if the
	// pairing succeeds.
	Replace bool
	// DisableBonding keeps no keys of this pairing.
	DisableBonding bool
	// Delegate asks the user; default Config.Delegate.
	Delegate Delegate
	// OOB is what was exchanged out of band with the peer; default Config.OOB.
	// With a TK or the peer's data in it MITM is implied: somebody in between can
	// make the peer seem to have no use for it.
	OOB *OOB
}

// oob returns what was exchanged out of band for a pairing with o.
func (c *Config) oob(o *PairOptions) *OOB {
	if o != nil && o.OOB != nil {
		return o.OOB
	}
	return c.OOB
}

func (c *Config) needsMITM(o *PairOptions) bool {
	return c.MITM || o != nil && o.MITM || c.oob(o).hasPeerData()
}

// settings are what a pairing with o, which may be nil, is to be.
// own is this host's address on the link.
func (c *Config) settings(o *PairOptions, id Identity, own hci.Addr) (settings, Delegate) {
	if !c.Privacy && !own.IsResolvable() {
		id.IRK = Key{} // says that there are no private addresses (Vol 3, Part H, 2.4.2.1)
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
		sign: c.Signing, oob: c.oob(o), keyPair: c.keyPair(), identity: id,
	}
	if !c.DisableBonding && !o.DisableBonding {
		s.auth |= authBonding
	}
	if s.needMITM || s.io != NoInputNoOutput {
		s.auth |= authMITM // it costs nothing to ask where there is a user
	}
	if !c.DisableSecureConnections {
		s.auth |= authSecureConnections
	}
	return s, d
}
