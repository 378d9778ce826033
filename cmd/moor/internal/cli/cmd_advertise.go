package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/payload"
)

type advertiseCmd struct {
	words         wordList
	Name          string
	Services      uuidList
	Manufacturers companyDataList
	Interval      durationArg
	Power         rssiArg
	Extended      bool
	Coded         bool
	Periodic      hexArg
	Duration      durationArg
}

func newAdvertise() *command {
	c := &advertiseCmd{}
	cmd := newCommand(groupAir, "advertise", "Broadcast as a beacon.", c.runAdvertise)
	cmd.detail = `A set is one of: ibeacon UUID MAJOR MINOR; eddystone-url URL; eddystone-uid NAMESPACE INSTANCE, of 20 and 12 hexadecimal digits; raw HEX, the whole advertising data. A plus sign between spaces separates sets: moor advertise ibeacon UUID 1 2 + eddystone-url https://example.com. Without a set, --name, --service and --manufacturer are the advertising data; with sets, the scan response of each.

The flags are the same for all sets. Nobody can connect. Several sets need an adapter with extended advertising, although each set may advertise as older devices do. If the adapter fails or is unplugged, moor waits until it is back, and goes on; with --json, event is then lost and back.`
	cmd.args = append(cmd.args, arg{name: "set", help: "what to broadcast", many: true, set: func(w string) error { c.words = append(c.words, w); return nil }})
	cmd.flags.StringVar(&c.Name, "name", "", "advertise this name `TEXT`")
	cmd.flag("service", "advertise this service `UUID`; may be repeated", &c.Services)
	cmd.flag("manufacturer", "advertise data of a company (`ID=HEX`, such as 0x004c=0102); may be repeated", &c.Manufacturers)
	cmd.flag("interval", "advertise once in this `TIME`, default 100ms", &c.Interval)
	cmd.flag("power", "signal strength of ibeacon and eddystone at a distance of 1 m in `DBM`, default -59", &c.Power)
	cmd.flags.BoolVar(&c.Extended, "extended", false, "use extended advertising, for more than 31 octets; only devices of Bluetooth 5 hear it")
	cmd.flags.BoolVar(&c.Coded, "coded", false, "use the coded physical layer, which reaches further; implies --extended")
	cmd.flag("periodic", "send `HEX` by periodic advertising too, for those who follow it (moor scan --sync); implies --extended", &c.Periodic)
	cmd.flag("duration", "stop after this `TIME`; the default is to go on until Ctrl-C", &c.Duration)
	return cmd
}

// wordList is the words of the sets.
type wordList []string

// hexArg is octets in hexadecimal.
type hexArg []byte

// UnmarshalText reads hexadecimal digits.
func (h *hexArg) UnmarshalText(b []byte) (err error) {
	*h, err = parseHex([]string{string(b)})
	if err == nil && len(*h) == 0 {
		err = fmt.Errorf("%q has no octets", b)
	}
	return err
}

// companyDataList is manufacturer data of a flag that may be repeated.
type companyDataList []hci.ManufacturerData

// UnmarshalText adds data, written ID=HEX.
func (l *companyDataList) UnmarshalText(b []byte) error {
	company, data, ok := strings.Cut(string(b), "=")
	if !ok {
		return fmt.Errorf("%q has no data: write ID=HEX, such as 0x004c=0102", b)
	}
	var ids companyList
	if err := ids.UnmarshalText([]byte(company)); err != nil {
		return err
	}
	octets, err := parseHex([]string{data})
	if err != nil {
		return err
	}
	*l = append(*l, hci.ManufacturerData{Company: ids[0], Data: octets})
	return nil
}

// advertised is a set that is to be advertised.
type advertised struct {
	text string // for people
	id   payload.ID
	opts controller.AdvertiseOptions
}

// jsonAdvertised is the output of advertise --json for each set.
type jsonAdvertised struct {
	Time     time.Time  `json:"time"`
	Event    string     `json:"event"` // advertising
	Adapter  string     `json:"adapter"`
	Address  hci.Addr   `json:"address"`
	ID       payload.ID `json:"id,omitempty"`
	Extended bool       `json:"extended"`
	Coded    bool       `json:"coded,omitempty"`
	Interval float64    `json:"interval_ms"`
	Data     string     `json:"data"` // hexadecimal
	Response string     `json:"scan_response,omitempty"`
	Periodic string     `json:"periodic,omitempty"`
}

// runAdvertise advertises the sets until Ctrl-C, which is a regular end.
func (c *advertiseCmd) runAdvertise(ctx context.Context, a *app) error {
	sets, err := c.sets()
	if err != nil {
		return &usageError{err}
	}
	names, err := a.adapterNames()
	if err != nil {
		return err
	}
	if len(a.Adapters) > 1 {
		return usagef("advertise uses one adapter: name one with --adapter")
	}
	capture, err := a.openCapture(ctx)
	if err != nil {
		return err
	}
	within := ctx
	if c.Duration > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeoutCause(ctx, time.Duration(c.Duration), errEnough)
		defer cancel()
	}
	held := &heldAdapter{
		a: a, name: names[0],
		open: func(ctx context.Context, tr hci.Transport) (*controller.Controller, func() error, error) {
			ctl, err := controller.Open(ctx, tr, &controller.Config{
				Name: names[0], Logger: a.log, Snoop: capture.writer(), SnoopKeys: a.SnoopKeys, DisableExtended: a.NoExtended,
			})
			if err != nil {
				return nil, nil, err
			}
			return ctl, ctl.Close, nil
		},
		use: func(ctx context.Context, ctl *controller.Controller) error {
			return c.advertise(ctx, a, ctl, names[0], sets)
		},
	}
	err = held.hold(within)
	if ctx.Err() == nil && within.Err() != nil && errors.Is(err, errEnough) {
		err = nil // the time was over while the adapter was opened
	}
	return a.closeCapture(capture, err)
}

// addressTime is how long a private address is used.
const addressTime = 15 * time.Minute

// advertise starts the sets and waits for their end.
func (c *advertiseCmd) advertise(ctx context.Context, a *app, ctl *controller.Controller, adapter string, sets []advertised) error {
	if a.Privacy {
		if err := ctl.UsePrivateAddresses(ctx, nonResolvable, addressTime); err != nil {
			return err
		}
	}
	ended := make(chan error, len(sets))
	for i := range sets {
		s, err := ctl.AddAdvertising(ctx, &sets[i].opts)
		if err != nil {
			return err
		}
		go func() { // ends with the controller at the latest
			<-s.Done()
			ended <- s.Err()
		}()
	}
	own, err := ctl.OwnAddress(ctx)
	if err != nil {
		return err
	}
	c.showSets(a, adapter, own, sets)
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	return err
}

// nonResolvable returns a new non-resolvable private address (Vol 6, Part B, 1.3.2.2).
func nonResolvable() (m hci.MAC) {
	_, _ = rand.Read(m[:]) // never fails
	m[5] &= 0x3F
	return m
}

// showSets shows what is advertised.
func (c *advertiseCmd) showSets(a *app, adapter string, own hci.Addr, sets []advertised) {
	var texts []string
	for _, s := range sets {
		texts = append(texts, s.text)
		if a.JSON {
			j := jsonAdvertised{
				Time: time.Now(), Event: "advertising", Adapter: adapter, Address: own, ID: s.id, Extended: s.opts.Extended,
				Coded: c.Coded, Interval: millis(cmp.Or(s.opts.Interval, 100*time.Millisecond)),
				Data: hex.EncodeToString(s.opts.Data), Response: hex.EncodeToString(s.opts.Response), Periodic: hex.EncodeToString(c.Periodic),
			}
			a.out.json(j)
		}
	}
	if !a.JSON {
		a.out.printf("advertising on %s as %v: %s; Ctrl-C ends\n", adapter, own, strings.Join(texts, " + "))
	}
}
