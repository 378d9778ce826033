package doctor

import "testing"

func TestMask(t *testing.T) {
	m := newMask()
	for _, name := range []string{"tcp:lab.example:6402", "unix:/srv/air.sock", "serial:/dev/serial/by-id/usb-Maker_AABB-if00?baud=9600", "hci0", "sim:",
		"esphome:bedroom-anna:6053?key-file=/etc/anna.key", "esphome:unix:/srv/proxy.sock", "tcp::1"} {
		m.hideAdapter(name)
	}
	for _, c := range [][2]string{
		{"hci0 (C0:FF:EE:00:00:01, usb)", "hci0 ([address 1], usb)"},
		{"dev_c0_ff_ee_00_00_01 and C0-FF-EE-00-00-02", "dev_[address 1] and [address 2]"},
		{"c0ffee000002", "[address 2]"},
		{"xC0FFEE000001y", "x[address 1]y"},
		{"key 000102030405060708090a0b0c0d0e0f.", "key [key]."},
		{"revision 0123456789abcdef", "revision 0123456789abcdef"},
		{"dial tcp 192.0.2.7:6402: lookup lab.example", "dial tcp [host 1]:6402: lookup HOST"},
		{"proxy bedroom-anna:6053: lookup bedroom-anna on [fd00::1:2]:53", "proxy HOST:6053: lookup HOST on [[host 2]]:53"},
		{"esphome:bedroom-anna:6053?key-file=/etc/anna.key", "esphome:HOST:6053?key-file=PATH"},
		{"dial unix /srv/proxy.sock: no such file", "dial unix PATH: no such file"},
		{"at 12:30:15 it ended", "at 12:30:15 it ended"},
		{"tcp:lab.example:6402 open", "tcp:HOST:6402 open"},
		{"dial unix /srv/air.sock: no such file", "dial unix PATH: no such file"},
		{"serial:/dev/serial/by-id/usb-Maker_AABB-if00?baud=9600", "serial:/dev/serial/DEVICE?baud=9600"},
		{"open /home/" + "alice/.local/state/moor: denied", "open /home/" + "USER/.local/state/moor: denied"},
		{"two\nlines\x1b[2J", "two\uFFFDlines\uFFFD[2J"},
		{"Bluetooth: hci0: BCM43430A1 (001.002.009) build 0182", "Bluetooth: hci0: BCM43430A1 (001.002.009) build 0182"},
	} {
		if got := m.hide(c[0]); got != c[1] {
			t.Errorf("%q becomes %q, want %q", c[0], got, c[1])
		}
	}
}
