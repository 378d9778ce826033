//go:build !minimal

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/internal/ownfile"
	"github.com/moor-ble/moor/remote"
)

// proxyKeysDir is the directory of the keys of other machines' proxies in the state
// directory, one file for each, named like the host.
const proxyKeysDir = "proxy-keys"

// proxyPrefix begins the addresses of proxies.
const proxyPrefix = remote.Prefix

// proxyKinds returns the kind of the adapters that are proxies.
func (a *app) proxyKinds() []connmgr.Kind {
	return []connmgr.Kind{remote.ESPHome(&remote.Config{Key: a.proxyKey, Client: "moor " + programVersion(), Logger: a.log})}
}

// proxyKey returns the key of the proxy with a name: from the state directory, or else from
// the environment. Without either the proxy is taken for one that does not encrypt.
func (a *app) proxyKey(name string) (*esphome.Key, error) {
	if state := a.stateDir(); state != "" {
		path := filepath.Join(state, proxyKeysDir, name)
		dir, err := ownfile.OpenNamed(filepath.Dir(path))
		var b []byte
		if err == nil {
			defer dir.Close()
			b, err = dir.ReadFile(name, maxSmallFile)
		}
		switch {
		case err == nil:
			k, err := esphome.ParseKey(string(b))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			return &k, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	text := os.Getenv("MOOR_ESPHOME_KEY")
	if text == "" {
		return nil, nil
	}
	k, err := esphome.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("$MOOR_ESPHOME_KEY: %w", err)
	}
	return &k, nil
}

// checkProxy returns an error if name cannot be the address of a proxy.
func checkProxy(name string) error {
	_, err := remote.ParseAddress(name)
	return err
}
