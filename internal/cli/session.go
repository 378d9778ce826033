package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

const (
	// findTime is how long a device is searched for on air to learn the kind of
	// its address. Advertising intervals go up to 10.24 s; few devices use more
	// than 2 s.
	findTime = 10 * time.Second
	// dials is how often a connection that fails to be established (0x3E) is
	// tried: the radio missed the first packets, and the next attempt may not.
	dials = 4
)

// open opens the controller at address: one that the environment has, or any
// that hcisock and sim know.
func (a *app) open(ctx context.Context, address string) (hci.Transport, error) {
	if a.env.Open != nil {
		return a.env.Open(ctx, address)
	}
	if scenario, ok := strings.CutPrefix(address, "sim:"); ok {
		return sim.Open(scenario)
	}
	return hcisock.Open(ctx, address, &hcisock.Config{Logger: a.log})
}

// adapter returns the address of the controller to use: the one asked for, or
// the first one of the kernel's that is free. If none is, opening the first
// one says why.
func (a *app) adapter() (string, error) {
	if a.Adapter != "" {
		return a.Adapter, nil
	}
	list, err := hcisock.Adapters()
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "", errNoAdapter
	}
	for i := range list {
		if list[i].Free() {
			return list[i].Name, nil
		}
	}
	return list[0].Name, nil
}

var errNoAdapter = errors.New("there is no Bluetooth adapter on this machine")

// withHost runs f with an open controller and closes it afterwards.
func (a *app) withHost(ctx context.Context, f func(h *host.Host) error) error {
	address, err := a.adapter()
	if err != nil {
		return err
	}
	return a.withCapture(func(capture *os.File) error {
		cfg := hci.Config{Name: address, Logger: a.log}
		if capture != nil {
			cfg.Snoop = capture
		}
		tr, err := a.open(ctx, address)
		if err != nil {
			return err
		}
		h, err := host.Open(ctx, traced(ctx, tr, a.log), &host.Config{HCI: cfg})
		if err != nil {
			return err
		}
		err = f(h)
		if e := h.Close(); err == nil {
			err = e
		}
		return err
	})
}

// withPeer runs f with a connection to the device at p, which ends afterwards.
func (a *app) withPeer(ctx context.Context, p peerArg, f func(c *host.Conn) error) error {
	return a.withHost(ctx, func(h *host.Host) error {
		addr, err := a.resolve(ctx, h, p)
		if err != nil {
			return err
		}
		c, err := a.dial(ctx, h, addr)
		if err != nil {
			return err
		}
		err = f(c)
		if e := c.Close(); err == nil {
			err = e
		}
		return err
	})
}

// dial connects, and again where the connection is not established.
func (a *app) dial(ctx context.Context, h *host.Host, addr hci.Addr) (*host.Conn, error) {
	for n := 1; ; n++ {
		c, err := dialOnce(ctx, h, addr)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, hci.StatusFailedToEstablish) {
			return nil, err
		}
		if n == dials {
			return nil, fmt.Errorf("%w, %d times in a row", err, n)
		}
		a.note("%v: attempt %d of %d", hci.StatusFailedToEstablish, n+1, dials)
	}
}

// dialOnce connects. The controller calls a link made when it has sent the
// request for it; whether the peer has heard that shows with the peer's first
// answer, here to the MTU exchange, which has to come first anyway.
func dialOnce(ctx context.Context, h *host.Host, addr hci.Addr) (*host.Conn, error) {
	c, err := h.Connect(ctx, addr, nil)
	if err != nil {
		return nil, err
	}
	_, err = c.GATT().ExchangeMTU(ctx)
	switch {
	case c.Err() != nil:
		return nil, c.Err()
	case err != nil && ctx.Err() != nil:
		return nil, errors.Join(err, c.Close())
	}
	// A server that refuses the exchange is used with the smallest MTU.
	return c, nil
}

// resolve returns p with the kind of its address. If that was not written, it
// is the kind remembered in --state, or else the one that is seen on air.
func (a *app) resolve(ctx context.Context, h *host.Host, p peerArg) (hci.Addr, error) {
	if p.Known {
		return p.Addr, nil
	}
	seen, err := a.openSeen()
	if err != nil {
		return hci.Addr{}, err
	}
	if addr, ok := seen.find(p.Addr.MAC); ok {
		return addr, nil
	}
	a.note("searching for %s", p.Addr.MAC)
	public, random := p.Addr, p.Addr
	public.Kind, random.Kind = hci.AddrPublic, hci.AddrRandom
	within, cancel := context.WithTimeoutCause(ctx, findTime, errNotSeen)
	defer cancel()
	s, err := h.Scan(within, &hci.ScanOptions{Filter: &hci.ScanFilter{Addrs: []hci.Addr{public, random}}})
	if err != nil {
		return hci.Addr{}, err
	}
	defer s.Close()
	r, err := s.Next(within)
	switch {
	case err == nil:
		addr := r.Addr.Identity()
		return addr, seen.add(addr)
	case errors.Is(err, errNotSeen):
		return hci.Addr{}, &notSeenError{p.Addr.MAC, findTime}
	}
	return hci.Addr{}, err
}

var errNotSeen = errors.New("not seen")

// notSeenError says that a device did not advertise.
type notSeenError struct {
	mac  hci.MAC
	time time.Duration
}

func (e *notSeenError) Error() string {
	return fmt.Sprintf("%v was not seen on air within %v", e.mac, e.time)
}
