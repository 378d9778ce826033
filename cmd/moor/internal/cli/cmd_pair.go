package cli

import (
	"cmp"
	"context"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

type pairCmd struct {
	peer
	JustWorks, MITM, Legacy, Replace bool
	KeySize                          keySizeArg
	OOB                              string // a file
}

func newPair() *command {
	c := &pairCmd{}
	cmd := newCommand(groupPeer, "pair", "Pair with the device and store the bond.", c.runPair)
	cmd.detail = "The terminal asks the questions of the pairing: to type a passkey here or on the device, or to confirm that both show the same number. A device with neither display nor keys pairs without a question.\n\n" +
		"The bond is stored in the directory of --state. It encrypts every later connection before anything else is sent. If it cannot be stored, the exit code is 1, and the device has to pair again."
	c.addDialArgs(cmd, "timeout")
	fs := cmd.flags
	fs.BoolVar(&c.JustWorks, "just-works", false, "ask nothing: the link is encrypted, but the device is not authenticated")
	fs.BoolVar(&c.MITM, "mitm", false, "refuse to pair without protection against a man in the middle, which needs a passkey or a comparison")
	fs.BoolVar(&c.Legacy, "legacy", false, "also pair with devices without LE Secure Connections; anyone who listens to such a pairing can decrypt all later data")
	cmd.flag("key-size", "accept keys of at least `N` octets, 7 to 16; default 16", &c.KeySize)
	fs.StringVar(&c.OOB, "oob", "", "use the device's out-of-band data, such as from an NFC tag, and refuse to pair without protection, as --mitm does; `FILE` holds its AD structures in hexadecimal")
	fs.BoolVar(&c.Replace, "replace", false, "pair again even if there is a bond, also with a device that has lost its own; make sure that it is the same device")
	return cmd
}

// jsonPaired is the output of pair --json.
type jsonPaired struct {
	Address hci.Addr `json:"address"`
	Paired  bool     `json:"paired"`           // now; false if there was a bond
	Method  string   `json:"method,omitempty"` // if paired now
	jsonSecurity
	Bonded bool `json:"bonded"`
}

func (c *pairCmd) runPair(ctx context.Context, a *app) error {
	if c.JustWorks && c.MITM {
		return usagef("--mitm requires protection and --just-works has none: give one of them")
	}
	oob, err := a.readOOB(ctx, c.OOB)
	if err != nil {
		return err
	}
	if oob != nil {
		if c.JustWorks {
			return usagef("--oob brings protection and --just-works has none: give one of them")
		}
		if oob.Peer == nil && !c.Legacy {
			return usagef("the data of --oob is for legacy pairing only: add --legacy")
		}
	}
	if _, err := a.needStateDir(); err != nil {
		return err
	}
	pairing := &smp.PairOptions{MITM: c.MITM, Delegate: a.pairingDelegate(), OOB: oob}
	if c.JustWorks {
		pairing.Delegate = smp.NoInput{}
	}
	o := linkOptions()
	o.Pair, o.Repair, o.Pairing = true, c.Replace, pairing
	on := air{pairing: smp.Config{AllowLegacy: c.Legacy, MinKeySize: int(c.KeySize)}}
	return a.withManager(ctx, on, func(m *connmgr.Manager) error {
		conn, err := a.establish(ctx, m, &c.peer, o)
		if err != nil {
			return err
		}
		return cmp.Or(c.finishPairing(ctx, a, conn, pairing), conn.Close())
	})
}

// finishPairing pairs again if Establish has used a bond that is to be replaced,
// and reports.
func (c *pairCmd) finishPairing(ctx context.Context, a *app, conn *connmgr.Client, o *smp.PairOptions) error {
	if c.Replace && (conn.Paired() == nil || conn.Proxied()) {
		again := *o
		again.Replace = true
		if _, err := conn.Pair(ctx, &again); err != nil {
			return err
		}
	}
	c.printPaired(a, conn)
	return nil
}

// printPaired shows how the link is secured, and by which pairing.
func (c *pairCmd) printPaired(a *app, conn *connmgr.Client) {
	r, s := conn.Paired(), conn.Security()
	address := conn.Address()
	if r != nil && r.Bond != nil {
		address = r.Bond.Peer
	}
	if a.JSON {
		j := jsonPaired{Address: address, Paired: r != nil, jsonSecurity: newJSONSecurity(s), Bonded: s.Bonded}
		if r != nil {
			j.Method = r.Method.String()
		}
		a.out.json(j)
		return
	}
	if conn.Proxied() {
		a.out.printf("%s paired by %s, which keeps the bond\n", address, conn.Adapter())
		return
	}
	if r == nil {
		a.out.printf("%s is paired already, and its keys work: %s\n", address, securityText(s))
		return
	}
	a.out.printf("%s paired by %s: %s\n", address, r.Method, securityText(s))
	if r.Bond == nil {
		a.out.printf("the device stores no bond, so this host has none either\n")
	}
}
