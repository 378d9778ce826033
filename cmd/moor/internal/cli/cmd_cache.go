package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/servicecache"
)

type cacheCmd struct {
	verb string
	addr peerArg
	one  bool // addr was given
}

func newCache() *command {
	c := &cacheCmd{}
	cmd := newCommand(groupMore, "cache", "List, show or clear the stored attribute tables of devices.", c.runCache)
	cmd.detail = "The tables are in the directory of --state; no adapter is needed."
	cmd.args = []arg{
		{
			name: "verb", help: "list all tables, show one, or clear one or all", words: []string{"list", "show", "clear"},
			set: func(w string) error { c.verb = w; return nil },
		},
		{
			name: "addr", help: "the device's address", may: true,
			set: func(w string) error { c.one = true; return c.addr.UnmarshalText([]byte(w)) },
		},
	}
	return cmd
}

// jsonTable is the output of cache --json for each table.
type jsonTable struct {
	Address         hci.Addr           `json:"address"`
	Services        int                `json:"services"`
	Characteristics int                `json:"characteristics"`
	Hash            *servicecache.Hash `json:"hash,omitempty"`
	MTU             int                `json:"mtu,omitempty"`
	Bonded          bool               `json:"bonded,omitempty"`
	Discovered      time.Time          `json:"discovered"`
	Used            *time.Time         `json:"used,omitempty"` // to the hour
	Table           []jsonService      `json:"table,omitempty"`
	Traits          []connmgr.Trait    `json:"traits,omitempty"` // the steps that the device could not take
}

func newJSONTable(addr hci.Addr, e *servicecache.Entry) *jsonTable {
	j := &jsonTable{
		Address: addr, Services: len(e.Profile.Services), Hash: e.Hash, MTU: e.MTU, Bonded: e.Bonded, Discovered: e.Discovered,
	}
	for i := range e.Profile.Services {
		j.Characteristics += len(e.Profile.Services[i].Characteristics)
	}
	return j
}

var errNoTable = errors.New("there is no table of this device")

func (c *cacheCmd) runCache(_ context.Context, a *app) error {
	switch {
	case c.verb == "show" && !c.one:
		return usagef("ADDR is missing: the device whose table is to be shown")
	case c.verb == "list" && c.one:
		return usagef("unexpected argument %q: cache show ADDR shows the table of one device", c.addr)
	}
	dir, err := a.readStateDir()
	if err != nil {
		return err
	}
	_ = a.repairState(dir) // keys are not read here
	cache, err := connmgr.OpenCache(dir, a.log)
	if err != nil {
		return err
	}
	switch c.verb {
	case "list":
		return a.listTables(cache)
	case "show":
		return c.showTables(a, cache)
	}
	return c.clearTables(a, cache)
}

func (a *app) listTables(cache *servicecache.Cache) error {
	items, err := cache.List()
	if err != nil {
		return err
	}
	var t table
	for _, it := range items {
		j := newJSONTable(it.Addr, it.Entry)
		if a.JSON {
			j.Used = &it.Used
			a.out.json(j)
			continue
		}
		t.row(it.Addr.String(), plural(j.Services, "service"), plural(j.Characteristics, "characteristic"),
			hashText(it.Entry.Hash), "read "+agoText(it.Entry.Discovered))
	}
	if len(items) == 0 {
		a.note("no tables are stored in %s", a.keptDir())
	}
	a.out.table(&t)
	return nil
}

func hashText(h *servicecache.Hash) string {
	if h == nil {
		return "no hash"
	}
	return "hash " + h.String()
}

// addrs returns the addresses that the command line may mean: without its kind,
// both.
func (c *cacheCmd) addrs() []hci.Addr {
	if c.addr.Known {
		return []hci.Addr{c.addr.Addr}
	}
	return []hci.Addr{{MAC: c.addr.Addr.MAC, Kind: hci.AddrPublic}, {MAC: c.addr.Addr.MAC, Kind: hci.AddrRandom}}
}

func (c *cacheCmd) showTables(a *app, cache *servicecache.Cache) error {
	found := false
	all, err := connmgr.KeptTraits(a.keptDir())
	if err != nil {
		return err
	}
	for _, addr := range c.addrs() {
		traits := connmgr.TraitsOf(all, addr)
		e, ok := cache.Get(addr)
		if !ok {
			if len(traits) > 0 {
				found = true
				a.showTraits(addr, traits)
			}
			continue
		}
		found = true
		if a.JSON {
			j := newJSONTable(addr, e)
			for i := range e.Profile.Services {
				j.Table = append(j.Table, serviceJSON(&e.Profile.Services[i]))
			}
			j.Traits = traits
			a.out.json(j)
			continue
		}
		a.out.printf("%s, read %s, %s, MTU %d\n", addr, agoText(e.Discovered), hashText(e.Hash), e.MTU)
		a.printTraits(traits)
		for _, line := range tree(e.Profile) {
			a.out.printf("%s\n", line)
		}
	}
	if !found {
		return fmt.Errorf("%s: %w", c.addr, errNoTable)
	}
	return nil
}

// jsonTraits is the output of cache show --json for a device without a stored table.
type jsonTraits struct {
	Address hci.Addr        `json:"address"`
	Traits  []connmgr.Trait `json:"traits"` // the steps that the device could not take
}

// jsonCleared is the output of cache clear --json for each table.
type jsonCleared struct {
	Cleared hci.Addr `json:"cleared"`
}

// showTraits shows the traits of a device without a stored table.
func (a *app) showTraits(addr hci.Addr, traits []connmgr.Trait) {
	if a.JSON {
		a.out.json(jsonTraits{addr, traits})
		return
	}
	a.out.printf("%s, no table\n", addr)
	a.printTraits(traits)
}

// printTraits shows a line for each step that a device could not take.
func (a *app) printTraits(traits []connmgr.Trait) {
	for _, tr := range traits {
		state := "tried again"
		if left := time.Until(tr.Until()); left > 0 {
			state = "left out for " + left.Round(time.Minute).String() + " more"
		}
		a.out.printf("could not take %s %s, %s: %s\n", tr.Step, agoText(tr.Seen), state, text.Clean(tr.Why))
	}
}

func (c *cacheCmd) clearTables(a *app, cache *servicecache.Cache) error {
	var cleared []hci.Addr
	if c.one {
		for _, addr := range c.addrs() {
			had, err := cache.Delete(addr)
			if err != nil {
				return err
			}
			traits, err := connmgr.ClearTraits(a.keptDir(), addr.String())
			if err != nil {
				return err
			}
			if had || traits {
				cleared = append(cleared, addr)
			}
		}
		if len(cleared) == 0 {
			return fmt.Errorf("%s: %w", c.addr, errNoTable)
		}
	} else {
		items, err := cache.List()
		if err != nil {
			return err
		}
		if err := cache.Clear(); err != nil {
			return err
		}
		if _, err := connmgr.ClearTraits(a.keptDir(), ""); err != nil {
			return err
		}
		for _, it := range items {
			cleared = append(cleared, it.Addr)
		}
	}
	for _, addr := range cleared {
		if a.JSON {
			a.out.json(jsonCleared{addr})
		}
	}
	if !a.JSON {
		a.out.printf("%s cleared\n", plural(len(cleared), "table"))
	}
	return nil
}
