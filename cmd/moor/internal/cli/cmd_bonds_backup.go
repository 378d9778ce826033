package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ownfile"
	"github.com/moor-ble/moor/smp"
)

// jsonExported is the output of bonds export --json into a file.
type jsonExported struct {
	Exported int `json:"exported"` // bonds
}

// jsonImported is the output of bonds import --json.
type jsonImported struct {
	Imported int `json:"imported"` // bonds
}

// exportBonds writes the bonds of all adapters, or those with one device, as a list.
func (c *bondsCmd) exportBonds(a *app, stores []*smp.FileStore) error {
	all, n := []json.RawMessage{}, 0
	for _, s := range stores {
		var peers []hci.Addr
		if c.one {
			for _, b := range findBonds([]*smp.FileStore{s}, c.addr) {
				peers = append(peers, b.Peer)
			}
			if len(peers) == 0 {
				continue
			}
		}
		var b bytes.Buffer
		if err := smp.Export(&b, s, peers...); err != nil {
			return err
		}
		var bonds []json.RawMessage
		if err := json.Unmarshal(b.Bytes(), &bonds); err != nil {
			return err
		}
		all = append(all, bonds...)
		n += len(bonds)
	}
	if c.one && n == 0 {
		return fmt.Errorf("%s: %w", c.addr, errNoBond)
	}
	b, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if c.File == "" {
		a.out.writeBytes(b)
		return nil
	}
	if err := replaceExport(c.File, b); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if a.JSON {
		a.out.json(jsonExported{n})
	} else {
		a.out.printf("%s exported\n", plural(n, "bond"))
	}
	return nil
}

// replaceExport writes an export, in place of an earlier one.
func replaceExport(name string, b []byte) error {
	isList := func(start []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(start), []byte("[")) }
	if err := checkReplaces(name, "export of bonds", isList); err != nil {
		return err
	}
	return ownfile.Replace(name, b)
}

var errEmptyInput = errors.New("import: the input is empty: give it what bonds export writes")

var errNoInput = errors.New("import: there is no input: name a file with --file")

// importBonds reads the list that exportBonds writes. Each bond goes to the adapter
// that it was made with.
func (c *bondsCmd) importBonds(ctx context.Context, a *app, stores []*smp.FileStore) error {
	b, err := c.readBonds(ctx, a)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return errEmptyInput
	}
	var bonds []json.RawMessage
	if err := json.Unmarshal(b, &bonds); err != nil {
		return fmt.Errorf("import: not a list of bonds: %w", jsonError(err))
	}
	parts := make(map[*smp.FileStore][]json.RawMessage)
	for i, bond := range bonds {
		var of struct{ Local hci.Addr }
		if err := json.Unmarshal(bond, &of); err != nil {
			return fmt.Errorf("import: bond %d: %w", i+1, jsonError(err))
		}
		k := slices.IndexFunc(stores, func(s *smp.FileStore) bool { return s.Identity().Addr == of.Local })
		if k < 0 {
			return fmt.Errorf("import: bond %d belongs to the adapter %v, which has not been used with this state: run any command with it first", i+1, of.Local)
		}
		parts[stores[k]] = append(parts[stores[k]], bond)
	}
	n := 0
	for _, s := range stores {
		if parts[s] == nil {
			continue
		}
		part, err := json.Marshal(parts[s])
		if err != nil {
			return err
		}
		saved, err := smp.Import(bytes.NewReader(part), s)
		n += saved
		if err != nil {
			return err
		}
	}
	if a.JSON {
		a.out.json(jsonImported{n})
	} else {
		a.out.printf("%s imported\n", plural(n, "bond"))
	}
	return nil
}

// jsonError describes a mistake in JSON, without the names of Go types.
func jsonError(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("unexpected JSON %s", wrong.Value)
	}
	return err
}

// readBonds returns the bonds to import: the file of --file, or else standard input.
func (c *bondsCmd) readBonds(ctx context.Context, a *app) ([]byte, error) {
	if c.File != "" {
		b, err := a.readSecret(ctx, c.File)
		if err != nil {
			return nil, fmt.Errorf("import: %w", err)
		}
		return b, nil
	}
	if a.env.Stdin == nil {
		return nil, errNoInput
	}
	a.note("reading bonds from standard input, Ctrl-D ends")
	b, err := runInterruptible(ctx, func() ([]byte, error) { return readInput(a.env.Stdin) })
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("import: standard input: %w", err)
	}
	return b, err
}
