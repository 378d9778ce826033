package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/internal/text"
)

// jsonAdapter is the output of adapters --json.
type jsonAdapter struct {
	Name        string       `json:"name"`
	Index       *int         `json:"index,omitempty"` // the kernel's
	Address     *hci.MAC     `json:"address,omitempty"`
	Bus         string       `json:"bus"`
	Driver      string       `json:"driver,omitempty"`
	Product     string       `json:"product,omitempty"`
	Up          bool         `json:"up"`
	SoftBlocked bool         `json:"rfkill_soft"`
	HardBlocked bool         `json:"rfkill_hard"`
	UserChannel bool         `json:"user_channel"`
	Holders     []jsonHolder `json:"holders,omitempty"`
	Free        bool         `json:"free"` // no other program uses it
	Error       string       `json:"error,omitempty"`
}

type jsonHolder struct {
	PID         int    `json:"pid"`
	Name        string `json:"name"`
	UserChannel bool   `json:"user_channel"`
	Sure        bool   `json:"sure"`
}

func newAdapters() *command {
	var discover bool
	cmd := newCommand(groupHere, "adapters", "List the Bluetooth adapters of this machine.", func(ctx context.Context, a *app) error {
		if discover {
			return discoverProxies(ctx, a)
		}
		return runAdapters(ctx, a)
	})
	cmd.flags.BoolVar(&discover, "discover", false, "list the Bluetooth proxies on the local network instead")
	cmd.detail = "With --adapter, only the adapters named. An adapter that the kernel does not have, such as sim:, is opened for a moment to test whether it answers."
	return cmd
}

func runAdapters(ctx context.Context, a *app) error {
	list, err := a.env.listAdapters()
	if err != nil && !a.namesOthers() {
		return err
	}
	var t table
	show := func(j *jsonAdapter, row []string) {
		if a.JSON {
			a.out.json(j)
		} else {
			t.row(row...)
		}
	}
	var missing error
	for _, name := range a.Adapters {
		d := kernelAdapter(list, name)
		switch {
		case d != nil:
			show(newJSONAdapter(d), adapterRow(d))
		case isKernelName(name):
			missing = fmt.Errorf("%s: %w", name, errNoSuchAdapter)
		default:
			j := a.probeAdapter(ctx, name)
			show(j, probeRow(j))
		}
	}
	if len(a.Adapters) == 0 {
		for i := range list {
			show(newJSONAdapter(&list[i]), adapterRow(&list[i]))
		}
		if len(list) == 0 {
			missing = errNoAdapter
		}
	}
	a.out.table(&t)
	return missing
}

var errNoSuchAdapter = errors.New("there is no such adapter on this machine")

// isKernelName reports whether name is written like an adapter of the kernel.
func isKernelName(name string) bool {
	addr, err := hcisock.ParseAddress(name)
	return err == nil && (addr.Kind == hcisock.KindIndex || addr.Kind == hcisock.KindMAC)
}

// namesOthers reports whether the command line names adapters, none of them the
// kernel's.
func (a *app) namesOthers() bool {
	return len(a.Adapters) > 0 && !slices.ContainsFunc(a.Adapters, isKernelName)
}

// isNamed reports whether name is the name or the address of d.
func isNamed(d *hcisock.Adapter, name string) bool {
	return name == d.Name || strings.EqualFold(name, d.MAC.String())
}

// kernelAdapter returns the adapter with a name or address; nil if there is none.
func kernelAdapter(list []hcisock.Adapter, name string) *hcisock.Adapter {
	i := slices.IndexFunc(list, func(d hcisock.Adapter) bool { return isNamed(&d, name) })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// probeAdapter opens an adapter that is not the kernel's and reports whether it
// answers.
func (a *app) probeAdapter(ctx context.Context, name string) *jsonAdapter {
	scheme, _, _ := strings.Cut(name, ":")
	j := &jsonAdapter{Name: name, Bus: scheme}
	tr, err := a.openTransport(ctx, name)
	if err == nil {
		var ctl *controller.Controller
		if ctl, err = controller.Open(ctx, tr, &controller.Config{Name: name, Logger: a.log, DisableExtended: a.NoExtended}); err == nil {
			j.Up, j.Free = true, true
			if mac := ctl.KnownInfo().Public; mac != (hci.MAC{}) {
				j.Address = &mac
			}
			err = ctl.Close()
		}
	}
	if err != nil {
		j.Error, j.Free = message(err), false
	}
	return j
}

func probeRow(j *jsonAdapter) []string {
	address, state := "no address", "answers"
	if j.Address != nil {
		address = j.Address.String()
	}
	if j.Error != "" {
		state = "down: " + j.Error
	}
	return []string{j.Name, address, j.Bus, state}
}

func newJSONAdapter(d *hcisock.Adapter) *jsonAdapter {
	_, claimed := hcisock.Unclaimed([]hcisock.Adapter{*d}, hcisock.Links)
	j := &jsonAdapter{
		Name: d.Name, Index: &d.Index, Bus: d.Bus, Driver: d.Driver, Product: product(d), Up: d.Up,
		SoftBlocked: d.RFKill.Soft, HardBlocked: d.RFKill.Hard, UserChannel: d.UserChannel, Free: claimed == nil,
	}
	if d.MAC != (hci.MAC{}) {
		j.Address = &d.MAC
	}
	for _, h := range d.Holders {
		j.Holders = append(j.Holders, jsonHolder{h.PID, h.Name, h.UserChannel, h.Sure})
	}
	return j
}

func adapterRow(d *hcisock.Adapter) []string {
	address := "no address"
	if d.MAC != (hci.MAC{}) {
		address = d.MAC.String()
	}
	state := []string{"down"}
	if d.Up {
		state[0] = "up"
	}
	if d.RFKill.Soft {
		state = append(state, "switched off by rfkill")
	}
	if d.RFKill.Hard {
		state = append(state, "switched off by a hardware switch")
	}
	switch {
	case d.UserChannel && len(d.Holders) == 0:
		state = append(state, "held by another process")
	case len(d.Holders) > 0:
		names := make([]string, len(d.Holders))
		for i, h := range d.Holders {
			names[i] = h.String()
		}
		state = append(state, "held by "+strings.Join(names, ", "))
	}
	return []string{d.Name, address, strings.TrimSpace(d.Bus + " " + d.Driver), strings.Join(state, ", "), text.Clean(product(d))}
}

func product(d *hcisock.Adapter) string {
	u := d.USB
	if u.Product != "" || u.Manufacturer != "" {
		return strings.TrimSpace(u.Manufacturer + " " + u.Product)
	}
	if u.VendorID != 0 {
		return fmt.Sprintf("%04x:%04x", u.VendorID, u.ProductID)
	}
	return ""
}
