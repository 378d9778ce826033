package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// jsonAdapter is what adapters writes with --json.
type jsonAdapter struct {
	Name        string       `json:"name"`
	Index       int          `json:"index"`
	Address     *hci.MAC     `json:"address,omitempty"`
	Bus         string       `json:"bus"`
	Driver      string       `json:"driver,omitempty"`
	Product     string       `json:"product,omitempty"`
	Up          bool         `json:"up"`
	SoftBlocked bool         `json:"rfkill_soft"`
	HardBlocked bool         `json:"rfkill_hard"`
	UserChannel bool         `json:"user_channel"`
	Holders     []jsonHolder `json:"holders,omitempty"`
	Free        bool         `json:"free"` // taken by commands that name none
}

type jsonHolder struct {
	PID         int    `json:"pid"`
	Name        string `json:"name"`
	UserChannel bool   `json:"user_channel"`
	Sure        bool   `json:"sure"`
}

func runAdapters(_ context.Context, a *app) error {
	list, err := a.env.adapters()
	if err != nil {
		return err
	}
	var t table
	for i := range list {
		if a.JSON {
			a.out.json(newJSONAdapter(&list[i]))
		} else {
			t.row(adapterRow(&list[i])...)
		}
	}
	a.out.table(&t)
	if len(list) == 0 {
		return errNoAdapter
	}
	return nil
}

func newJSONAdapter(d *hcisock.Adapter) *jsonAdapter {
	_, claimed := hcisock.Unclaimed([]hcisock.Adapter{*d}, hcisock.Links)
	j := &jsonAdapter{
		Name: d.Name, Index: d.Index, Bus: d.Bus, Driver: d.Driver, Product: product(d), Up: d.Up,
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
	return []string{d.Name, address, strings.TrimSpace(d.Bus + " " + d.Driver), strings.Join(state, ", "), clean(product(d))}
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
