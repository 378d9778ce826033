//go:build !minimal

package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	periph "github.com/moor-ble/moor/peripheral"
	"github.com/moor-ble/moor/smp"
	"github.com/moor-ble/moor/uuid"
)

// openFile opens the world of a scenario file with a host on each of its controllers.
func openFile(t *testing.T, text string, o *ScenarioOptions) (*World, []*host.Host) {
	t.Helper()
	s, err := ParseFile("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.OpenWorld(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	var hosts []*host.Host
	for _, a := range w.Attachments() {
		h, err := host.Open(t.Context(), a.Controller, &host.Config{SMP: &smp.Config{Delegate: typist{keys: func() smp.Passkey { return 12345 }}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = h.Close() })
		hosts = append(hosts, h)
	}
	return w, hosts
}

const twoDevices = `
seed: 7
controllers:
  - {name: hci0}
  - {name: hci1, max-links: 1, address: 00:11:22:33:44:55}
peripherals:
  - name: Thermometer
    address: C0:FF:EE:00:00:01
    links: 2
    services:
      - uuid: 181A
        characteristics:
          - uuid: 0x2A6E
            name: Temperature
            value: 21.5
            behavior: {kind: ramp, from: 20, to: 21, step: 0.5, every: 1s}
  - name: Lock
    pairing: {method: passkey, passkey: 012345}
    services:
      - uuid: 6d6f6f72-0001-4c61-6d70-000000000000
        characteristics:
          - uuid: 6d6f6f72-0002-4c61-6d70-000000000000
            name: Bolt
            format: uint8
            value: off
            properties: [read, write, notify]
            behavior: {kind: echo}
            write-security: authenticated
`

// TestFile uses a thermometer from two controllers of one file, and a lock that pairs by
// the passkey of the file.
func TestFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		opts := &ScenarioOptions{Event: func(ev WorldEvent) {
			if ev.Event.Kind != periph.EventValue {
				events = append(events, fmt.Sprintf("%s %s %s % x", ev.Device, ev.Event.Kind, ev.Event.Characteristic, ev.Event.Value))
			}
		}}
		w, hosts := openFile(t, twoDevices, opts)
		if c, err := w.Controller("hci1"); err != nil || c.Address().String() != "00:11:22:33:44:55/public" {
			t.Errorf("hci1 is %v, %v", c.Address(), err)
		}
		thermometer := hci.Addr{MAC: hci.MAC{1, 0, 0, 0xEE, 0xFF, 0xC0}, Kind: hci.AddrRandom}
		for _, h := range hosts {
			c, err := h.Connect(t.Context(), thermometer, nil)
			if err != nil {
				t.Fatal(err)
			}
			ch, err := c.GATT().Char(t.Context(), uuid.From16(0x181A), uuid.From16(0x2A6E))
			if err != nil {
				t.Fatal(err)
			}
			sub, err := ch.Subscribe(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			var last time.Time
			for i := range 4 {
				v, err := sub.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if d := v.Time.Sub(last); i > 0 && (d < 900*time.Millisecond || d > 1100*time.Millisecond) {
					t.Errorf("a value after %v, want 1s", d)
				}
				last = v.Time
				seen[fmt.Sprintf("% x", v.Data)] = true
			}
			for _, want := range []string{"d0 07", "02 08", "34 08"} { // 20, 20.5 and 21 °C
				if !seen[want] {
					t.Errorf("the ramp has the values %v, and not % s", seen, want)
				}
			}
		}
		synctest.Wait()
		events = events[:0]
		lock, err := w.Address("Lock")
		if err != nil || !lock.IsStatic() {
			t.Fatalf("the lock is at %v, %v", lock, err)
		}
		c, err := hosts[0].Connect(t.Context(), lock, nil)
		if err != nil {
			t.Fatal(err)
		}
		bolt, err := c.GATT().Char(t.Context(), uuid.MustParse("6d6f6f72-0001-4c61-6d70-000000000000"), uuid.MustParse("6d6f6f72-0002-4c61-6d70-000000000000"))
		if err != nil {
			t.Fatal(err)
		}
		sub, err := bolt.Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := bolt.Write(t.Context(), []byte{1}); !errors.Is(err, att.CodeInsufficientAuthentication) {
			t.Errorf("write without a bond: %v", err)
		}
		if r, err := c.SMP().Pair(t.Context(), &smp.PairOptions{MITM: true}); err != nil || r.Bond == nil {
			t.Fatalf("pairing: %+v, %v", r, err)
		}
		if err := bolt.Write(t.Context(), []byte{1}); err != nil {
			t.Error(err)
		}
		if v, err := sub.Next(t.Context()); err != nil || !bytes.Equal(v.Data, []byte{1}) {
			t.Errorf("echo % x, %v", v.Data, err)
		}
		if err := bolt.Write(t.Context(), []byte{1, 2}); !errors.Is(err, att.CodeInvalidAttributeValueLength) {
			t.Errorf("write of two octets: %v", err)
		}
		if err := w.SetValue(t.Context(), "Lock", "Bolt", "off"); err != nil {
			t.Error(err)
		}
		if v, err := sub.Next(t.Context()); err != nil || !bytes.Equal(v.Data, []byte{0}) {
			t.Errorf("set value % x, %v", v.Data, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		want := []string{
			"Lock connected  ", "Lock subscribed Bolt ", "Lock paired  ", "Lock written Bolt 01", "Lock disconnected  ",
		}
		var got []string
		for _, e := range events {
			if strings.HasPrefix(e, "Lock ") {
				got = append(got, e)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

// TestFileTimeline wants each event of a file at its time.
func TestFileTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var done []string
		opts := &ScenarioOptions{Event: func(ev WorldEvent) {
			if ev.Action != nil {
				done = append(done, fmt.Sprintf("%v %s %v", ev.Time.Sub(start).Truncate(100*time.Millisecond), ev.Action.Summary(), ev.Err))
			}
		}}
		w, hosts := openFile(t, twoDevices+`
events:
  - {at: 10s, do: drop-link, device: Thermometer, reason: remote user terminated connection}
  - {every: 4s, do: set-value, device: Lock, characteristic: Bolt, value: 2}
  - {at: 11s, do: fault, controller: hci0, fault: {connect: {peer: Thermometer, refuse: true, status: 0x0d, times: always}}}
  - at: 12s
    do: set-table
    device: Thermometer
    services: [{uuid: 180f, characteristics: [{uuid: 2a19, value: 87}]}]
`, opts)
		address, err := w.Address("Thermometer")
		if err != nil {
			t.Fatal(err)
		}
		c, err := hosts[0].Connect(t.Context(), address, nil)
		if err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		if d := time.Since(start); !errors.Is(c.Err(), hci.StatusRemoteUserTerminated) || d < 10*time.Second || d > 10100*time.Millisecond {
			t.Errorf("link ended after %v with %v", d, c.Err())
		}
		time.Sleep(5 * time.Second)
		if _, err := hosts[0].Connect(t.Context(), address, nil); !errors.Is(err, hci.StatusRejectedResources) {
			t.Errorf("connect under a fault: %v", err)
		}
		c, err = hosts[1].Connect(t.Context(), address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := c.GATT().Read(t.Context(), uuid.From16(0x180F), uuid.From16(0x2A19)); err != nil || !bytes.Equal(v, []byte{87}) {
			t.Errorf("the new table reads % x, %v", v, err)
		}
		synctest.Wait()
		want := []string{
			"4s set-value Lock Bolt 2 <nil>", "8s set-value Lock Bolt 2 <nil>", "10s drop-link Thermometer <nil>", "11s fault hci0 <nil>",
			"12s set-value Lock Bolt 2 <nil>", "12s set-table Thermometer <nil>",
		}
		if fmt.Sprint(done[:len(want)]) != fmt.Sprint(want) {
			t.Errorf("events %q, want %q", done, want)
		}
	})
}

// TestFileCrowd connects to one of many light devices, and changes it.
func TestFileCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, hosts := openFile(t, `
peripherals:
  - name: Tag
    count: 200
    services: [{uuid: 180f, characteristics: [{uuid: 2a19, name: Level, properties: [read, notify], value: 50}]}]
  - name: Beacon
    light: true
    place: {rssi: -77}
    advertising: {non-connectable: true, manufacturer: [{company: 0xffff, data: 0x0102}]}
`, nil)
		if n := len(w.Devices()); n != 201 {
			t.Errorf("%d devices", n)
		}
		h := hosts[0]
		sc, err := h.Scan(t.Context(), &controller.ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		heard := map[hci.Addr]bool{}
		for len(heard) < 201 {
			r, err := sc.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			heard[r.Addr] = true
			if m := r.Data.ManufacturerData(); len(m) > 0 && (r.Connectable || r.RSSI != -77 || m[0].Company != 0xFFFF || !bytes.Equal(m[0].Data, []byte{1, 2})) {
				t.Errorf("beacon %+v", r)
			}
		}
		sc.Close()
		address, err := w.Address("Tag 137")
		if err != nil {
			t.Fatal(err)
		}
		c, err := h.Connect(t.Context(), address, nil)
		if err != nil {
			t.Fatal(err)
		}
		ch, err := c.GATT().Char(t.Context(), uuid.From16(0x180F), uuid.From16(0x2A19))
		if err != nil {
			t.Fatal(err)
		}
		sub, err := ch.Subscribe(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.SetValue(t.Context(), "Tag 137", "Level", "0x31"); err != nil {
			t.Fatal(err)
		}
		if v, err := sub.Next(t.Context()); err != nil || !bytes.Equal(v.Data, []byte{0x31}) {
			t.Errorf("value % x, %v", v.Data, err)
		}
		a, err := w.ParseAction([]byte(`{"do": "set-value", "device": "Tag 137", "characteristic": "2a19", "value": 3}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Do(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if v, err := sub.Next(t.Context()); err != nil || !bytes.Equal(v.Data, []byte{3}) {
			t.Errorf("value % x, %v", v.Data, err)
		}
	})
}

// TestFileAsAdapter opens the file of an adapter's address.
func TestFileAsAdapter(t *testing.T) {
	file := filepath.Join(t.TempDir(), "two.yaml")
	if err := os.WriteFile(file, []byte(twoDevices), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		tr, err := OpenTransport(context.Background(), "sim:"+file+"?seed=3&rssi=-60")
		if err != nil {
			t.Fatal(err)
		}
		h, err := host.Open(t.Context(), tr, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		sc, err := h.Scan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := sc.Next(t.Context()); err != nil || r.RSSI != -60 {
			t.Errorf("%+v, %v: want -60 dBm", r, err)
		}
	})
	if _, err := Open(file + ".yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestFileChips reads a value over each known kind of controller.
func TestFileChips(t *testing.T) {
	for _, name := range chip("").Choices() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, hosts := openFile(t, "controllers: [{name: hci0, chip: "+name+", command-credits: 2}]\n"+twoDevices[strings.Index(twoDevices, "peripherals:"):], nil)
				info := hosts[0].Controller().Info()
				if legacy := name == "csr8510-clone"; info.Features.Has(hci.FeatureExtendedAdvertising) == legacy {
					t.Errorf("features %v", info.Features)
				}
				c, err := hosts[0].Connect(t.Context(), hci.Addr{MAC: hci.MAC{1, 0, 0, 0xEE, 0xFF, 0xC0}, Kind: hci.AddrRandom}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if v, err := c.GATT().Read(t.Context(), uuid.From16(0x181A), uuid.From16(0x2A6E)); err != nil || len(v) != 2 {
					t.Errorf("% x, %v", v, err)
				}
			})
		})
	}
}

// TestFileFirmware gives a light device a new table, in which one UUID is there twice.
func TestFileFirmware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, hosts := openFile(t, `
peripherals:
  - name: Tag
    light: true
    services: [{uuid: 180f, characteristics: [{uuid: 2a19, behavior: {kind: counter, every: 1s}}]}]
`, nil)
		a, err := w.ParseAction([]byte(`
do: set-table
device: Tag
services:
  - {uuid: 180f, characteristics: [{uuid: 2a19, name: Left, value: 1}]}
  - {uuid: fff0, characteristics: [{uuid: 2a19, name: Right, value: 2, behavior: {kind: counter, from: 50, every: 1m}}]}
`))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if err := w.Do(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if err := w.SetValue(t.Context(), "Tag", "Right", "7"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		address, err := w.Address("Tag")
		if err != nil {
			t.Fatal(err)
		}
		c, err := hosts[0].Connect(t.Context(), address, nil)
		if err != nil {
			t.Fatal(err)
		}
		read := func(service uint16, want byte) {
			t.Helper()
			if v, err := c.GATT().Read(t.Context(), uuid.From16(service), uuid.From16(0x2A19)); err != nil || !bytes.Equal(v, []byte{want}) {
				t.Errorf("% x, %v, want %d", v, err, want)
			}
		}
		read(0x180F, 1)
		read(0xFFF0, 7)
		time.Sleep(time.Minute)
		read(0xFFF0, 50)
	})
}

// TestPlace has the radio paths of distances.
func TestPlace(t *testing.T) {
	for text, want := range map[string]Path{
		"1m": {RSSI: -59}, "50cm": {RSSI: -53}, "10": {RSSI: -79}, "0.1km": {RSSI: -99, Loss: 1}, "31.6227766 m": {RSSI: -89, Loss: 0.4},
	} {
		var p Place
		if err := p.Distance.UnmarshalText([]byte(text)); err != nil {
			t.Error(err)
		}
		got := p.Path(Path{})
		got.Loss = float64(int(got.Loss*1000+0.5)) / 1000
		if got != want {
			t.Errorf("%s is %+v, want %+v", text, got, want)
		}
	}
}
