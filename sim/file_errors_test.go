//go:build !minimal

package sim

import (
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// TestFileMistakes has the mistakes of people who write YAML by hand, and the errors, which
// name line, column and remedy.
func TestFileMistakes(t *testing.T) {
	const device = "peripherals:\n  - name: Lamp\n"
	for _, x := range []struct{ text, want string }{
		{"peripherals:\n\t- name: Lamp\n", `a.yaml:2:1: a tab indents this line: YAML wants spaces`},
		{"sed: 1\n", `a.yaml:1:1: no key "sed": do you mean seed?`},
		{"seed: 1\nseed: 2\n", `a.yaml:2:1: mapping key "seed" already defined at [1:1]: leave one of the two out`},
		{"seed: many\n", `a.yaml:1:7: seed: "many": write a whole number from 0 to 18446744073709551615`},
		{"seed:\n  - 1\n", `a.yaml:2:3: seed: a list is here, where a number belongs`},
		{"controllers: hci0\n", `a.yaml:1:14: controllers: "hci0" is here, where a list belongs: begin each entry with a hyphen`},
		{"controllers:\n  - version: 5.2\n", `a.yaml:2:5: controllers[0]: the controller has no name: write name: hci0, or another one`},
		{"controllers:\n  - {name: a}\n  - {name: a}\n", `a.yaml:3:12: controllers[1].name: "a" is the name of controllers[0] too: names are unique`},
		{"controllers: [{name: a, chip: rtl8671}]\n", `a.yaml:1:31: controllers[0].chip: no chip "rtl8671": there are csr8510-clone, nrf52840-zephyr, rtl8761`},
		{"controllers: [{name: a, version: 5.9}]\n", `a.yaml:1:34: controllers[0].version: no Core version "5.9": write 4.0 to 6.1`},
		{"controllers: [{name: a, attach: usb}]\n", `a.yaml:1:33: controllers[0].attach: "usb": write vhci, pty, tcp:HOST:PORT or unix:PATH`},
		{"controllers: [{name: a, address: C0:FF:EE:00:00}]\n", `a.yaml:1:34: controllers[0].address: hci: "C0:FF:EE:00:00" is not a device address`},
		{"controllers: [{name: a, max-links: 256x}]\n", `a.yaml:1:36: controllers[0].max-links: "256x": write a whole number from`},
		{"controllers: [{name: a, faults: [{connect: {}, link: {}}]}]\n", `a.yaml:1:35: controllers[0].faults[0]: a fault has one of the keys command, event, credits, connect and link, not 2: write several entries`},
		{"controllers: [{name: a, faults: [{connect: {peer: Lamb}}]}]\n" + device, `a.yaml:1:51: controllers[0].faults[0].connect.peer: "Lamb" is neither the name of a peripheral nor an address`},
		{"controllers: [{name: a, faults: [{connect: {status: no luck}}]}]\n", `a.yaml:1:53: controllers[0].faults[0].connect.status: no status "no luck": write its number such as 0x08, or its name in the specification`},
		{device + "    advertising: {interval: 100}\n", `a.yaml:3:29: peripherals[0].advertising.interval: 100 has no unit: write 100s or 100ms`},
		{device + "    advertising: {interval: 1ms}\n", `a.yaml:3:29: peripherals[0].advertising.interval: `},
		{device + "    advertising: {manufacturer: [{company: 76, data: 0x021}]}\n", `a.yaml:3:54: peripherals[0].advertising.manufacturer[0].data: "0x021" is not hexadecimal: write two digits for each octet, such as 0x0a1b`},
		{device + "    advertising: {services: [6d6f6f72-0001-4c61-6d70-000000000000, 6d6f6f72-0002-4c61-6d70-000000000000]}\n", `a.yaml:3:19: peripherals[0].advertising: advertising data needs 37 octets, 31 can be sent: shorten the name or move fields to the scan response; the largest parts are services of 128 bits (34 octets)`},
		{device + "    address: 7C:FF:EE:00:00:01/random\n", `a.yaml:3:14: peripherals[0].address: address "7C:FF:EE:00:00:01/random" is random and not static: the first octet of a static address is C0 to FF`},
		{device + "    address: C0:FF:EE:00:00:01\n  - name: Lump\n    address: C0:FF:EE:00:00:01\n", `a.yaml:5:14: peripherals[1].address: C0:FF:EE:00:00:01/random is the address of "Lamp" too: each device has its own`},
		{device + "  - name: Lamp\n", `a.yaml:3:11: peripherals[1].name: "Lamp" is the name of peripherals[0] too: names are unique`},
		{device + "    services: [{uuid: 18g0}]\n", `a.yaml:3:23: peripherals[0].services[0].uuid: uuid: "18g0" is not a UUID`},
		{device + "    services: [{uuid: 180f, characteristics: [{value: 3}]}]\n", `peripherals[0].services[0].characteristics[0]: the characteristic has no uuid`},
		{device + "    services: [{uuid: fff0, characteristics: [{uuid: fff1, value: 3}]}]\n", `a.yaml:3:67: peripherals[0].services[0].characteristics[0].value: value 3 of characteristic fff1 needs a format: write format: uint8, or another one, and format: text for digits as text`},
		{device + "    services: [{uuid: fff0, characteristics: [{uuid: fff1, format: uint8, value: 256}]}]\n", `256 does not fit uint8, which goes from 0 to 255`},
		{device + "    services: [{uuid: fff0, characteristics: [{uuid: fff1, format: u8}]}]\n", `a.yaml:3:68: peripherals[0].services[0].characteristics[0].format: no format "u8": there are text, hex, uint8 to uint64`},
		{device + "    services: [{uuid: fff0, characteristics: [{uuid: fff1, security: encrypted}]}]\n", `demands encrypted, and the peripheral does not pair: write pairing: {method: just-works}, or passkey`},
		{device + "    services: [{uuid: fff0, characteristics: [{uuid: fff1, properties: [reed]}]}]\n", `no property "reed": there are read, write, write-without-response, signed-write, notify, indicate, broadcast`},
		{device + "    services: [{uuid: fff0, characteristics: [{uuid: fff1, behavior: {kind: exec, run: date}}]}]\nevents: []\n", ``},
		{device + "    pairing: {method: passkey, passkey: 1234}\n", `a.yaml:3:41: peripherals[0].pairing.passkey: "1234": write six digits`},
		{device + "    count: 3\n    pairing: {method: just-works}\n", `a.yaml:4:15: peripherals[0].pairing: a light device does not pair: leave out light and count`},
		{device + "    place: {distance: far}\n", `a.yaml:3:23: peripherals[0].place.distance: "far": write a distance above 0 in meters, such as 3m or 50cm`},
		{device + "    place: {loss: 2}\n", `a.yaml:3:13: peripherals[0].place: 2: write a number from 0 to 1`},
		{device + "    temper: {rules: [{on: connect, do: crash}]}\n", `peripherals[0].temper.rules[0].on: sim: no trigger "connect"`},
		{device + "places: [{device: Lamb, distance: 3m}]\n", `a.yaml:3:11: places[0]: no device "Lamb": there are Lamp`},
		{device + "events: [{at: 1s, do: jump}]\n", `a.yaml:3:23: events[0].do: no action "jump": there are move, power-off, power-on, drop-link, set-value, set-table, set-temper, fault, clear-faults, unplug, replug, hang, crash`},
		{device + "events: [{at: 1s, device: Lamp}]\n", `a.yaml:3:11: events[0]: do is missing: write do: drop-link, or another action`},
		{device + "events: [{at: 1s, do: set-value, device: Lamp, characteristic: 2a19, value: 3}]\n", `a.yaml:3:64: events[0].characteristic: peripheral: no such characteristic as "2a19": there are`},
		{device + "events: [{at: 1s, do: unplug, controller: hci3}]\n", `a.yaml:3:11: events[0]: no controller "hci3": there are sim`},
		{"name: Lamp: bright\n", `a.yaml:1:`},
		{"text: *lamp\n", `a.yaml:1:7: text: no anchor &lamp above: text that begins with * is quoted`},
		{"seed: 1\n---\nseed: 2\n", `a.yaml:3:`},
		{"seed: " + strings.Repeat("[", 100) + "\n", `a.yaml:1:1: more than 64 levels of nesting`},
		{strings.Repeat("- ", 100) + "\n", `a.yaml:1:1: more than 64 levels of nesting`},
		{"text: \xff\n", `a.yaml: the file is not UTF-8 text`},
		{strings.Repeat("#", 2<<20), `a.yaml: 2097152 octets: a file has at most 1048576`},
	} {
		_, err := ParseFile("a.yaml", []byte(x.text))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if x.want == "" && err == nil {
			continue
		}
		if !strings.Contains(got, x.want) || x.want == "" {
			t.Errorf("%s: %s\n\twant %s", x.text[:min(len(x.text), 200)], got, x.want)
		}
	}
}

// TestFileForms has forms that people use, which must all work.
func TestFileForms(t *testing.T) {
	text := `
peripherals:
  - &base
    name: A
    address: C0:FF:EE:00:00:01          # no quotes, although YAML 1.1 may read numbers
    appearance: 0x0300
    advertising: {no-name: on, interval: 1s, tx-power: -4, manufacturer: {company: 0x004C, data: "02 15"}}
    services:
      - uuid: 180F                       # digits and letters
        characteristics:
          - {uuid: 0x2A19, value: 0x57}
      - uuid: 1810                       # digits alone
        characteristics: []
  - <<: *base
    name: B
    address: "54:48:E6:8F:80:A5"
    pairing: {method: passkey, passkey: 000042}
`
	for _, form := range []string{text, strings.ReplaceAll(text, "\n", "\r\n"), "\ufeff" + text} {
		s, err := ParseFile("a.yaml", []byte(form))
		if err != nil {
			t.Fatal(err)
		}
		p := s.Peripherals()
		if len(p) != 2 || p[0].Own().String() != "C0:FF:EE:00:00:01/random" || p[1].Own().String() != "54:48:E6:8F:80:A5/public" || p[1].Name != "B" {
			t.Fatalf("%+v", p)
		}
		o, err := p[0].Advertisement()
		if err != nil {
			t.Fatal(err)
		}
		want := "020106" + "05030f181018" + "05ff4c000215" + "020afc" + "03190003"
		if got := hexOf(o.Data); got != want || p[0].Services[0].Characteristics[0].Value != "0x57" || p[1].Pairing.Passkey != "000042" {
			t.Errorf("advertising data %s, want %s; %+v", got, want, p[1])
		}
	}
	if _, err := ParseFile("a.json", []byte("{\n\t\"seed\": 1,\n\t\"peripherals\": [{\"name\": \"A\", \"light\": true}]\n}\n")); err != nil {
		t.Error(err)
	}
	for _, empty := range []string{"", "# nothing\n", "---\n"} {
		if s, err := ParseFile("a.yaml", []byte(empty)); err != nil || len(s.Peripherals()) != 0 {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func hexOf(b hci.AdvData) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// FuzzParseFile: a file is a scenario, or an error with its name.
func FuzzParseFile(f *testing.F) {
	f.Add(exampleFile)
	f.Add([]byte(twoDevices))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("peripherals: &a\n  - <<: *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := ParseFile("a.yaml", data); err != nil && !strings.HasPrefix(err.Error(), "sim: a.yaml:") {
			t.Errorf("error without a place: %v", err)
		}
	})
}
