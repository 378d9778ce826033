//go:build !minimal

package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/mdns"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/proxy"
)

// discoverTime is how long proxies have to answer.
const discoverTime = 3 * time.Second

var errNoProxy = errors.New("no Bluetooth proxy on the local network has answered within 3 s")

// jsonProxy is the output of adapters --discover --json.
type jsonProxy struct {
	Name      string       `json:"name"`
	Address   netip.Addr   `json:"address"` // the first of Addresses
	Port      uint16       `json:"port"`
	MAC       *hci.MAC     `json:"mac,omitempty"`
	Version   string       `json:"version,omitempty"`
	Encrypted bool         `json:"encrypted"` // it needs a key
	Addresses []netip.Addr `json:"addresses"`
}

// discoverProxies lists the proxies on the local network.
func discoverProxies(ctx context.Context, a *app) error {
	within, cancel := context.WithTimeout(ctx, discoverTime)
	defer cancel()
	found, err := mdns.Browse(within, proxy.ServiceType)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	var t table
	n := 0
	for i := range found {
		j, ok := newJSONProxy(&found[i])
		if !ok {
			continue
		}
		n++
		if a.JSON {
			a.out.json(j)
			continue
		}
		mac, security := "no address", "without encryption"
		if j.MAC != nil {
			mac = j.MAC.String()
		}
		if j.Encrypted {
			security = "encrypted"
		}
		t.row(j.Name, netip.AddrPortFrom(j.Address, j.Port).String(), mac, j.Version, security)
	}
	a.out.table(&t)
	if n == 0 {
		return errNoProxy
	}
	return nil
}

// newJSONProxy returns what a proxy says of itself. ok is false for one without an
// address.
func newJSONProxy(f *mdns.Found) (j *jsonProxy, ok bool) {
	if len(f.Addrs) == 0 {
		return nil, false
	}
	j = &jsonProxy{Name: text.Clean(f.Instance), Address: f.Addrs[0], Addresses: f.Addrs, Port: f.Port}
	for _, line := range f.Text {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "mac":
			if b, err := hex.DecodeString(value); err == nil && len(b) == len(hci.MAC{}) {
				slices.Reverse(b)
				mac := hci.MAC(b)
				j.MAC = &mac
			}
		case "version":
			j.Version = text.Clean(value)
		case "api_encryption":
			j.Encrypted = value != ""
		}
	}
	return j, true
}
