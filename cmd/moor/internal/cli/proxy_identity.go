//go:build !minimal

package cli

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ownfile"
)

// proxyIdentity is the identity of a proxy, which stays the same when an adapter is
// replaced: clients know the proxy again by it.
type proxyIdentity struct {
	Name string  `json:"name"`
	MAC  hci.MAC `json:"mac"`
}

// proxyHome is the directory of one proxy in the state directory.
type proxyHome struct{ dir *ownfile.Dir }

const (
	proxyIdentityFile = "identity.json"
	proxyKeyFile      = "key"
	maxSmallFile      = 1024
)

// openProxyHome opens the directory of the proxy that a command line describes, and makes
// it on the first run. Proxies with other names or other adapters have directories of
// their own.
func openProxyHome(stateDir, name string, adapters []string) (*proxyHome, error) {
	all, err := ownfile.MakeNamed(stateDir)
	if err != nil {
		return nil, err
	}
	defer all.Close()
	dir, err := all.MakeSub(proxyDir(name, adapters))
	if err != nil {
		return nil, err
	}
	return &proxyHome{dir}, nil
}

// proxyDir returns the name of that directory.
func proxyDir(name string, adapters []string) string {
	switch {
	case name != "":
		return "proxy-" + name
	case len(adapters) > 0:
		keep := func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '-'
		}
		return "proxy-" + strings.Map(keep, strings.Join(adapters, "-"))
	}
	return "proxy"
}

func (h *proxyHome) close() { h.dir.Close() }

// isNew reports whether the proxy has no identity yet.
func (h *proxyHome) isNew() bool {
	_, err := h.dir.ReadFile(proxyIdentityFile, maxSmallFile)
	return errors.Is(err, fs.ErrNotExist)
}

// identity returns the identity, which it makes on the first run. A given name replaces
// the one that was made.
func (h *proxyHome) identity(name string) (proxyIdentity, error) {
	var id proxyIdentity
	b, err := h.dir.ReadFile(proxyIdentityFile, maxSmallFile)
	switch {
	case err == nil:
		if err := json.Unmarshal(b, &id); err != nil || id.MAC == (hci.MAC{}) || id.Name == "" {
			return id, fmt.Errorf("%s is damaged: remove it, and clients will see a new proxy", filepath.Join(h.dir.Path(), proxyIdentityFile))
		}
		if name != "" {
			id.Name = name // the directory may be that of an adapter of this name
		}
		return id, nil
	case !errors.Is(err, fs.ErrNotExist):
		return id, err
	}
	_, _ = rand.Read(id.MAC[:])  // never fails
	id.MAC[5] = id.MAC[5]&^1 | 2 // locally administered, of one station
	if id.Name = name; name == "" {
		id.Name = fmt.Sprintf("moor-%02x%02x%02x", id.MAC[2], id.MAC[1], id.MAC[0])
	}
	b, err = json.Marshal(id)
	if err != nil {
		return id, err
	}
	return id, h.dir.WriteFile(proxyIdentityFile, append(b, '\n'))
}

// key returns the key, which it makes on the first run, and the file that holds it.
func (h *proxyHome) key() (k esphome.Key, path string, err error) {
	path = filepath.Join(h.dir.Path(), proxyKeyFile)
	b, err := h.dir.ReadFile(proxyKeyFile, maxSmallFile)
	switch {
	case err == nil:
		k, err = esphome.ParseKey(string(b))
		if err != nil {
			err = fmt.Errorf("%s: %w; remove the file for a new key", path, err)
		}
		return k, path, err
	case !errors.Is(err, fs.ErrNotExist):
		return k, path, err
	}
	k = esphome.NewKey()
	return k, path, h.dir.WriteFile(proxyKeyFile, []byte(k.String()+"\n"))
}
