package errclass_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/smp"
)

const (
	radioAdvice = "radio contact broke, by interference or distance: bring adapter and device closer together, " +
		"add an adapter, or move this one away from USB 3 ports with an extension cable"
	pairAdvice = "the device wants a paired connection: pair with it first"
	// refusedAdvice is for a caller who pairs already.
	refusedAdvice = "the device refuses to pair: put it into its pairing mode; or it still has a bond with this host: remove that on the device"
	bondAdvice    = "the keys of the bond do not fit any more: remove the bond on both sides and pair again"
)

// TestKeysInSituation checks that 0x05, 0x06 and 0x3D mean lost keys only on a
// link with a bond.
func TestKeysInSituation(t *testing.T) {
	bond := errclass.Situation{Phase: errclass.PhaseSecure, Encrypted: true}
	plain := errclass.Situation{Phase: errclass.PhaseDiscover}
	pairing := errclass.Situation{Phase: errclass.PhaseSecure}
	refused := errclass.Situation{Phase: errclass.PhaseMTU, SecurityRefused: true}
	for _, tt := range []situationTest{
		{"0x05 with a bond", ended(0x05), bond, class{errclass.BondLost, 1, errclass.BudgetNone, 0, errclass.CheckBond, bondAdvice}},
		{"0x3D with a bond", ended(0x3D), bond, class{errclass.BondLost, 1, errclass.BudgetNone, 0, errclass.CheckBond, bondAdvice}},
		{"0x06 with a bond", ended(0x06), bond, class{errclass.BondLost, 0, errclass.BudgetNone, 0, errclass.CheckBond, bondAdvice}},
		{"encryption fails with 0x05", fmt.Errorf("smp: encrypt: %w", hci.Status(0x05)), bond,
			class{errclass.BondLost, 1, errclass.BudgetNone, 0, errclass.CheckBond, bondAdvice}},
		{"no key for the bond", &smp.BondLostError{Err: hci.StatusKeyMissing}, bond,
			class{errclass.BondLost, 0, errclass.BudgetNone, 0, errclass.CheckBond, bondAdvice}},
		{"0x05 without a bond", ended(0x05), plain, class{errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, 0,
			"the device refuses this host: pair with it first; or it still has a bond with this host: remove that on the device"}},
		{"0x06 without a bond", ended(0x06), plain, class{errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, 0,
			"the device refuses this host: pair with it first; or it still has a bond with this host: remove that on the device"}},
		{"0x05 while pairing", ended(0x05), pairing, class{errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, 0, refusedAdvice}},
		{"0x06 while pairing", ended(0x06), pairing, class{errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, 0, refusedAdvice}},
		{"0x3D without a bond", ended(0x3D), plain, class{errclass.Connection, 0, errclass.BudgetConnect, 500 * ms, 0, radioAdvice}},
		{"0x05 after a refused Security Request", ended(0x05), refused,
			class{errclass.Connection, 0, errclass.BudgetNone, 0, errclass.Secure, pairAdvice}},
		{"0x06 after a refused Security Request", ended(0x06), refused,
			class{errclass.Connection, 0, errclass.BudgetNone, 0, errclass.Secure, pairAdvice}},
		{"0x3D after a refused Security Request", ended(0x3D), refused,
			class{errclass.Connection, 0, errclass.BudgetNone, 0, errclass.Secure, pairAdvice}},
		{"0x13 after a refused Security Request", ended(0x13), refused,
			class{errclass.Connection, 2, errclass.BudgetNone, 0, errclass.Secure, pairAdvice}},
		{"0x08 after a refused Security Request", ended(0x08), refused,
			class{errclass.Aborted, 0, errclass.BudgetConnect, 500 * ms, errclass.RelaxParams, radioAdvice}},
		{"0x13 while the link is encrypted with a bond", ended(0x13), bond,
			class{errclass.Aborted, 0, errclass.BudgetTransient, 250 * ms, errclass.CheckBond,
				"the device ended the connection while it was being encrypted with the bond: it may be busy, so try later; " +
					"if it always does so, it has lost the bond: remove the bond on both sides and pair again"}},
	} {
		t.Run(tt.name, tt.run)
	}
	wait := errclass.Default.Classify(ended(0x13), &refused).Redial.Wait
	if wait != time.Second {
		t.Errorf("the redial after a refused Security Request waits %v, want 1 s", wait)
	}
}

// TestHangUpInSituation checks that the advice on a device that ends the link names
// the phase, and does not mention interference.
func TestHangUpInSituation(t *testing.T) {
	const rest = ": it may be busy or connected to another host: try later"
	const always = ": it may be busy, so try later; if it always does so, "
	at := func(p errclass.Phase) errclass.Situation { return errclass.Situation{Phase: p} }
	busy := func(advice string) class {
		return class{errclass.Aborted, 0, errclass.BudgetTransient, 250 * ms, 0, advice}
	}
	resting := func(advice string) class {
		return class{errclass.Aborted, 0, errclass.BudgetTransient, 4 * s, 0, advice}
	}
	for _, tt := range []situationTest{
		{"0x13, unknown phase", ended(0x13), at(errclass.PhaseUnknown), busy("the device ended the connection" + rest)},
		{"0x13 at once", ended(0x13), at(errclass.PhaseDial), busy("the device ended the connection as soon as it was made" + rest)},
		{"0x13 in pairing", ended(0x13), at(errclass.PhaseSecure), busy(
			"the device ended the connection while it was being secured" + always + "put it into its pairing mode")},
		{"0x13 at the MTU request", ended(0x13), at(errclass.PhaseMTU), busy(
			"the device ended the connection at the MTU request" + always + "connect with Options.DisableMTU")},
		{"0x13 in discovery", ended(0x13), at(errclass.PhaseDiscover), busy(
			"the device ended the connection while its services were read" + always + "connect with Options.DisableDiscovery")},
		{"0x13 at the parameters", ended(0x13), at(errclass.PhaseSettle), busy(
			"the device ended the connection while its parameters were changed" + always + "connect with Options.KeepParams")},
		{"0x13 in use", ended(0x13), at(errclass.PhaseUse), busy("the device ended the connection: connect again")},
		{"0x14 in discovery", ended(0x14), at(errclass.PhaseDiscover), resting(
			"the device ended the connection while its services were read, being short of resources: try later")},
		{"0x15 in use", ended(0x15), at(errclass.PhaseUse), resting(
			"the device ended the connection, being switched off: switch it on again")},
		{"0x16 by the controller", ended(0x16), at(errclass.PhaseUse), busy(
			"the controller ended the connection by itself: try again, or use another adapter")},
		{"the words of 0x13", &errclass.RemoteError{Text: "ESP_GATT_CONN_TERMINATE_PEER_USER"}, at(errclass.PhaseMTU), busy(
			"the device ended the connection at the MTU request" + always + "connect with Options.DisableMTU")},
		{"0x08 in use", ended(0x08), at(errclass.PhaseUse),
			class{errclass.Aborted, 0, errclass.BudgetConnect, 500 * ms, errclass.RelaxParams, radioAdvice}},
		{"0x08 at the parameters", ended(0x08), at(errclass.PhaseSettle),
			class{errclass.Aborted, 0, errclass.BudgetConnect, 500 * ms, errclass.RelaxParams,
				"radio contact broke when the parameters of the connection changed: connect with Options.KeepParams"}},
		{"0x3E", ended(0x3E), at(errclass.PhaseDial),
			class{errclass.Aborted, 3, errclass.BudgetTransient, 500 * ms, 0, radioAdvice}},
		{"0x22 at the parameters", ended(0x22), at(errclass.PhaseSettle),
			class{errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, 0,
				"the device does not answer a request of the link layer: connect with Options.KeepParams"}},
		{"0x22 in use", ended(0x22), at(errclass.PhaseUse),
			class{errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, 0,
				"the device does not answer a request of the link layer: restart it"}},
		{"no answer to the MTU request", att.ErrTransactionTimeout, at(errclass.PhaseMTU),
			class{errclass.Connection, 0, errclass.BudgetTimeout, 250 * ms, 0,
				"the device does not answer the MTU request: connect with Options.DisableMTU"}},
		{"no answer in discovery", att.ErrTransactionTimeout, at(errclass.PhaseDiscover),
			class{errclass.Connection, 0, errclass.BudgetTimeout, 250 * ms, 0,
				"the device does not answer while its services are read: restart it, or connect with Options.DisableDiscovery"}},
		{"no answer in use", att.ErrTransactionTimeout, at(errclass.PhaseUse),
			class{errclass.Connection, 0, errclass.BudgetTimeout, 250 * ms, 0, "the device does not answer a request: restart it"}},
	} {
		t.Run(tt.name, tt.run)
	}
	for _, status := range []hci.Status{0x13, 0x14, 0x15, 0x16} {
		if a := errclass.Of(ended(status)).Advice; a == radioAdvice || a == "" {
			t.Errorf("0x%02X without a situation: the advice is %q", uint8(status), a)
		}
	}
}

// TestDiscoveryInSituation checks the meaning of a refusal while a table is read for
// the first time.
func TestDiscoveryInSituation(t *testing.T) {
	first := errclass.Situation{Phase: errclass.PhaseDiscover}
	cached := errclass.Situation{Phase: errclass.PhaseUse, Cached: true}
	refused := class{errclass.Connection, 0, errclass.BudgetConnect, 100 * ms, 0,
		"the device refuses to show its services: connect with Options.DisableDiscovery"}
	changed := class{errclass.Connection, 1, errclass.BudgetTransient, 100 * ms, errclass.Rediscover,
		"the services of the device are not the remembered ones: they are read again"}
	invalid := &att.Error{Code: att.CodeInvalidHandle}
	for _, tt := range []situationTest{
		{"0x01 in the first discovery", invalid, first, refused},
		{"0x01 in a discovery", &gatt.DiscoveryError{Err: invalid}, cached, refused},
		{"0x01 with a cached table", invalid, cached, changed},
		{"a change in the first discovery", gatt.ErrStale, first,
			class{errclass.Connection, 1, errclass.BudgetTransient, 100 * ms, errclass.Rediscover,
				"the services of the device changed while they were read: they are read again"}},
	} {
		t.Run(tt.name, tt.run)
	}
	if c := errclass.Of(&gatt.DiscoveryError{Err: invalid}); c.Budget != errclass.BudgetConnect || c.Action != 0 {
		t.Errorf("0x01 in a discovery, without a situation: %+v", c)
	}
}

// TestUnheardInSituation checks that the advice on a device that was not heard names
// the adapter that hears it, and the time.
func TestUnheardInSituation(t *testing.T) {
	silent := &controller.ConnectError{Err: controller.ErrDialTimeout}
	in := func(h errclass.Heard) errclass.Situation {
		return errclass.Situation{Phase: errclass.PhaseDial, Adapter: "hci0", Heard: h}
	}
	again := func(advice string) class {
		return class{errclass.NotFound, 0, errclass.BudgetTimeout, 250 * ms, 0, advice}
	}
	never := func(advice string) class { return class{errclass.NotFound, 0, errclass.BudgetNone, 0, 0, advice} }
	address, err := hci.ParseAddr("C0:FF:EE:00:00:01/random")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []situationTest{
		{"never heard", silent, in(errclass.Heard{}), again(
			"no adapter has heard the device: check its address, that it is on and advertises, and bring it closer")},
		{"heard here", silent, in(errclass.Heard{Adapter: "hci0", Ago: 120 * ms, Connectable: true}), again(
			"hci0 heard the device 0.1 s ago, but it takes no connection: it may accept another host only")},
		{"heard by another adapter", silent, in(errclass.Heard{Adapter: "hci1", Ago: 2 * s, Connectable: true}), again(
			"hci1 heard the device 2.0 s ago, hci0 did not: connect through hci1, or bring the device closer to hci0")},
		{"heard long ago", silent, in(errclass.Heard{Adapter: "hci1", Ago: 90 * s, Connectable: true}), again(
			"hci1 heard the device 90 s ago, and no adapter since: check that it is on and advertises, or bring it closer")},
		{"not connectable", silent, in(errclass.Heard{Adapter: "hci0", Ago: 100 * ms}), never(
			"hci0 heard the device 0.1 s ago, but not connectable: put it into its connectable or pairing mode, or end its connection to another host")},
		{"not connectable long ago", silent, in(errclass.Heard{Adapter: "hci0", Ago: 31 * s}), again(
			"hci0 heard the device 31 s ago, and no adapter since: check that it is on and advertises, or bring it closer")},
		{"another kind of address", silent, in(errclass.Heard{Other: address}), never(
			"the device is heard as C0:FF:EE:00:00:01/random: use that address")},
		{"canceled by the host", dial(0x02), in(errclass.Heard{Adapter: "hci0", Ago: 100 * ms}), never(
			"hci0 heard the device 0.1 s ago, but not connectable: put it into its connectable or pairing mode, or end its connection to another host")},
	} {
		t.Run(tt.name, tt.run)
	}
	if got, want := errclass.Of(silent).Advice, "the device is no longer heard: check that it is on and advertises, bring it closer, or scan again"; got != want {
		t.Errorf("without a situation: %q, want %q", got, want)
	}
}

// TestUpstreamHasNoSituation checks that the situation makes no difference to
// bleak-retry-connector's treatment.
func TestUpstreamHasNoSituation(t *testing.T) {
	s := &errclass.Situation{
		Phase: errclass.PhaseDiscover, SecurityRefused: true,
		Heard: errclass.Heard{Adapter: "hci0", Ago: time.Second},
	}
	for _, err := range []error{ended(0x05), ended(0x13), ended(0x3D), dial(0x02), controller.ErrDialTimeout, gatt.ErrStale} {
		for _, tr := range []errclass.Treatment{errclass.Upstream46, errclass.Upstream47} {
			if got, want := tr.Classify(err, s), tr.Of(err); got != want {
				t.Errorf("%v of %v: got %+v, want %+v", tr, err, got, want)
			}
		}
	}
}

// class is the expected part of a Class.
type class struct {
	category errclass.Category
	redial   int
	budget   errclass.Budget
	backoff  time.Duration
	action   errclass.Action
	advice   string
}

type situationTest struct {
	name string
	err  error
	in   errclass.Situation
	want class
}

func (tt situationTest) run(t *testing.T) {
	c := errclass.Default.Classify(tt.err, &tt.in)
	got := class{c.Category, c.Redial.Times, c.Budget, c.Backoff, c.Action, c.Advice}
	if got != tt.want {
		t.Errorf("%v is of row %q:\n got %+v\nwant %+v", tt.err, c.Row, got, tt.want)
	}
}
