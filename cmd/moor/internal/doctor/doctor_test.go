package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/hci/hcitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	resetCommand  = []byte{1, 0x03, 0x0C, 0}
	resetComplete = []byte{4, 0x0E, 4, 1, 0x03, 0x0C, 0}
	leFeatures    = []byte{4, 0x0E, 12, 1, 0x03, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0}
	leBufferSize  = []byte{4, 0x0E, 7, 1, 0x02, 0x20, 0, 251, 0, 8}
)

// machine is a machine in good health, for the tests to spoil. It records
// what is done to it.
type machine struct {
	Env
	adapters  []hcisock.Adapter
	answer    [][]byte // what a controller sends after Reset
	opened    []string
	broughtUp []int
	ctl       *hcitest.Controller // of the controller opened last
}

func healthy() *machine {
	m := &machine{answer: [][]byte{resetComplete, leFeatures, leBufferSize}}
	m.adapters = []hcisock.Adapter{{Index: 0, Name: "hci0", MAC: hci.MAC{6, 5, 4, 3, 2, 1}, Bus: "usb"}}
	m.Env = Env{
		AddressFamily: func() error { return nil },
		InitialNetNS:  func() (bool, error) { return true, nil },
		Privileges: func() (hcisock.Privileges, error) {
			return hcisock.Privileges{NetAdmin: true, InitialUserNS: true}, nil
		},
		Adapters:   func() ([]hcisock.Adapter, error) { return m.adapters, nil },
		Dormant:    func() []string { return nil },
		KernelLog:  func() ([]string, error) { return []string{"Bluetooth: Core ver 2.22"}, nil },
		Links:      func(int) ([]hcisock.KernelLink, error) { return nil, nil },
		CheckReset: func(hcisock.USBDevice) error { return nil },
		Up:         func(index int) error { m.broughtUp = append(m.broughtUp, index); return nil },
		Open: func(_ context.Context, address string) (hci.Transport, error) {
			m.opened = append(m.opened, address)
			host, ctl := hcitest.Pipe()
			m.ctl = ctl
			for _, p := range m.answer {
				ctl.Send(p)
			}
			return host, nil
		},
	}
	return m
}

func openError(cause hcisock.Cause, errno error, remedy string) *hcisock.OpenError {
	return &hcisock.OpenError{Address: "hci0", Op: "bind user channel", Err: errno, Cause: cause, Remedy: remedy}
}

func refuseOpen(m *machine, err error) {
	m.Open = func(_ context.Context, address string) (hci.Transport, error) {
		m.opened = append(m.opened, address)
		return nil, err
	}
}

// summary returns one line a finding: its check, and whether it is good.
func summary(r Report) (lines []string) {
	for _, f := range r.Findings {
		word := "bad"
		if f.OK {
			word = "good"
		}
		lines = append(lines, f.Check+": "+word)
	}
	return lines
}

func find(t *testing.T, r Report, check string) Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding about %q in %v", check, summary(r))
	return Finding{}
}

func TestHealthyMachine(t *testing.T) {
	m := healthy()
	r := Run(t.Context(), m.Env)
	want := []Finding{
		{"kernel", true, "it has Bluetooth sockets", ""},
		{"network namespace", true, "Bluetooth works in this one", ""},
		{"capability", true, "CAP_NET_ADMIN in the initial user namespace", ""},
		{"adapters", true, "hci0 (01:02:03:04:05:06, usb)", ""},
		{"firmware", true, "the kernel log reports none missing", ""},
		{"hci0 rfkill", true, "its radio is on", ""},
		{"hci0 holder", true, "it is down, and no process has it", ""},
		{"hci0 address", true, "01:02:03:04:05:06", ""},
		{"hci0 open", true, "it can be opened and answers", ""},
		{"hci0 LE", true, "it has Bluetooth LE, with 8 buffers of 251 octets", ""},
	}
	if diff := cmp.Diff(want, r.Findings); diff != "" || !r.OK {
		t.Errorf("OK %v, findings differ (-want +got):\n%s", r.OK, diff)
	}
	if got, err := m.ctl.Sent(t.Context()); err != nil || string(got) != string(resetCommand) {
		t.Errorf("sent [% X], %v; want Reset", got, err)
	}
	select {
	case <-m.ctl.Closed():
	default:
		t.Error("the adapter was not given back")
	}
	if m.broughtUp != nil {
		t.Errorf("brought up %v, which had been down", m.broughtUp)
	}
}

// TestBuffers: a controller with LE may refuse one of two commands about it, or share the
// buffers of Bluetooth Classic.
func TestBuffers(t *testing.T) {
	for _, c := range []struct {
		features, buffers []byte
		want              string
	}{
		{[]byte{4, 0x0E, 4, 1, 0x03, 0x20, 3}, leBufferSize, "it has Bluetooth LE, with 8 buffers of 251 octets"},
		{leFeatures, []byte{4, 0x0E, 7, 1, 0x02, 0x20, 0, 0, 0, 0}, "it has Bluetooth LE, with the buffers of Bluetooth Classic"},
	} {
		m := healthy()
		m.answer = [][]byte{resetComplete, c.features, c.buffers}
		r := Run(t.Context(), m.Env)
		if f := find(t, r, "hci0 LE"); !r.OK || !f.OK || f.Detail != c.want {
			t.Errorf("OK %v, %+v; want %q", r.OK, f, c.want)
		}
	}
}

// TestNoLEIsGivenBack: an adapter without LE was up, and is up again; the next adapter is
// tried.
func TestNoLEIsGivenBack(t *testing.T) {
	m := healthy()
	m.adapters[0].Up = true
	m.answer = [][]byte{resetComplete, {4, 0x0E, 4, 1, 0x03, 0x20, 1}, {4, 0x0E, 4, 1, 0x02, 0x20, 1}}
	m.adapters = append(m.adapters, hcisock.Adapter{Index: 1, Name: "hci1", Up: true})
	if r := Run(t.Context(), m.Env); r.OK || cmp.Diff([]string{"hci0", "hci1"}, m.opened) != "" || cmp.Diff([]int{0, 1}, m.broughtUp) != "" {
		t.Errorf("OK %v, opened %v, brought up %v", r.OK, m.opened, m.broughtUp)
	}
}

var bluetoothd = []hcisock.Holder{{PID: 7, Name: "bluetoothd", Sure: true}}

// Each case spoils one thing and names the finding that must show it.
func TestFindings(t *testing.T) {
	noFamily := openError(hcisock.CauseNoBluetooth, syscall.EAFNOSUPPORT, "modprobe bluetooth")
	noNS := openError(hcisock.CauseNamespace, syscall.EAFNOSUPPORT, "host networking")
	for _, c := range []struct {
		name   string
		spoil  func(*machine)
		check  string
		detail string
		remedy string
		ok     bool // of the whole report
	}{
		{"no Bluetooth in the kernel", func(m *machine) {
			m.AddressFamily = func() error { return noFamily }
			m.Adapters = func() ([]hcisock.Adapter, error) { return nil, noFamily }
		}, "kernel", "not supported", "modprobe bluetooth", false},
		{"not the initial network namespace", func(m *machine) {
			m.AddressFamily = func() error { return noNS }
			m.Adapters = func() ([]hcisock.Adapter, error) { return m.adapters, noNS }
		}, "network namespace", "not supported", "host networking", false},
		{"no Bluetooth here, and another namespace", func(m *machine) {
			m.AddressFamily = func() error { return noFamily }
			m.InitialNetNS = func() (bool, error) { return false, nil }
			m.Adapters = func() ([]hcisock.Adapter, error) { return nil, noFamily }
		}, "network namespace", "not the initial one", "host networking", false},
		{"no capability", func(m *machine) {
			m.Privileges = func() (hcisock.Privileges, error) {
				return hcisock.Privileges{InitialUserNS: true, Unbounded: true}, nil
			}
			refuseOpen(m, openError(hcisock.CausePermission, syscall.EPERM, "setcap"))
		}, "capability", "CAP_NET_ADMIN is missing", "setcap cap_net_admin+ep", false},
		{"capability of a container", func(m *machine) {
			m.Privileges = func() (hcisock.Privileges, error) { return hcisock.Privileges{NetAdmin: true}, nil }
			refuseOpen(m, openError(hcisock.CausePermission, syscall.EPERM, "setcap"))
		}, "capability", "only in this user namespace", "fd:N", false},
		{"capability unknown", func(m *machine) {
			m.Privileges = func() (hcisock.Privileges, error) { return hcisock.Privileges{}, errors.New("no /proc") }
		}, "capability", "no /proc", "", true},
		{"no adapter", func(m *machine) { m.adapters = nil }, "adapters", "there is none", "plug one in", false},
		{"adapter out of reach", func(m *machine) {
			m.Adapters = func() ([]hcisock.Adapter, error) { return m.adapters, noNS }
		}, "adapters", "out of reach", "see above", false},
		{"another adapter wanted", func(m *machine) { m.Adapter = "hci1" },
			"adapters", "hci1 is not among hci0 (01:02:03:04:05:06, usb)", "choose one of these", false},
		{"no driver", func(m *machine) {
			m.adapters = nil
			m.Dormant = func() []string { return []string{"USB 1-3:1.0 (0a12:0001)"} }
		}, "usb", "0a12:0001", "modprobe btusb", false},
		{"firmware missing", func(m *machine) {
			m.KernelLog = func() ([]string, error) {
				return []string{"x", "[ 5.1] bluetooth hci0: Direct firmware load for rtl_bt/rtl8761bu_fw.bin failed with error -2"}, nil
			}
		}, "firmware", "rtl_bt/rtl8761bu_fw.bin", "linux-firmware", true},
		{"rfkill by software", func(m *machine) {
			m.adapters[0].RFKill.Soft = true
			refuseOpen(m, openError(hcisock.CauseRFKill, errors.New("radio off"), "rfkill unblock"))
		}, "hci0 rfkill", "by software", "rfkill unblock bluetooth", false},
		{"rfkill by hardware", func(m *machine) {
			m.adapters[0].RFKill.Hard = true
			refuseOpen(m, openError(hcisock.CauseRFKill, errors.New("radio off"), "rfkill unblock"))
		}, "hci0 rfkill", "switch or key", "turn it on", false},
		{"held by a process", func(m *machine) {
			m.adapters[0].Up, m.adapters[0].UserChannel = true, true
			m.adapters[0].Holders = []hcisock.Holder{{PID: 42, Name: "go-ble", UserChannel: true, Sure: true}}
			refuseOpen(m, openError(hcisock.CauseBusy, syscall.EBUSY, "stop"))
		}, "hci0 holder", "go-ble (pid 42) has its user channel", "stop that process", false},
		{"held by an unknown process", func(m *machine) {
			m.adapters[0].Up, m.adapters[0].UserChannel = true, true
			refuseOpen(m, openError(hcisock.CauseBusy, syscall.EBUSY, "stop"))
		}, "hci0 holder", "another process has its user channel", "run as root, moor doctor names it", false},
		{"no address", func(m *machine) { m.adapters[0].MAC = hci.MAC{} }, "hci0 address", "none", "random address", true},
		{"links of others", func(m *machine) {
			m.adapters[0].Up = true
			m.Links = func(int) ([]hcisock.KernelLink, error) {
				return []hcisock.KernelLink{{MAC: hci.MAC{1}, Kind: hcisock.LinkLE}}, nil
			}
		}, "hci0 open", "not tried: other programs have links on it: 00:00:00:00:00:01 (LE)", "bluetoothctl disconnect", false},
		{"capability that a container does not give", func(m *machine) {
			m.Privileges = func() (hcisock.Privileges, error) { return hcisock.Privileges{InitialUserNS: true}, nil }
			refuseOpen(m, openError(hcisock.CausePermission, syscall.EPERM, "--cap-add"))
		}, "capability", "CAP_NET_ADMIN is missing", "--cap-add NET_ADMIN", false},
		{"held by this process", func(m *machine) {
			m.adapters[0].Up, m.adapters[0].UserChannel = true, true
			m.adapters[0].Holders = []hcisock.Holder{{PID: 311, Name: "moor", UserChannel: true, Sure: true, FD: 3}}
			refuseOpen(m, openError(hcisock.CauseBusy, syscall.EBUSY, "use fd:3"))
		}, "hci0 holder", "this process was handed its user channel as descriptor 3", "use --adapter fd:3", false},
		{"bluetoothd's, and none was named", func(m *machine) {
			m.adapters[0].Up, m.adapters[0].Holders = true, bluetoothd
		}, "hci0 open", "not tried: bluetoothd (pid 7) uses it", "`sudo systemctl stop bluetooth`, or name hci0", false},
		{"bluetoothd's, but down", func(m *machine) {
			m.adapters[0].Holders = bluetoothd
		}, "hci0 open", "not tried: bluetoothd (pid 7) uses it", "`sudo systemctl stop bluetooth`, or name hci0", false},
		{"does not open", func(m *machine) {
			refuseOpen(m, openError(hcisock.CauseDriver, syscall.ETIMEDOUT, "see dmesg"))
		}, "hci0 open", "hci0: bind user channel: " + syscall.ETIMEDOUT.Error(), "see dmesg", false},
		{"no LE", func(m *machine) {
			m.answer = [][]byte{resetComplete, {4, 0x0E, 4, 1, 0x03, 0x20, 1}, {4, 0x0E, 4, 1, 0x02, 0x20, 1}}
		}, "hci0 LE", "it has no Bluetooth LE: it is for Bluetooth Classic only", "use an adapter with Bluetooth 4.0 or later", false},
		{"no LE, by Command Status", func(m *machine) {
			m.answer = [][]byte{resetComplete, {4, 0x0F, 4, 1, 1, 0x03, 0x20}, {4, 0x0F, 4, 1, 1, 0x02, 0x20}}
		}, "hci0 LE", "it has no Bluetooth LE: it is for Bluetooth Classic only", "use an adapter with Bluetooth 4.0 or later", false},
		{"LE buffers refused", func(m *machine) {
			m.answer = [][]byte{resetComplete, leFeatures, {4, 0x0E, 4, 1, 0x02, 0x20, 3}}
		}, "hci0 LE", "it refuses LE Read Buffer Size: hardware failure (0x03)", "unplug it and plug it in again, or use another one", false},
		{"refuses Reset", func(m *machine) { m.answer = [][]byte{{4, 0x0E, 4, 1, 0x03, 0x0C, 0x03}} },
			"hci0 open", "it refuses Reset", "unplug it", false},
	} {
		m := healthy()
		c.spoil(m)
		r := Run(t.Context(), m.Env)
		if r.OK != c.ok {
			t.Errorf("%s: report OK %v, want %v", c.name, r.OK, c.ok)
		}
		f := find(t, r, c.check)
		if f.OK || !strings.Contains(f.Detail, c.detail) || !strings.Contains(f.Remedy, c.remedy) {
			t.Errorf("%s: %+v; want it bad, with %q and %q", c.name, f, c.detail, c.remedy)
		}
	}
}

func TestGoodFindingsThatTellMore(t *testing.T) {
	for _, c := range []struct {
		name, check, detail string
		change              func(*machine)
	}{
		{"bluetoothd uses it", "hci0 holder", "bluetoothd (pid 7) uses it; only commands that name it take it over, which cuts its links", func(m *machine) {
			m.Adapter, m.adapters[0].Up, m.adapters[0].Holders = "hci0", true, bluetoothd
		}},
		{"bluetoothd may bring it up", "hci0 holder", "it is down, but bluetoothd (pid 7) has it and may bring it up; only commands that name it take it over", func(m *machine) {
			m.Adapter, m.adapters[0].Holders = "hci0", bluetoothd
		}},
		{"a program has it, but not the other", "hci1 open", "it can be opened and answers", func(m *machine) {
			m.adapters = append(m.adapters, hcisock.Adapter{Index: 1, Name: "hci1"})
			m.adapters[0].UserChannel, m.adapters[0].Holders = true, []hcisock.Holder{{PID: 42, Name: "scanner", Sure: true}}
		}},
		{"up for no process", "hci0 holder", "the kernel has it up, and no process is seen to use it; commands take it over unless it has links", func(m *machine) { m.adapters[0].Up = true }},
		{"links of others on an adapter that was named", "hci0 open", "not tried: other programs have links on it: 00:00:00:00:00:01 (LE); " +
			"commands that name it take it, which ends these links", func(m *machine) {
			m.Adapter, m.adapters[0].Up = "hci0", true
			m.Links = func(int) ([]hcisock.KernelLink, error) {
				return []hcisock.KernelLink{{MAC: hci.MAC{1}, Kind: hcisock.LinkLE}}, nil
			}
		}},
		{"a USB port", "hci0 usb", "port 1-1.4 can be reset if the adapter hangs", func(m *machine) {
			m.adapters[0].USB.Port = "1-1.4"
		}},
		{"a USB port without permission", "hci0 usb", "port 1-1.4 cannot be reset if the adapter hangs: permission denied; add a rule", func(m *machine) {
			m.adapters[0].USB.Port = "1-1.4"
			m.CheckReset = func(hcisock.USBDevice) error {
				return &hcisock.OpenError{Address: "usb 1-1.4", Op: "reset USB port", Err: syscall.EACCES, Cause: hcisock.CausePermission, Remedy: "add a rule"}
			}
		}},
		{"log not readable", "firmware", "unknown: the kernel log can be read by root only", func(m *machine) {
			m.KernelLog = func() ([]string, error) { return nil, syscall.EPERM }
		}},
		{"events before the answer", "hci0 open", "it can be opened and answers", func(m *machine) {
			m.answer = [][]byte{{4, 0xFF, 1, 0}, {4, 0x0E, 4, 1, 0x01, 0x10, 0}, {2, 0, 0, 0, 0}, {4, 0x0E}, resetComplete, leFeatures, leBufferSize}
		}},
	} {
		m := healthy()
		c.change(m)
		r := Run(t.Context(), m.Env)
		if f := find(t, r, c.check); !r.OK || !f.OK || f.Detail != c.detail {
			t.Errorf("%s: report OK %v, %+v; want both good, with %q", c.name, r.OK, f, c.detail)
		}
	}
}

// The adapter that no process uses is tried first, and no other.
func TestDisturbsLeast(t *testing.T) {
	m := healthy()
	m.adapters = []hcisock.Adapter{
		{Index: 0, Name: "hci0", Up: true, UserChannel: true},
		{Index: 1, Name: "hci1", Up: true},
		{Index: 2, Name: "hci2", RFKill: hcisock.RFKill{Soft: true}},
		{Index: 3, Name: "hci3"},
	}
	r := Run(t.Context(), m.Env)
	if diff := cmp.Diff([]string{"hci3"}, m.opened); diff != "" || !r.OK {
		t.Errorf("OK %v, opened (-want +got):\n%s", r.OK, diff)
	}
	m.opened = nil
	refuseOpen(m, openError(hcisock.CauseDriver, syscall.EIO, ""))
	r = Run(t.Context(), m.Env)
	if diff := cmp.Diff([]string{"hci3", "hci2", "hci1", "hci0"}, m.opened); diff != "" || r.OK {
		t.Errorf("when none opens: OK %v, tried (-want +got):\n%s", r.OK, diff)
	}
}

func TestGivesBackWhatWasUp(t *testing.T) {
	m := healthy()
	m.adapters[0].Index, m.adapters[0].Up = 5, true
	if r := Run(t.Context(), m.Env); !r.OK {
		t.Errorf("not OK: %v", summary(r))
	}
	if diff := cmp.Diff([]int{5}, m.broughtUp); diff != "" {
		t.Errorf("brought up (-want +got):\n%s", diff)
	}
	m.Up = func(int) error { return fmt.Errorf("no power") }
	r := Run(t.Context(), m.Env)
	if f := find(t, r, "hci0 give back"); !r.OK || f.OK || f.Detail != "no power" {
		t.Errorf("OK %v, %+v; want the report good and this finding bad", r.OK, f)
	}
}

func TestWantedAdapter(t *testing.T) {
	for _, wanted := range []string{"hci1", "AA:AA:AA:AA:AA:AA", "aa:aa:aa:aa:aa:aa"} {
		m := healthy()
		m.Adapter = wanted
		m.adapters = append(m.adapters, hcisock.Adapter{Index: 1, Name: "hci1", MAC: hci.MAC{0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA}})
		r := Run(t.Context(), m.Env)
		if diff := cmp.Diff([]string{"hci1"}, m.opened); diff != "" || !r.OK {
			t.Errorf("%s: OK %v, opened (-want +got):\n%s", wanted, r.OK, diff)
		}
	}
}

// An adapter that is not the kernel's does not need Bluetooth in the kernel.
func TestRemoteController(t *testing.T) {
	m := healthy()
	m.Adapter = "tcp:localhost:6402"
	m.AddressFamily = func() error { return errors.New("must not matter") }
	r := Run(t.Context(), m.Env)
	if diff := cmp.Diff([]string{"tcp:localhost:6402 open: good", "tcp:localhost:6402 LE: good"}, summary(r)); diff != "" || !r.OK {
		t.Errorf("OK %v, findings differ (-want +got):\n%s", r.OK, diff)
	}
}

func TestMalformedAddress(t *testing.T) {
	m := healthy()
	m.Adapter = "hci"
	r := Run(t.Context(), m.Env)
	if f := find(t, r, "address"); r.OK || f.OK || !strings.Contains(f.Remedy, "use hci0") || len(r.Findings) != 1 {
		t.Errorf("OK %v, %+v; want only this finding, with the forms", r.OK, r.Findings)
	}
}

func TestControllerThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, testControllerThatDoesNotAnswer)
}

func testControllerThatDoesNotAnswer(t *testing.T) {
	m := healthy()
	m.answer = nil
	start := time.Now()
	r := Run(t.Context(), m.Env)
	f := find(t, r, "hci0 open")
	if r.OK || f.OK || !strings.Contains(f.Detail, "no answer to Reset") {
		t.Errorf("OK %v, %+v; want no answer", r.OK, f)
	}
	if took := time.Since(start); took != 15*time.Second {
		t.Errorf("took %v, want 15s", took)
	}
	m.ctl.WantClosed(t)
}

func TestCanceled(t *testing.T) {
	m := healthy()
	m.answer = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := Run(ctx, m.Env); r.OK {
		t.Error("OK in spite of no answer")
	}
}

// An adapter that cannot be set up is not called one without an address: the kernel does
// not know it yet.
func TestAddressOfAnAdapterThatDoesNotOpen(t *testing.T) {
	m := healthy()
	m.adapters[0].MAC = hci.MAC{}
	refuseOpen(m, openError(hcisock.CauseDriver, syscall.ETIMEDOUT, "see dmesg"))
	r := Run(t.Context(), m.Env)
	if f := find(t, r, "hci0 address"); !f.OK || f.Detail != "unknown until the adapter has been set up" {
		t.Errorf("%+v", f)
	}
	if last := r.Findings[len(r.Findings)-2]; last.Check != "hci0 open" || last.OK {
		t.Errorf("%+v, want the cause before that", last)
	}
}
