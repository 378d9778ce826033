package remote

import (
	"context"
	"fmt"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
)

// greetings are the answers that a proxy gives at the beginning. Each channel is closed once
// its answer has come.
type greetings struct {
	hello, info, scanner, slots chan struct{}
	helloed                     esphome.HelloResponse
	told                        esphome.DeviceInfoResponse
}

func newGreetings() greetings {
	return greetings{make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{}), esphome.HelloResponse{}, esphome.DeviceInfoResponse{}}
}

// isOpen reports whether the answer of a channel of greetings has still to come.
func isOpen(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	default:
		return true
	}
}

// closeOnce closes a channel of greetings that is open.
func closeOnce(c chan struct{}) {
	if isOpen(c) {
		close(c)
	}
}

// take takes the answers that describe the proxy. The first ones count: they do not change
// once their channel is closed.
func (g *greetings) take(m esphome.Message) {
	switch m := m.(type) {
	case *esphome.HelloResponse:
		if isOpen(g.hello) {
			g.helloed = *m
			close(g.hello)
		}
	case *esphome.DeviceInfoResponse:
		if isOpen(g.info) {
			g.told = *m
			close(g.info)
		}
	}
}

// subscribe greets the proxy, learns what it can, and subscribes to advertisements and
// slots. r.mu must not be held.
func (r *radio) subscribe(ctx context.Context) error {
	r.sendNow(&esphome.HelloRequest{Client: r.cfg.Client, Major: esphome.APIMajor, Minor: esphome.APIMinor}, &esphome.AuthenticationRequest{}, &esphome.DeviceInfoRequest{})
	if err := r.await(ctx, r.greetings.hello); err != nil {
		return err
	}
	if major := r.greetings.helloed.Major; major > 2 {
		return fmt.Errorf("the proxy speaks version %d of the API: update this program", major)
	}
	if err := r.await(ctx, r.greetings.info); err != nil {
		return err
	}
	r.mu.Lock()
	r.info = r.greetings.told
	r.name = nodeName(&r.info, r.conn)
	if !r.can(esphome.FlagRawAdvertisements) {
		r.mu.Unlock()
		return fmt.Errorf("%s is no Bluetooth proxy, or its firmware is older than 2023.6: see the component bluetooth_proxy in its configuration", r.name)
	}
	r.supported = r.supportedCommands()
	r.mu.Unlock()
	r.sendNow(&esphome.SubscribeAdvertisements{Flags: 1})
	if r.can(esphome.FlagConnections) {
		r.sendNow(&esphome.SubscribeSlots{})
	}
	if r.can(esphome.FlagScannerState) {
		within, cancel := context.WithTimeoutCause(ctx, confirmAfter, ErrTaken)
		defer cancel()
		if err := r.await(within, r.greetings.scanner); err != nil {
			return err
		}
	}
	if r.can(esphome.FlagConnections) {
		if err := r.await(ctx, r.greetings.slots); err != nil {
			return err
		}
	}
	r.log.Debug("proxy is ready", "proxy", r.name, "model", r.info.Model, "version", r.info.Version, "flags", r.info.Proxy)
	return nil
}

// can reports whether the proxy has a feature. Old ones without the flag of connections
// have none.
func (r *radio) can(f esphome.ProxyFlags) bool { return r.info.Proxy&f == f }

func (r *radio) sendNow(ms ...esphome.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.send(ms...)
}

// await waits for an answer. r.mu must not be held.
func (r *radio) await(ctx context.Context, answer <-chan struct{}) error {
	select {
	case <-answer:
		return nil
	case <-r.done:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// radioAddress returns the address of the proxy's radio; zero if the proxy does not tell it.
func (r *radio) radioAddress() hci.MAC {
	for _, s := range []string{r.info.BluetoothMAC, r.info.MAC} {
		if m, err := hci.ParseMAC(s); err == nil {
			return m
		}
	}
	return hci.MAC{}
}
