package connmgr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// testSystem is a system with adapters and USB devices. It notes the operations on them.
type testSystem struct {
	adapters []hcisock.Adapter
	later    func() []hcisock.Adapter // in place of adapters
	links    map[int]int              // by index
	usb      map[string]hcisock.USBDevice
	drivers  []string
	fails    map[string]error // by the text in done
	reset    func()           // the effect of a reset
	done     []string
}

func (s *testSystem) do(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	s.done = append(s.done, text)
	return s.fails[text]
}

// recoverer returns a Recoverer of the system.
func (s *testSystem) recoverer() *hciRecoverer {
	return &hciRecoverer{system: adapterSystem{
		adapters: func() ([]hcisock.Adapter, error) {
			if s.later != nil {
				return s.later(), nil
			}
			return slices.Clone(s.adapters), nil
		},
		links:   func(index int) ([]hcisock.KernelLink, error) { return make([]hcisock.KernelLink, s.links[index]), nil },
		up:      func(index int) error { return s.do("up hci%d", index) },
		down:    func(index int) error { return s.do("down hci%d", index) },
		unblock: func(index int) error { return s.do("unblock hci%d", index) },
		findUSB: func(port string) (hcisock.USBDevice, error) {
			if d, ok := s.usb[port]; ok {
				return d, nil
			}
			return hcisock.USBDevice{}, errors.New("there is no device at this port")
		},
		drivers: func(hcisock.USBDevice) []string { return slices.Clone(s.drivers) },
		resetUSB: func(_ context.Context, d hcisock.USBDevice) error {
			err := s.do("reset %s", d.Port)
			if err == nil && s.reset != nil {
				s.reset()
			}
			return err
		},
	}}
}

var (
	dongleMAC = hci.MAC{1, 2, 3, 4, 5, 6}
	dongle    = hcisock.Adapter{
		Index: 1, Name: "hci1", MAC: dongleMAC, Bus: "usb", Driver: "btusb",
		USB: hcisock.USBDevice{VendorID: 0x0A12, ProductID: 1, Port: "1-1.4", Bus: 1, Number: 4},
	}
	onUART = hcisock.Adapter{Index: 0, Name: "hci0", MAC: hci.MAC{9}, Bus: "uart", Driver: "hci_uart_bcm"}
)

// with returns a copy of the dongle that change has changed.
func with(change func(a *hcisock.Adapter)) hcisock.Adapter {
	a := dongle
	change(&a)
	return a
}

func newTestSystem(as ...hcisock.Adapter) *testSystem {
	return &testSystem{adapters: as, usb: map[string]hcisock.USBDevice{dongle.USB.Port: dongle.USB}, drivers: []string{"btusb"}}
}

func TestRungsOfTheSystem(t *testing.T) {
	noRight := &hcisock.OpenError{Address: "usb 1-1.4", Op: "reset USB port", Err: syscall.EACCES, Cause: hcisock.CausePermission, Remedy: "add a rule"}
	blocked := with(func(a *hcisock.Adapter) { a.RFKill.Soft = true })
	up := with(func(a *hcisock.Adapter) { a.Up = true })
	for _, c := range []struct {
		name    string
		system  *testSystem
		address string
		rung    Rung
		done    []string
		err     string
	}{
		{"down", newTestSystem(dongle), "hci1", RungPowerCycle, []string{"up hci1"}, ""},
		{"up", newTestSystem(onUART, up), dongleMAC.String(), RungPowerCycle, []string{"down hci1", "up hci1"}, ""},
		{"blocked", newTestSystem(blocked), "hci1", RungPowerCycle, []string{"unblock hci1", "up hci1"}, ""},
		{"on a UART", newTestSystem(onUART), "hci0", RungPowerCycle, []string{"up hci0"}, ""},
		{"absent", newTestSystem(onUART), "hci1", RungPowerCycle, nil, "not possible: the adapter is not there"},
		{"a stream", newTestSystem(onUART), "tcp:localhost:1", RungPowerCycle, nil, "not possible: the system does not have the adapter, which is a stream"},
		{"taken by another process", newTestSystem(with(func(a *hcisock.Adapter) {
			a.Up, a.UserChannel, a.Holders = true, true, []hcisock.Holder{{PID: 7, Name: "other", UserChannel: true, Sure: true}}
		})), "hci1", RungPowerCycle, nil, "not possible: another process uses it: other (pid 7)"},
		{"with links of other programs", &testSystem{adapters: []hcisock.Adapter{up}, links: map[int]int{1: 2}}, "hci1", RungPowerCycle, nil,
			"not possible: other programs have 2 links on it"},
		{"that does not start", &testSystem{adapters: []hcisock.Adapter{dongle}, fails: map[string]error{"up hci1": syscall.ETIMEDOUT}}, "hci1", RungPowerCycle,
			[]string{"up hci1"}, "connection timed out"},
		{"without permission", &testSystem{adapters: []hcisock.Adapter{dongle}, fails: map[string]error{"up hci1": noRight}}, "hci1", RungPowerCycle,
			[]string{"up hci1"}, "not possible: " + noRight.Error()},

		{"on USB", newTestSystem(dongle), "hci1", RungUSBReset, []string{"reset 1-1.4"}, ""},
		{"not on USB", newTestSystem(onUART), "hci0", RungUSBReset, nil, "not possible: the adapter is on no USB port (bus uart)"},
		{"never seen", newTestSystem(onUART), dongleMAC.String(), RungUSBReset, nil, "not possible: the adapter is not there"},
		{"with Wi-Fi", &testSystem{adapters: []hcisock.Adapter{dongle}, drivers: []string{"btusb", "mt7921u"}}, "hci1", RungUSBReset, nil,
			"not possible: the USB device at port 1-1.4 has other functions, of the driver mt7921u"},
		{"on USB, with links of other programs", &testSystem{adapters: []hcisock.Adapter{up}, links: map[int]int{1: 1}}, "hci1", RungUSBReset, nil,
			"not possible: other programs have 1 link on it"},
		{"on USB without permission", &testSystem{adapters: []hcisock.Adapter{dongle}, fails: map[string]error{"reset 1-1.4": noRight}}, "hci1", RungUSBReset,
			[]string{"reset 1-1.4"}, "not possible: " + noRight.Error()},
		{"whose reset fails", &testSystem{adapters: []hcisock.Adapter{dongle}, fails: map[string]error{"reset 1-1.4": syscall.EIO}}, "hci1", RungUSBReset,
			[]string{"reset 1-1.4"}, "input/output error"},
		{"of no such rung", newTestSystem(dongle), "hci1", RungReopen, nil, "not possible: the adapter has no such rung"},
	} {
		err := c.system.recoverer().Recover(t.Context(), c.address, c.rung)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != c.err || errors.Is(err, ErrNoRung) != strings.HasPrefix(c.err, "not possible") || !slices.Equal(c.system.done, c.done) {
			t.Errorf("an adapter %s, %v: %q and %q, want %q and %q", c.name, c.rung, c.system.done, text, c.done, c.err)
		}
	}
}

// An adapter whose port was reset is awaited, under whichever index it comes back. A block
// that it has now is lifted.
func TestResetAdapterComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(dongle)
		s.reset = func() {
			at := time.Now()
			s.later = func() []hcisock.Adapter {
				switch d := time.Since(at); {
				case d < 3*time.Second:
					return []hcisock.Adapter{onUART}
				case d < 7*time.Second: // the kernel has not read its address yet
					return []hcisock.Adapter{onUART, with(func(a *hcisock.Adapter) { a.Index, a.MAC = 2, hci.MAC{} })}
				}
				return []hcisock.Adapter{onUART, with(func(a *hcisock.Adapter) { a.Index, a.RFKill.Soft = 2, true })}
			}
		}
		begin := time.Now()
		err := s.recoverer().Recover(t.Context(), dongleMAC.String(), RungUSBReset)
		if took := time.Since(begin); err != nil || took < 7*time.Second || took > 7*time.Second+lookAgain {
			t.Errorf("%v after %v, want the adapter back after 7 s", err, took)
		}
		if want := []string{"reset 1-1.4", "unblock hci2"}; !slices.Equal(s.done, want) {
			t.Errorf("done %q, want %q", s.done, want)
		}

		s.reset = func() { s.later = func() []hcisock.Adapter { return nil } }
		begin = time.Now()
		err = s.recoverer().Recover(t.Context(), dongleMAC.String(), RungUSBReset)
		const want = "the adapter did not come back within 12s after the reset of USB port 1-1.4"
		if took := time.Since(begin); err == nil || err.Error() != want || took != comesBack {
			t.Errorf("%v after %v, want %q", err, took, want)
		}
	})
}

// A controller without an address, as clones have, comes back without one too: it is
// taken once it has been there for a while without a break.
func TestResetAdapterWithoutAddressComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clone := with(func(a *hcisock.Adapter) { a.MAC = hci.MAC{} })
		s := newTestSystem(clone)
		s.reset = func() {
			at := time.Now()
			s.later = func() []hcisock.Adapter {
				if d := time.Since(at); d >= time.Second && d < 2*time.Second || d >= 3*time.Second {
					return []hcisock.Adapter{onUART, clone}
				}
				return []hcisock.Adapter{onUART}
			}
		}
		begin := time.Now()
		err := s.recoverer().Recover(t.Context(), "hci1", RungUSBReset)
		if took := time.Since(begin); err != nil || took != 5*time.Second {
			t.Errorf("%v after %v, want the adapter back after 5 s", err, took)
		}
	})
}

// An adapter that has vanished while its USB device is there is brought back, but not
// another device at its port. A device that was plugged in anew gets time to start.
func TestResetOfVanishedAdapter(t *testing.T) {
	s := newTestSystem(dongle)
	back := func() { s.adapters = []hcisock.Adapter{dongle} }
	s.reset = back
	r := s.recoverer()
	r.NoteOpened("hci1")
	take := func(want string) {
		t.Helper()
		s.adapters = nil
		if err := r.Recover(t.Context(), dongleMAC.String(), RungUSBReset); (err != nil || want != "") && (err == nil || err.Error() != want || !errors.Is(err, ErrNoRung)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	take("")
	anew := dongle.USB
	anew.Number = 9
	s.usb["1-1.4"] = anew
	take("not possible: the USB device at port 1-1.4 was plugged in anew, and may be starting")
	take("")
	other := anew
	other.ProductID = 2
	s.usb["1-1.4"] = other
	take("not possible: another device is at USB port 1-1.4")
	delete(s.usb, "1-1.4")
	take("not possible: there is no device at this port")
	if want := []string{"reset 1-1.4", "reset 1-1.4"}; !slices.Equal(s.done, want) {
		t.Errorf("done %q, want %q", s.done, want)
	}
}
