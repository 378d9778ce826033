//go:build minimal

package cli

import (
	"context"
	"errors"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
)

func newLab() *command {
	return leftOut(groupAir, "lab", "Run a scenario in real time: left out of this program.")
}

func newProxy() *command {
	return leftOut(groupAir, "proxy", "Serve the adapters as a Bluetooth proxy: left out of this program.")
}

// discoverProxies says that it is left out.
func discoverProxies(context.Context, *app) error {
	return errors.New("this program was built without --discover: build it without the tag minimal")
}

// proxyPrefix begins the addresses of proxies, which a small program does not reach.
const proxyPrefix = "esphome:"

func (a *app) proxyKinds() []connmgr.Kind {
	return []connmgr.Kind{{Prefix: proxyPrefix, Open: func(_ context.Context, name string) (hci.Transport, error) { return nil, checkProxy(name) }}}
}

func checkProxy(name string) error {
	return errors.New(name + ": this program was built without proxies: build it without the tag minimal")
}

// leftOut is a command that a program built with the tag minimal does not have.
func leftOut(group, name, help string) *command {
	err := errors.New("this program was built without " + name + ": build it without the tag minimal")
	cmd := newCommand(group, name, help, func(context.Context, *app) error { return err })
	cmd.args = []arg{{name: "word", help: "anything", many: true, set: func(string) error { return nil }}}
	cmd.flags.ParseErrorsAllowlist.UnknownFlags = true
	return cmd
}
