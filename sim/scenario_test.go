package sim

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/payload"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/uuid"
)

// TestSensors uses each device of the default scenario with a whole stack.
func TestSensors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, err := Open("sensors?seed=4&rssi=-60")
		if err != nil {
			t.Fatal(err)
		}
		h, err := host.Open(t.Context(), tr, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}()
		sc, err := h.Scan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]hci.Addr{}
		for len(found) < 3 {
			r, err := sc.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.RSSI != -60 || !r.Connectable {
				t.Errorf("%+v: want -60 dBm, connectable", r)
			}
			if r.Name() != "" {
				found[r.Name()] = r.Addr
			}
		}
		sc.Close()

		c, err := h.Connect(t.Context(), found["Thermometer"], nil)
		if err != nil {
			t.Fatal(err)
		}
		ch, err := c.GATT().Char(t.Context(), uuid.From16(uuidEnvironment), uuid.From16(uuidTemperature))
		if err != nil {
			t.Fatal(err)
		}
		sub, err := ch.Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var last time.Time
		for i := range 3 {
			v, err := sub.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d := v.Time.Sub(last); len(v.Data) != 2 || i > 0 && (d < 900*time.Millisecond || d > 1100*time.Millisecond) {
				t.Errorf("value % x after %v, want one a second", v.Data, d)
			}
			last = v.Time
		}

		lamp, err := h.Connect(t.Context(), found["Lamp"], nil)
		if err != nil {
			t.Fatal(err)
		}
		sw, err := lamp.GATT().Char(t.Context(), LampService, LampSwitch)
		if err != nil {
			t.Fatal(err)
		}
		if err := sw.Write(t.Context(), []byte{1}); err != nil {
			t.Error(err)
		}
		if v, err := sw.Read(t.Context()); err != nil || !bytes.Equal(v, []byte{1}) {
			t.Errorf("switch reads % x, %v", v, err)
		}
		if v, err := lamp.GATT().Read(t.Context(), LampService, LampText); err != nil || len(v) != 37*8 {
			t.Errorf("text of %d octets, %v", len(v), err)
		}
		belt, err := h.Connect(t.Context(), found["Heart rate belt"], nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := belt.GATT().Read(t.Context(), uuid.From16(uuidHeartRate), uuid.From16(uuidHeartLocation)); err != nil || !bytes.Equal(v, []byte{1}) {
			t.Errorf("location reads % x, %v", v, err)
		}
	})
}

func TestScenarios(t *testing.T) {
	for _, s := range Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, err := Scenario{Name: s.Name}.Open(nil)
				if err != nil {
					t.Fatal(err)
				}
				h, err := host.Open(t.Context(), tr, nil)
				if err != nil {
					t.Fatal(err)
				}
				if s.Name == "empty" || s.Name == "beacons" {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					if _, err := h.Connect(ctx, Thermometer().Address, &controller.ConnectOptions{Timeout: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("connected in the world %s: %v", s.Name, err)
					}
				} else {
					testThermometer(t, h, s.Name == "flaky", s.Name == "full")
				}
				if err := h.Close(); err != nil {
					t.Error(err)
				}
				if err := tr.Close(); err != nil { // again
					t.Error(err)
				}
				if _, err := tr.ReadPacket(nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("read after Close: %v", err)
				}
			})
		})
	}
}

// TestBeacons wants a payload of each device of the scenario.
func TestBeacons(t *testing.T) {
	keys := &payload.Keys{}
	if err := keys.UnmarshalText([]byte("54:48:E6:8F:80:A5=231d39c1d7cc1ab1aee224cd096db932")); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		tr, err := Open("beacons")
		if err != nil {
			t.Fatal(err)
		}
		h, err := host.Open(t.Context(), tr, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		got := map[string]string{}
		sc, err := h.Scan(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Close()
		for r := range sc.All(ctx) {
			for _, f := range payload.Decode(r.Addr, r.Data, r.Response, keys) {
				got[r.Addr.String()] = string(f.Format) + " " + f.String()
			}
		}
		want := map[string]string{
			"C0:FF:EE:00:01:01/random": "BTHome battery 97 %, 25.06 °C, 50.55 %",
			"54:48:E6:8F:80:A5/public": "BTHome 25.06 °C, 50.55 %",
			"CB:B8:33:4C:88:4F/random": "RuuviTag 5 24.3 °C, 53.49 %, 1000.44 hPa, 2.977 V, tx power 4 dBm, acceleration x 0.0392266 m/s², " +
				"acceleration y -0.0392266 m/s², acceleration z 10.1596894 m/s², movement count 66",
			"C0:FF:EE:00:01:04/random": "iBeacon iBeacon e2c56db5-dffb-48d2-b060-d0f5a71096e0/100/1",
			"C0:FF:EE:00:01:05/random": "Eddystone https://example.org/",
		}
		if !maps.Equal(got, want) {
			t.Errorf("payloads %q, want %q", got, want)
		}
	})
}

func testThermometer(t *testing.T, h *host.Host, flaky, full bool) {
	failed := 0
	for {
		c, err := h.Connect(t.Context(), Thermometer().Address, nil)
		if err == nil {
			_, err = c.GATT().Read(t.Context(), uuid.From16(uuidBattery), uuid.From16(uuidBatteryLevel))
		}
		if err == nil {
			break
		}
		if !errors.Is(err, hci.StatusFailedToEstablish) {
			t.Fatal(err)
		}
		failed++
	}
	if want := map[bool]int{true: 2}[flaky]; failed != want {
		t.Errorf("%d connects failed, want %d", failed, want)
	}
	_, err := h.Connect(t.Context(), Lamp().Address, nil)
	if full != errors.Is(err, hci.StatusConnectionLimit) {
		t.Errorf("second connect: %v", err)
	}
}

func TestScenarioErrors(t *testing.T) {
	for scenario, want := range map[string]string{
		"nowhere":           `sim: no scenario "nowhere": there are sensors, beacons, empty, crowd, flaky, full`,
		"empty?loss=2":      `sim: scenario empty: loss "2": write a number from 0 to 1`,
		"empty?loss=NaN":    `sim: scenario empty: loss "NaN": write a number from 0 to 1`,
		"empty?loss=":       `sim: scenario empty: loss "": write a number from 0 to 1`,
		"empty?seed=x":      `sim: scenario empty: seed "x": write a whole number from 0 to 18446744073709551615`,
		"?seed=x":           `sim: scenario sensors: seed "x": write a whole number from 0 to 18446744073709551615`,
		"empty?rssi=-200":   `sim: scenario empty: rssi "-200": write dBm, from -128 to 127`,
		"empty?weather=bad": `sim: scenario empty: no option "weather": there are seed, loss and rssi`,
		"empty?loss=%zz":    `sim: scenario empty: options "loss=%zz": write them as in seed=7&loss=0.2`,
	} {
		_, err := ParseScenario(scenario)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", scenario, err, want)
		}
		tr, err := Open(scenario)
		if err == nil {
			_ = tr.Close()
		}
		if err == nil || err.Error() != want {
			t.Errorf("open %s: %v, want %q", scenario, err, want)
		}
	}
}

// typist types what it is told.
type typist struct {
	smp.NoInput
	keys func() smp.Passkey
}

func (typist) IO() smp.IOCapability { return smp.KeyboardOnly }

func (t typist) Enter(context.Context, hci.Addr) (smp.Passkey, error) { return t.keys(), nil }

// TestScenarioPairing pairs with the devices of the default scenario, which keep
// their bonds for as long as they are told to.
func TestScenarioPairing(t *testing.T) { synctest.Test(t, testScenarioPairing) }

func testScenarioPairing(t *testing.T) {
	dir := t.TempDir()
	central := smp.Files(filepath.Join(dir, "central"))
	opts := &ScenarioOptions{Bonds: smp.Files(filepath.Join(dir, "devices"))}
	type screen struct {
		device  string
		passkey smp.Passkey
	}
	shown := make(chan screen, 1)
	opts.Passkey = func(device string, p smp.Passkey) { shown <- screen{device, p} }
	device := ""
	read := func() smp.Passkey {
		s := <-shown
		device = s.device
		return s.passkey
	}
	with := func(o *ScenarioOptions, cfg *PeripheralConfig, f func(c *host.Conn)) {
		t.Helper()
		tr, err := Scenario{}.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		h, err := host.Open(t.Context(), tr, &host.Config{SMP: &smp.Config{
			Store: central, Delegate: typist{keys: read},
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		// Plain: whether the bond holds is to be seen.
		c, err := h.ConnectPlain(t.Context(), cfg.Address, nil)
		if err != nil {
			t.Fatal(err)
		}
		f(c)
	}
	control := func(c *host.Conn) error {
		ch, err := c.GATT().Char(t.Context(), uuid.From16(uuidHeartRate), uuid.From16(uuidHeartControl))
		if err != nil {
			return err
		}
		return ch.Write(t.Context(), []byte{1})
	}
	with(opts, Thermometer(), func(c *host.Conn) {
		if _, err := c.SMP().Pair(t.Context(), nil); !errors.Is(err, smp.ReasonPairingNotSupported) {
			t.Errorf("the thermometer pairs: %v", err)
		}
	})
	with(opts, Lamp(), func(c *host.Conn) {
		if r, err := c.SMP().Pair(t.Context(), nil); err != nil || r.Method != smp.JustWorks || r.Bond == nil {
			t.Errorf("the lamp: %+v, %v", r, err)
		}
	})
	with(opts, HeartRateBelt(), func(c *host.Conn) {
		if err := control(c); !errors.Is(err, att.CodeInsufficientAuthentication) {
			t.Errorf("write of the control point before pairing: %v", err)
		}
		r, err := c.SMP().Pair(t.Context(), &smp.PairOptions{MITM: true})
		if err != nil || r.Method != smp.ResponderDisplays || r.Bond == nil || device != "Heart rate belt" {
			t.Errorf("%q shows: %+v, %v", device, r, err)
		}
		if err := control(c); err != nil {
			t.Errorf("write of the control point: %v", err)
		}
	})
	with(opts, HeartRateBelt(), func(c *host.Conn) {
		if err := c.SMP().Encrypt(t.Context()); err != nil {
			t.Errorf("opened again: %v", err)
		}
		if err := control(c); err != nil {
			t.Errorf("write of the control point: %v", err)
		}
	})
	with(nil, HeartRateBelt(), func(c *host.Conn) {
		if err := c.SMP().Encrypt(t.Context()); !errors.Is(err, smp.ErrBondLost) {
			t.Errorf("opened again without bonds: %v", err)
		}
	})
}
