package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/moor-ble/moor/cmd/moor/internal/assigned"
	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/internal/text"
)

type infoCmd struct{ peer }

// infoColumn is the column of the answers: after "data length" and two spaces.
const infoColumn = 13

func newInfo() *command {
	c := &infoCmd{}
	cmd := newCommand(groupPeer, "info", "Show version, features, PHY, packet sizes, RSSI and connection parameters.", c.runInfo)
	c.addArgs(cmd)
	return cmd
}

// jsonInfo is the output of info --json. Questions that the device or the
// controller did not answer are in Unanswered.
type jsonInfo struct {
	jsonParams
	inUse      hci.ConnParamsInUse // the source of jsonParams
	Own        hci.Addr            `json:"own_address"` // on air
	Role       string              `json:"role"`
	Version    string              `json:"version,omitempty"`
	Company    string              `json:"company,omitempty"`
	CompanyID  *uint16             `json:"company_id,omitempty"`
	Subversion *uint16             `json:"subversion,omitempty"`
	Features   []string            `json:"features,omitzero"` // empty if there are none
	TX         string              `json:"tx_phy"`
	RX         string              `json:"rx_phy"`
	MaxTX      uint16              `json:"max_tx_octets"`
	MaxRX      uint16              `json:"max_rx_octets"`
	MTU        int                 `json:"mtu"`
	RSSI       *int8               `json:"rssi,omitempty"`
	Encrypted  bool                `json:"encrypted"`
	// ExtendedRefused is the refusal that has made this host use the legacy commands.
	ExtendedRefused string `json:"extended_refused,omitempty"`
	// CodedRefused is the refusal that has made this host do without the coded PHY.
	CodedRefused string            `json:"coded_refused,omitempty"`
	Unanswered   map[string]string `json:"unanswered,omitempty"`
}

func (c *infoCmd) runInfo(ctx context.Context, a *app) error {
	// The questions belong to the attempt: a device that ends the link over one of them
	// is connected to again.
	var info *jsonInfo
	o := linkOptions()
	o.Ready = func(ctx context.Context, conn *connmgr.Client) (err error) {
		info, err = collectInfo(ctx, conn.Conn())
		return err
	}
	return a.withManagedClient(ctx, &c.peer, o, func(m *connmgr.Manager, conn *connmgr.Client) error {
		if ctl := m.Adapter(conn.Adapter()).Controller(); ctl != nil {
			own := ctl.Info()
			if own.ExtendedRefused != nil {
				info.ExtendedRefused = message(own.ExtendedRefused)
			}
			if own.CodedRefused != nil {
				info.CodedRefused = message(own.CodedRefused)
			}
		}
		if a.JSON {
			a.out.json(info)
			return nil
		}
		t := info.infoTable()
		if a.env.Terminal == nil {
			a.out.table(t)
			return nil
		}
		columns, _ := a.env.Terminal()
		for _, line := range t.wrapped(infoColumn, columns) {
			a.out.printf("%s\n", line)
		}
		return nil
	})
}

// collectInfo asks the device and the controller all questions. A question that gets
// no answer is noted, and only the loss of the link ends the others.
func collectInfo(ctx context.Context, c *host.Conn) (*jsonInfo, error) {
	info := &jsonInfo{Role: c.Link().Role().String(), Unanswered: map[string]string{}}
	ok := func(what string, err error) bool {
		if err != nil {
			info.Unanswered[what] = err.Error()
		}
		return err == nil
	}
	if v, err := c.Link().RemoteVersion(ctx); ok("version", err) {
		info.Version = versionText(v.Version)
		info.Company, info.CompanyID, info.Subversion = assigned.Company(v.Manufacturer), &v.Manufacturer, &v.Subversion
	}
	if f, err := c.Link().RemoteFeatures(ctx); ok("features", err) {
		info.Features = append([]string{}, f.Names()...)
	}
	if mtu, err := c.GATT().ExchangeMTU(ctx); ok("mtu", err) {
		info.MTU = mtu
	} else {
		info.MTU = c.Bearer().MTU()
	}
	// The PHY and the data length are those that the two controllers can agree on.
	_ = c.Link().Tune(ctx, controller.TuneOptions{DataLength: true, PHY2M: true})
	if rssi, err := c.Link().RSSI(ctx); ok("rssi", err) && rssi != controller.RSSIUnknown {
		info.RSSI = &rssi
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s := c.Link().State()
	info.jsonParams, info.inUse = newJSONParams(c.Peer(), s.Params), s.Params
	info.TX, info.RX, info.MaxTX, info.MaxRX = s.TX.String(), s.RX.String(), s.MaxTX, s.MaxRX
	info.Encrypted = s.Encrypted
	info.Own, _ = c.Link().OnAir()
	return info, nil
}

func (i *jsonInfo) infoTable() *table {
	t := &table{}
	put := func(name, what, value string) {
		if value == "" {
			value = "unknown: " + i.Unanswered[what]
		}
		t.row(name, text.DropPackages(value))
	}
	put("address", "", i.Address.String()+", "+addrText(i.Address))
	put("own address", "", i.Own.String())
	put("version", "version", i.Version)
	if i.CompanyID != nil {
		put("link layer", "", fmt.Sprintf("%s, subversion 0x%04x", companyText(*i.CompanyID), *i.Subversion))
	}
	features := strings.Join(i.Features, ", ")
	if features == "" && i.Features != nil {
		features = "none"
	}
	put("features", "features", features)
	if i.ExtendedRefused != "" {
		put("commands", "", "legacy, because the extended ones were refused: "+i.ExtendedRefused)
	}
	if i.CodedRefused != "" {
		put("coded PHY", "", "not used, because it was refused: "+i.CodedRefused)
	}
	put("PHY", "", i.TX+" out, "+i.RX+" in")
	put("data length", "", fmt.Sprintf("%d octets out, %d octets in", i.MaxTX, i.MaxRX))
	put("MTU", "", octets(i.MTU))
	if _, unanswered := i.Unanswered["rssi"]; i.RSSI != nil || unanswered {
		signal := ""
		if i.RSSI != nil {
			signal = fmt.Sprintf("%d dBm", *i.RSSI)
		}
		put("RSSI", "rssi", signal)
	}
	put("interval", "", i.inUse.Interval.String())
	put("latency", "", fmt.Sprintf("%d intervals", i.Latency))
	put("timeout", "", i.inUse.Timeout.String())
	encrypted := "no"
	if i.Encrypted {
		encrypted = "yes"
	}
	put("encrypted", "", encrypted)
	return t
}

func versionText(v uint8) string {
	if n := assigned.Version(v); n != "" {
		return "Bluetooth " + n
	}
	return fmt.Sprintf("link layer version 0x%02x", v)
}

func companyText(id uint16) string {
	if n := assigned.Company(id); n != "" {
		return n
	}
	return fmt.Sprintf("company 0x%04x", id)
}

// addrText names the type of address a (Vol 6, Part B, 1.3).
func addrText(a hci.Addr) string {
	switch {
	case a.IsStatic():
		return "static random address"
	case a.IsResolvable():
		return "resolvable private address"
	case a.IsNonResolvable():
		return "non-resolvable private address"
	}
	return "public address"
}
