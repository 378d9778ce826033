package cli

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// TestTakesNoAdapterUnasked runs commands on a machine whose adapter bluetoothd uses,
// and checks which adapters they open.
func TestTakesNoAdapterUnasked(t *testing.T) {
	daemon := []hcisock.Holder{{PID: 7, Name: "bluetoothd", Sure: true}}
	theirs := hcisock.Adapter{Index: 77, Name: "hci77", MAC: hci.MAC{1, 2, 3, 4, 5, 6}, Up: true, Holders: daemon}
	used := hcisock.Adapter{
		Index: 76, Name: "hci76", Up: true, UserChannel: true, Holders: []hcisock.Holder{{PID: 42, Name: "scanner", Sure: true}},
	}
	free := hcisock.Adapter{Index: 78, Name: "hci78"}
	const refused = "moor: hci77: choose: bluetoothd (pid 7) uses it\n" +
		"      `sudo systemctl stop bluetooth`, or name hci77 to open it anyway, which drops its links\n"
	for _, c := range []struct {
		name   string
		list   []hcisock.Adapter
		args   string
		opened []string
		stdout string // where none was opened
		stderr string
	}{
		{"scan", []hcisock.Adapter{theirs}, "scan", nil, "", refused},
		{"read", []hcisock.Adapter{theirs}, "read " + belt + " 2a38", nil, "", refused},
		{"scan on the other", []hcisock.Adapter{used, free}, "scan", []string{"hci78"}, "", ""},
		{"scan where it is named", []hcisock.Adapter{theirs}, "-a hci77 scan", []string{"hci77"}, "", ""},
		{"slots", []hcisock.Adapter{theirs}, "slots", nil, "hci77  0 connections  run by the kernel\n", ""},
		{"slots where it is named", []hcisock.Adapter{theirs, free}, "-a hci77 slots", nil, "hci77  0 connections  run by the kernel\n", ""},
		{"slots by address", []hcisock.Adapter{theirs}, "-a 06:05:04:03:02:01 slots", nil, "hci77  0 connections  run by the kernel\n", ""},
		{"slots on the other", []hcisock.Adapter{used, free}, "slots", []string{"hci78"}, "", ""},
		{"slots of nobody's that is up", []hcisock.Adapter{{Index: 79, Name: "hci79", Up: true}}, "slots", nil, "hci79  0 connections  run by the kernel\n", ""},
		{"no adapter", nil, "slots", nil, "", "moor: there is no Bluetooth adapter on this machine\n" +
			"      plug one in (moor doctor finds other reasons), name one with --adapter, or try moor --adapter sim: scan\n"},
	} {
		inAir(t, c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			var opened []string
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			code := runChecked(ctx, strings.Fields(c.args), &Env{
				Stdout: &stdout, Stderr: &stderr,
				Adapters: func() ([]hcisock.Adapter, error) { return c.list, nil },
				Open: func(_ context.Context, address string) (hci.Transport, error) {
					if !slices.Contains(opened, address) {
						opened = append(opened, address)
					}
					return nil, errors.New("not for a test")
				},
			})
			if !slices.Equal(opened, c.opened) {
				t.Errorf("opened %q, want %q", opened, c.opened)
			}
			if c.opened != nil {
				return // the outcome does not matter here
			}
			if want := map[bool]int{true: 0, false: 1}[c.stderr == ""]; code != want || stdout.String() != c.stdout || stderr.String() != c.stderr {
				t.Errorf("exit code %d, want %d; stdout %q, want %q; stderr %q, want %q", code, want, stdout.String(), c.stdout, stderr.String(), c.stderr)
			}
		})
	}
	var stdout bytes.Buffer
	runChecked(t.Context(), []string{"--json", "adapters"}, &Env{Stdout: &stdout, Stderr: &stdout, Adapters: func() ([]hcisock.Adapter, error) { return []hcisock.Adapter{theirs, free}, nil }})
	got := objects[jsonAdapter](t, result{stdout: stdout.String()})
	if len(got) != 2 || got[0].Free || !got[1].Free {
		t.Errorf("adapters are %+v, want the second one free alone", got)
	}
}

func TestAdaptersNamed(t *testing.T) {
	machine := []hcisock.Adapter{{Index: 0, Name: "hci0", MAC: hci.MAC{1, 2, 3, 4, 5, 6}, Bus: "usb", Up: true}, {Index: 1, Name: "hci1", Bus: "uart"}}
	const first, second = "hci0  06:05:04:03:02:01  usb   up\n", "hci1  no address         uart  down\n"
	const simulated, nowhere = "sim:  00:4F:52:00:00:00  sim  answers\n", "unix:/does/not/exist  no address  unix  down: "
	unlisted := errors.New("no Bluetooth in this kernel")
	for _, c := range []struct {
		name, args     string
		listed         error
		code           int
		stdout, stderr string
	}{
		{"all", "adapters", nil, 0, first + second, ""},
		{"one", "-a hci1 adapters", nil, 0, "hci1  no address  uart  down\n", ""},
		{"by address", "-a 06:05:04:03:02:01 adapters", nil, 0, "hci0  06:05:04:03:02:01  usb  up\n", ""},
		{"not there", "-a hci7 adapters", nil, 1, "", "moor: hci7: there is no such adapter on this machine\n"},
		{"simulated", "-a sim: adapters", nil, 0, simulated, ""},
		{"simulated, without Bluetooth", "-a sim: adapters", unlisted, 0, simulated, ""},
		{"without Bluetooth", "-a sim:,hci0 adapters", unlisted, 1, "", "moor: no Bluetooth in this kernel\n"},
		{"dead", "-a unix:/does/not/exist adapters", unlisted, 0, nowhere, ""},
	} {
		inAir(t, c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := runChecked(t.Context(), strings.Fields(c.args), &Env{
				Stdout: &stdout, Stderr: &stderr, Adapters: func() ([]hcisock.Adapter, error) { return machine, c.listed },
			})
			if code != c.code || stderr.String() != c.stderr || !strings.HasPrefix(stdout.String(), c.stdout) || c.stdout != nowhere && stdout.String() != c.stdout {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
		})
	}
	inAir(t, "states", func(t *testing.T) {
		machine := []hcisock.Adapter{
			{Index: 0, Name: "hci0", Bus: "usb", Driver: "btusb", RFKill: hcisock.RFKill{Soft: true}, USB: hcisock.USBDevice{Manufacturer: "Kettle", Product: "Radio"}},
			{Index: 1, Name: "hci1", Bus: "usb", RFKill: hcisock.RFKill{Hard: true}, USB: hcisock.USBDevice{VendorID: 0x0a12, ProductID: 1}},
			{Index: 2, Name: "hci2", Bus: "uart", Up: true, UserChannel: true},
			{Index: 3, Name: "hci3", Bus: "uart", Up: true, Holders: []hcisock.Holder{{PID: 7, Name: "bluetoothd", Sure: true}, {PID: 9, Name: "scanner", Sure: true}}},
		}
		var stdout, stderr bytes.Buffer
		code := runChecked(t.Context(), []string{"adapters"}, &Env{Stdout: &stdout, Stderr: &stderr, Adapters: func() ([]hcisock.Adapter, error) { return machine, nil }})
		result{code, stdout.String(), stderr.String(), 0}.want(t, 0, ""+
			"hci0  no address  usb btusb  down, switched off by rfkill                     Kettle Radio\n"+
			"hci1  no address  usb        down, switched off by a hardware switch          0a12:0001\n"+
			"hci2  no address  uart       up, held by another process\n"+
			"hci3  no address  uart       up, held by bluetoothd (pid 7), scanner (pid 9)\n", "")
	})
	inAir(t, "JSON", func(t *testing.T) {
		moor(t.Context(), "-a", "sim:", "--json", "adapters").want(t, 0,
			`{"name":"sim:","address":"00:4F:52:00:00:00","bus":"sim","up":true,"rfkill_soft":false,"rfkill_hard":false,"user_channel":false,"free":true}`+"\n", "")
	})
}
