package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

// terminal asks the user at the terminal what a pairing needs. The command itself
// reports the outcome.
type terminal struct{ *smp.Terminal }

// Ended does nothing.
func (terminal) Ended(hci.Addr, error) {}

// pairingDelegate returns the delegate of pairings: the user at the terminal, or
// smp.NoInput if there is no input.
func (a *app) pairingDelegate() smp.Delegate {
	if a.env.Stdin == nil {
		return smp.NoInput{}
	}
	if a.asks == nil {
		a.asks = terminal{smp.NewTerminal(newAnswerReader(a.env.Stdin, a.stderr), a.stderr)}
	}
	return a.asks
}

// setPairing sets the options of pairing that p has from the command line.
func (a *app) setPairing(o *connmgr.Options, p *peer) {
	o.Pair, o.Repair = o.Pair || p.Pair, o.Repair || p.Repair
	if o.Pairing == nil && (o.Pair || o.Repair) {
		o.Pairing = &smp.PairOptions{Delegate: a.pairingDelegate()}
	}
}

// pairAdvice returns the remedy, in terms of the command line, for a pairing or bond
// that failed; "" if there is none.
func pairAdvice(err error) string {
	if errors.Is(err, smp.ErrBondLost) {
		return "if it was reset, pair again: moor pair ADDR --replace, or add --repair; if not, another device has its address"
	}
	if errors.Is(err, smp.ErrOpenBond) {
		return "moor pair ADDR --privacy --replace pairs again, if the device has dropped its bond; or leave --privacy out"
	}
	if errors.Is(err, smp.ErrBondDamaged) || errors.Is(err, smp.ErrNoKey) || errors.Is(err, smp.ErrWeakBond) {
		return "moor pair ADDR --replace pairs again, moor unpair ADDR removes the bond"
	}
	failed, ok := errors.AsType[*smp.Error](err)
	switch {
	case !ok:
		return ""
	case failed.Local && errors.Is(err, io.EOF):
		return "there was nobody to ask: run moor pair on a terminal, or with --just-works if the device allows it"
	case failed.Local && (failed.Reason == smp.ReasonAuthenticationRequirements || failed.Reason == smp.ReasonEncryptionKeySize):
		return "the device cannot meet these requirements: see --legacy, --key-size and --mitm of moor pair"
	}
	for _, wrong := range [...]smp.Reason{
		smp.ReasonPasskeyEntryFailed, smp.ReasonConfirmValueFailed, smp.ReasonDHKeyCheckFailed, smp.ReasonNumericComparisonFailed,
	} {
		if failed.Reason == wrong {
			return "the passkeys were not the same, or somebody is between this host and the device: try again, with the number that is shown"
		}
	}
	return ""
}

// keySizeArg is a number of octets; 0 if it was not given.
type keySizeArg int

// UnmarshalText parses a number from 7 to 16.
func (n *keySizeArg) UnmarshalText(b []byte) error {
	v, err := strconv.Atoi(string(b))
	if err != nil || v < 7 || v > 16 {
		return fmt.Errorf("%q: write a number of octets from 7 to 16", b)
	}
	*n = keySizeArg(v)
	return nil
}

// readOOB returns the out-of-band data in a file; nil without a file. The data itself
// is a secret, and every user of the machine can read a command line.
func (a *app) readOOB(ctx context.Context, file string) (*smp.OOB, error) {
	if file == "" {
		return nil, nil
	}
	text, err := a.readSecret(ctx, file)
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		return nil, usagef("--oob: %w", err)
	}
	octets, err := parseHex([]string{string(text)})
	if err != nil {
		return nil, usagef("--oob: %s: %w", file, err)
	}
	oob, err := smp.ParseOOB(octets)
	if err != nil {
		return nil, usagef("--oob: %s: %w", file, err)
	}
	return oob, nil
}

// jsonSecurity is the security of a link, or of the links that a bond encrypts.
type jsonSecurity struct {
	Level             string `json:"level"`
	Authenticated     bool   `json:"authenticated"`
	SecureConnections bool   `json:"secure_connections"`
	KeySize           int    `json:"key_size"` // octets
}

func newJSONSecurity(s smp.Security) jsonSecurity {
	return jsonSecurity{s.Level().String(), s.Authenticated, s.SecureConnections, s.KeySize}
}

// bondSecurity returns the security of a link that is encrypted with b.
func bondSecurity(b *smp.Bond) smp.Security {
	return smp.Security{
		Encrypted: true, Authenticated: b.Authenticated, SecureConnections: b.SecureConnections, KeySize: b.KeySize, Bonded: true,
	}
}

// securityText describes the security of a link.
func securityText(s smp.Security) string {
	made := "legacy pairing"
	if s.SecureConnections {
		made = "LE Secure Connections"
	}
	safe := "not protected against a man in the middle"
	if s.Authenticated {
		safe = "authenticated"
	}
	return fmt.Sprintf("%s, %s, key of %s", made, safe, octets(s.KeySize))
}
