package cli

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

type bondsCmd struct {
	verb string
	addr peerArg
	one  bool // addr was given
	Keys bool
	File string
}

func newBonds() *command {
	c := &bondsCmd{verb: "list"}
	cmd := newCommand(groupMore, "bonds", "List, show, export or import the bonds with devices.", c.runBonds)
	cmd.detail = "The bonds are in the directory of --state; no adapter is needed. A command that is already running does not notice a change.\n\n" +
		"An export contains the keys of the bonds, which decrypt every link to these devices: keep it secret like a password. A bond can be imported only for the adapter that it was made with, after a command has used that adapter."
	cmd.args = []arg{
		{
			name: "verb", help: "list all bonds (the default), show one, export one or all, or import", may: true, words: []string{"list", "show", "export", "import"},
			set: func(w string) error { c.verb = w; return nil },
		},
		{
			name: "addr", help: "the device's address", may: true,
			set: func(w string) error { c.one = true; return c.addr.UnmarshalText([]byte(w)) },
		},
	}
	cmd.flags.BoolVar(&c.Keys, "keys", false, "also show the keys, most significant octet first")
	cmd.flags.StringVar(&c.File, "file", "", "export to `FILE` instead of standard output, or import from it instead of standard input")
	return cmd
}

var errNoBond = errors.New("there is no bond with this device")

func (c *bondsCmd) runBonds(ctx context.Context, a *app) error {
	switch {
	case c.verb == "show" && !c.one:
		return usagef("ADDR is missing: the device whose bond is to be shown")
	case c.one && (c.verb == "list" || c.verb == "import"):
		return usagef("unexpected argument %q", c.addr)
	case c.Keys && c.verb != "show":
		return usagef("--keys is for bonds show ADDR")
	case c.File != "" && c.verb != "export" && c.verb != "import":
		return usagef("--file is for bonds export and bonds import")
	}
	stores, err := a.openBonds()
	if err != nil {
		return err
	}
	switch c.verb {
	case "show":
		return c.showBonds(a, stores)
	case "export":
		return cmp.Or(c.exportBonds(a, stores), shownDamage(stores))
	case "import":
		return c.importBonds(ctx, a, stores)
	}
	a.listBonds(stores)
	return shownDamage(stores)
}

// shownDamage returns an error if there are bonds that cannot be read, which openBonds
// has shown: a list or an export without them is not complete.
func shownDamage(stores []*smp.FileStore) error {
	if slices.ContainsFunc(stores, func(s *smp.FileStore) bool { return len(s.Damaged()) > 0 }) {
		return errShown
	}
	return nil
}

// openBonds opens the bonds of every adapter in the state directory and complains
// about files that cannot be read.
func (a *app) openBonds() ([]*smp.FileStore, error) {
	dir, err := a.readStateDir()
	if err != nil {
		return nil, err
	}
	if stay := slices.DeleteFunc(a.repairState(dir), blocksAll); len(stay) > 0 {
		return nil, errors.Join(stay...)
	}
	stores, err := connmgr.OpenBonds(dir)
	for _, s := range stores {
		for _, damaged := range s.Damaged() {
			a.printError(damaged.Error(), "pair with the device again, or put the file back from a backup")
		}
	}
	return stores, err
}

// keptBond is a bond in the store of its adapter.
type keptBond struct {
	*smp.Bond
	store *smp.FileStore
}

// damagedBonds returns the bonds with the device at p whose files cannot be read.
func damagedBonds(stores []*smp.FileStore, p peerArg) (found []keptBond) {
	for _, s := range stores {
		for _, kind := range [...]hci.AddrKind{hci.AddrPublic, hci.AddrRandom} {
			b, ok := s.Find(hci.Addr{MAC: p.Addr.MAC, Kind: kind})
			if ok && b.Damaged != nil && (!p.Known || b.Peer == p.Addr.Identity()) {
				found = append(found, keptBond{b, s})
			}
		}
	}
	return found
}

// findBonds returns the bonds with the device at p. A resolvable private address
// matches as well.
func findBonds(stores []*smp.FileStore, p peerArg) (found []keptBond) {
	private := p.Addr
	if !p.Known {
		private.Kind = hci.AddrRandom
	}
	for _, s := range stores {
		for _, b := range s.All() {
			named := b.Peer.MAC == p.Addr.MAC && (!p.Known || b.Peer == p.Addr.Identity())
			if named || private.IsResolvable() && !b.IRK.IsZero() && smp.Resolves(b.IRK, private) {
				found = append(found, keptBond{b, s})
			}
		}
	}
	return found
}

// jsonBond is the output of bonds and unpair with --json for each bond.
type jsonBond struct {
	Address hci.Addr  `json:"address"`
	Local   hci.Addr  `json:"local"` // of the adapter
	Created time.Time `json:"created"`
	jsonSecurity
	Kinds []string          `json:"keys"`
	Keys  map[string]string `json:"secret_keys,omitempty"` // hexadecimal, most significant octet first
}

func newJSONBond(b keptBond) *jsonBond {
	j := &jsonBond{
		Address: b.Peer, Local: b.store.Identity().Addr, Created: b.Created, jsonSecurity: newJSONSecurity(bondSecurity(b.Bond)),
	}
	for _, k := range keysOf(b.Bond) {
		if !slices.Contains(j.Kinds, k.kind) {
			j.Kinds = append(j.Kinds, k.kind)
		}
	}
	return j
}

// bondKey is a key of a bond, or a value that belongs to a key.
type bondKey struct{ name, kind, value string }

func keysOf(b *smp.Bond) (keys []bondKey) {
	add := func(name, kind string, key [16]byte) {
		if key != [16]byte{} {
			slices.Reverse(key[:])
			keys = append(keys, bondKey{name, kind, hex.EncodeToString(key[:])})
		}
	}
	for _, role := range []struct {
		name string
		key  *smp.LongTermKey
	}{{"central", b.Central}, {"peripheral", b.Peripheral}} {
		if role.key == nil {
			continue
		}
		add(role.name+" ltk", "ltk", role.key.Key)
		if role.key.EDIV != 0 || role.key.Rand != [8]byte{} {
			keys = append(keys,
				bondKey{role.name + " ediv", "ltk", fmt.Sprintf("%04x", role.key.EDIV)},
				bondKey{role.name + " rand", "ltk", hex.EncodeToString(role.key.Rand[:])})
		}
	}
	add("irk", "irk", b.IRK)
	add("peer csrk", "csrk", b.PeerCSRK)
	add("local csrk", "csrk", b.LocalCSRK)
	return keys
}

func (a *app) listBonds(stores []*smp.FileStore) {
	var t table
	for _, s := range stores {
		for _, b := range s.All() {
			if a.JSON {
				a.out.json(newJSONBond(keptBond{b, s}))
				continue
			}
			t.row(b.Peer.String(), securityText(bondSecurity(b)), "made "+agoText(b.Created), "by "+s.Identity().Addr.String())
		}
	}
	if len(t.rows) == 0 {
		a.note("no bonds are stored in %s", a.keptDir())
	}
	a.out.table(&t)
}

func (c *bondsCmd) showBonds(a *app, stores []*smp.FileStore) error {
	found := findBonds(stores, c.addr)
	if len(found) == 0 {
		return fmt.Errorf("%s: %w", c.addr, errNoBond)
	}
	for i, b := range found {
		j := newJSONBond(b)
		keys := keysOf(b.Bond)
		if a.JSON {
			if c.Keys {
				j.Keys = map[string]string{}
				for _, k := range keys {
					j.Keys[k.name] = k.value
				}
			}
			a.out.json(j)
			continue
		}
		if i > 0 {
			a.out.printf("\n")
		}
		a.out.table(c.bondTable(b, j, keys))
	}
	return nil
}

func (c *bondsCmd) bondTable(b keptBond, j *jsonBond, keys []bondKey) *table {
	t := &table{}
	t.row("address", j.Address.String())
	t.row("adapter", j.Local.String())
	t.row("made", b.Created.Format(time.RFC3339))
	t.row("level", j.Level)
	t.row("security", securityText(bondSecurity(b.Bond)))
	if b.IRK.IsZero() {
		t.row("privacy", "no private addresses")
	} else {
		t.row("privacy", "its private addresses are known")
	}
	if c.Keys {
		for _, k := range keys {
			t.row(k.name, k.value)
		}
	}
	return t
}
