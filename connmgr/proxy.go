package connmgr

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/smp"
)

// Proxy is an hci.Transport whose radio is at the far end of a network, with a host of its
// own: it plays a controller, and has the following that HCI cannot express. Its methods
// may be called from any goroutine. Package remote has such a kind.
type Proxy interface {
	// Slots returns the number of links that the Manager may have there now, those that it
	// has included, and a channel that is closed when the number changes.
	Slots() (n int, changed <-chan struct{})
	// Refusal returns why the proxy makes no links at all, an error that package errclass
	// knows; nil if it does.
	Refusal() error
	// Explain returns the error of a dial in the words of the proxy, or err if the proxy has
	// reported nothing about it.
	Explain(peer hci.Addr, err error) error
	// Pair has the far end pair with a device to which there is a link. It keeps the bond,
	// and does nothing if there is one.
	Pair(ctx context.Context, peer hci.MAC) error
	// Unpair removes the bond with a device at the far end.
	Unpair(ctx context.Context, peer hci.MAC) error
	// ForgetTable removes the attribute table of a device at the far end. It does not wait.
	ForgetTable(peer hci.MAC)
	// Lacks returns the reason, with its remedy, for the failure of all that the proxy
	// cannot do; see controller.Lacks.
	Lacks() error
}

// ErrProxyPairing means that a pairing demands protection that a proxy does not have.
var ErrProxyPairing error = &errclass.RemoteError{
	Kind: errclass.KindOther, // no further attempt would do
	Text: "a Bluetooth proxy pairs without a passkey, and so without protection against a man in the middle: " +
		"pair through a local adapter, or leave the protection out",
}

// Proxy returns the proxy behind the adapter; nil for a local adapter, and for one that is
// not up.
func (a *Adapter) Proxy() Proxy {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != AdapterUp {
		return nil
	}
	return a.proxy
}

// proxyOf returns the transport as a Proxy; nil if it is none.
func proxyOf(tr hci.Transport) Proxy {
	p, _ := tr.(Proxy)
	return p
}

// proxySlots is Proxy.Slots within Config.Slots.
func (a *Adapter) proxySlots(p Proxy) (n int, changed <-chan struct{}) {
	n, changed = p.Slots()
	if most, ok := a.m.cfg.Slots[a.name]; ok {
		n = min(n, most)
	}
	return n, changed
}

// followSlots gives the adapter as many slots as its proxy reports, until the host ends.
func (a *Adapter) followSlots(ctx context.Context, h *host.Host, p Proxy) {
	for {
		n, changed := a.proxySlots(p)
		a.m.slots.SetLimit(a.name, n)
		select {
		case <-changed:
		case <-h.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// pairByProxy has the proxy pair with the device.
func (c *Client) pairByProxy(ctx context.Context, o *smp.PairOptions) (*smp.Result, error) {
	sm := c.link.conn.SMP()
	if o != nil && (o.MITM || o.OOB != nil) || sm != nil && sm.NeedsMITM(o) {
		return nil, fmt.Errorf("connmgr: pair %v through %s: %w", c.Address(), c.Adapter(), ErrProxyPairing)
	}
	if o != nil && o.Replace {
		if err := c.link.proxy.Unpair(ctx, c.Address().MAC); err != nil {
			return nil, err
		}
	}
	if err := c.link.proxy.Pair(ctx, c.Address().MAC); err != nil {
		return nil, err
	}
	return &smp.Result{Method: smp.JustWorks, Security: pairedByProxy}, nil
}

// pairedByProxy is the security of a link after a pairing by its proxy, which does not tell
// how long the key is.
var pairedByProxy = smp.Security{Encrypted: true, Bonded: true}

// Proxied reports whether the link is that of a Bluetooth proxy, which keeps the bonds with
// devices. See Proxy.
func (c *Client) Proxied() bool { return c.link.proxy != nil }

// forgetTables has the proxies forget the attribute table of a device.
func (m *Manager) forgetTables(peer hci.MAC) {
	for _, a := range m.Adapters() {
		if p := a.Proxy(); p != nil {
			p.ForgetTable(peer)
		}
	}
}
