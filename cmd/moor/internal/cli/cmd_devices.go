package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/internal/text"
	"github.com/moor-ble/moor/payload"
)

type devicesCmd struct {
	Duration durationArg
	Keys     keyFlags
}

func newDevices() *command {
	c := &devicesCmd{Duration: durationArg(3 * time.Second)}
	cmd := newCommand(groupAir, "devices", "List the devices heard now and by earlier commands.", c.runDevices)
	cmd.detail = "The devices heard by earlier commands are in the directory of --state."
	cmd.flag("duration", "listen for this `TIME`, default 3s; 0 uses no adapter", &c.Duration)
	c.Keys.addFlags(cmd)
	return cmd
}

// jsonDevice is the output of devices --json for each device and each adapter that
// heard it.
type jsonDevice struct {
	Adapter string `json:"adapter"`
	Average *int   `json:"rssi_average,omitempty"` // dBm
	*jsonReport
	Traits []connmgr.Trait `json:"traits,omitempty"` // the steps that the device could not take
}

func (c *devicesCmd) runDevices(ctx context.Context, a *app) error {
	keys, err := a.readKeys(ctx, &c.Keys)
	if err != nil {
		return err
	}
	if c.Duration == 0 {
		dir, err := a.readStateDir()
		if err != nil {
			return err
		}
		_ = a.repairState(dir) // keys are not read here
		kept, err := connmgr.KeptDevices(dir)
		a.printDevices(kept, keys)
		return err
	}
	return a.withManager(ctx, air{listen: true}, func(m *connmgr.Manager) error {
		t := time.NewTimer(time.Duration(c.Duration))
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done(): // the user has heard enough
		}
		a.printDevices(m.Devices(), keys)
		return a.reportDeaf(m)
	})
}

// reportDeaf shows on standard error which adapters have not scanned. If none has, that
// is its error instead.
func (a *app) reportDeaf(m *connmgr.Manager) error {
	var deaf []error
	for _, d := range m.Adapters() {
		if err := d.ScanErr(); err != nil {
			deaf = append(deaf, &connmgr.AdapterError{Adapter: d.Name(), State: connmgr.AdapterUp, Err: err})
		}
	}
	if len(deaf) == len(m.Adapters()) {
		return errors.Join(deaf...)
	}
	for _, err := range deaf {
		a.printError(message(err), advice(err))
	}
	return nil
}

// printDevices shows a row for each device and adapter.
func (a *app) printDevices(all []connmgr.Device, keys *payload.Keys) {
	var t table
	traits, err := a.keptTraits()
	if err != nil {
		a.log.Warn("traits of devices not read", "error", err)
	}
	for i := range all {
		d := &all[i]
		r, frames := deviceReport(d), d.Payloads(keys)
		if a.JSON {
			j := jsonDevice{Adapter: d.Adapter, jsonReport: newJSONReport(r, frames), Traits: connmgr.TraitsOf(traits, d.Addr)}
			j.Name = validText(d.Name)
			if d.Smoothed != connmgr.NoRSSI {
				j.Average = &d.Smoothed
			}
			a.out.json(j)
			continue
		}
		t.row(d.Addr.String(), rssiText(r.RSSI), text.Clean(d.Name), d.Adapter, agoText(d.Seen), about(r, frames))
	}
	if a.env.Terminal == nil {
		a.out.table(&t)
		return
	}
	columns, _ := a.env.Terminal()
	for _, line := range t.lines(columns) {
		a.out.printf("%s\n", line)
	}
}

// keptTraits returns the traits of all devices, from the state directory.
func (a *app) keptTraits() ([]connmgr.DeviceTraits, error) {
	if a.keptDir() == "" {
		return nil, nil
	}
	return connmgr.KeptTraits(a.keptDir())
}

// deviceReport returns the last advertisement of a device as a report.
func deviceReport(d *connmgr.Device) *controller.Report {
	r := &controller.Report{
		Time: d.Seen, Addr: d.Addr, RSSI: controller.RSSIUnknown, TxPower: controller.TxPowerUnknown,
		Connectable: d.Connectable, Scannable: d.Scannable, Data: d.Data, Response: d.Response,
	}
	if d.RSSI != connmgr.NoRSSI {
		r.RSSI = int8(d.RSSI)
	}
	return r
}

// agoText returns how long ago t was, in the largest unit that fits.
func agoText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := max(time.Since(t), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
