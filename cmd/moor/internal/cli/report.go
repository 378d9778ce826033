package cli

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moor-ble/moor/cmd/moor/internal/assigned"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/uuid"
)

// jsonReport is the output of scan --json for each report.
type jsonReport struct {
	Time         time.Time          `json:"time"`
	Address      hci.Addr           `json:"address"`
	RSSI         *int8              `json:"rssi,omitempty"` // dBm
	Name         string             `json:"name,omitempty"`
	Connectable  bool               `json:"connectable"`
	Scannable    bool               `json:"scannable"`
	Directed     bool               `json:"directed,omitempty"`
	Extended     bool               `json:"extended,omitempty"`
	Truncated    bool               `json:"truncated,omitempty"`
	Gap          bool               `json:"gap,omitempty"` // structures follow padding in data or scan_response
	PrimaryPHY   string             `json:"primary_phy,omitempty"`
	SecondaryPHY string             `json:"secondary_phy,omitempty"`
	TxPower      *int8              `json:"tx_power,omitempty"` // dBm
	Appearance   string             `json:"appearance,omitempty"`
	Services     []jsonUUID         `json:"services,omitempty"`
	Manufacturer []jsonManufacturer `json:"manufacturer,omitempty"`
	ServiceData  []jsonServiceData  `json:"service_data,omitempty"`
	Payloads     []payload.Frame    `json:"payloads,omitempty"`
	Data         string             `json:"data"` // hexadecimal
	Response     string             `json:"scan_response,omitempty"`
}

type jsonUUID struct {
	UUID uuid.UUID `json:"uuid"`
	Name string    `json:"name,omitempty"`
}

type jsonManufacturer struct {
	Company uint16 `json:"company"`
	Name    string `json:"name,omitempty"`
	Data    string `json:"data"`
}

type jsonServiceData struct {
	jsonUUID
	Data string `json:"data"`
}

func newJSONReport(r *controller.Report, payloads []payload.Frame) *jsonReport {
	j := &jsonReport{
		Time: r.Time, Address: r.Addr, Name: validText(r.Name()),
		Connectable: r.Connectable, Scannable: r.Scannable, Directed: r.Directed,
		Extended: r.Extended, Truncated: r.Truncated, Gap: r.Data.HasGap() || r.Response.HasGap(), Payloads: payloads,
		Data: hex.EncodeToString(r.Data), Response: hex.EncodeToString(r.Response),
	}
	if r.RSSI != controller.RSSIUnknown {
		j.RSSI = &r.RSSI
	}
	if r.PrimaryPHY != 0 {
		j.PrimaryPHY = r.PrimaryPHY.String()
	}
	if r.SecondaryPHY != 0 {
		j.SecondaryPHY = r.SecondaryPHY.String()
	}
	if p, ok := txPower(r); ok {
		j.TxPower = &p
	}
	j.Appearance = appearance(r)
	for _, u := range r.Services() {
		j.Services = append(j.Services, jsonUUID{u, assigned.Service(u)})
	}
	for _, m := range r.ManufacturerData() {
		j.Manufacturer = append(j.Manufacturer, jsonManufacturer{m.Company, assigned.Company(m.Company), hex.EncodeToString(m.Data)})
	}
	for _, d := range r.ServiceData() {
		j.ServiceData = append(j.ServiceData, jsonServiceData{jsonUUID{d.UUID, assigned.Service(d.UUID)}, hex.EncodeToString(d.Data)})
	}
	return j
}

// validText returns s with U+FFFD for what is not UTF-8.
func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// txPower returns the transmit power that the device advertises, in dBm.
func txPower(r *controller.Report) (int8, bool) {
	for _, data := range []hci.AdvData{r.Response, r.Data} {
		if p, ok := data.TxPower(); ok {
			return p, true
		}
	}
	return r.TxPower, r.TxPower != controller.TxPowerUnknown
}

func appearance(r *controller.Report) string {
	for _, data := range []hci.AdvData{r.Response, r.Data} {
		if v, ok := data.Appearance(); ok && v != 0 {
			return assigned.Appearance(v)
		}
	}
	return ""
}

// about describes the device of a report in a few words, besides its address and
// name: the values that it broadcasts, appearance, services, manufacturer.
func about(r *controller.Report, payloads []payload.Frame) string {
	var parts []string
	add := func(s string) {
		if s != "" && !slices.Contains(parts, s) {
			parts = append(parts, s)
		}
	}
	service := func(u uuid.UUID) string {
		if n := assigned.Service(u); n != "" {
			return n
		}
		return u.String()
	}
	for _, s := range payloadTexts(payloads) {
		add(s)
	}
	if looks := appearance(r); !strings.EqualFold(looks, r.Name()) {
		add(looks)
	}
	var last []uuid.UUID // common services, which mean little
	for _, u := range r.Services() {
		if isCommonService(u) {
			last = append(last, u)
			continue
		}
		add(service(u))
	}
	for _, d := range r.ServiceData() {
		add(service(d.UUID))
	}
	for _, m := range r.ManufacturerData() {
		add(companyText(m.Company))
	}
	for _, u := range last {
		add(service(u))
	}
	if !r.Connectable {
		add("not connectable")
	}
	return strings.Join(parts, ", ")
}

// isCommonService reports whether u is one of the services that most devices have:
// Generic Access, Generic Attribute, Device Information, Battery.
func isCommonService(u uuid.UUID) bool {
	v, ok := u.Short()
	return ok && (v == 0x1800 || v == 0x1801 || v == 0x180A || v == 0x180F)
}

func rssiText(rssi int8) string {
	if rssi == controller.RSSIUnknown {
		return "? dBm"
	}
	return fmt.Sprintf("%d dBm", rssi)
}
