//go:build kernel

package kernel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
)

// peerAdapter returns the name of the kernel's adapter with peerAddress; empty if there is
// none.
func peerAdapter(t *testing.T) string {
	t.Helper()
	found, err := hcisock.Adapters()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(found, func(a hcisock.Adapter) bool { return a.MAC.String() == peerAddress })
	if i < 0 {
		return ""
	}
	return found[i].Name
}

// TestLabForBleak has bleak and bleak-retry-connector, on bluetoothd, use the devices of
// moor lab: find, connect, read, write, be notified, pair with a passkey; then the
// controller vanishes under a link and returns.
func TestLabForBleak(t *testing.T) {
	lab := startLab(t, labFile, 2)
	startBus(t)
	s, _ := startBlueZ(t)
	u := startUser(t)
	adapter := peerAdapter(t)
	if name := u.do(t, "find", kettleAddress, adapter); name != "Kettle" {
		t.Errorf("found %q", name)
	}
	u.do(t, "establish")
	if v := u.do(t, "read", kettleLevel); v != "39" {
		t.Errorf("read %q", v)
	}
	u.do(t, "write", kettleNote, "c0ffee")
	if v := u.do(t, "read", kettleNote); v != "c0ffee" {
		t.Errorf("read %q after writing", v)
	}
	var from, to int
	values := u.do(t, "notified", kettleCount, 2)
	if _, err := fmt.Sscanf(values, "%x %x", &from, &to); err != nil || to != from+1 {
		t.Errorf("notified %q, want a counter", values)
	}
	u.do(t, "close")

	if name := u.do(t, "find", doorAddress, adapter); name != "Door" {
		t.Errorf("found %q", name)
	}
	u.do(t, "establish")
	u.do(t, "pair", 123456)
	if v := u.do(t, "read", doorSecret); v != "5a" {
		t.Errorf("read %q after pairing", v)
	}

	lab.order(t, "second", "unplug")
	u.do(t, "left")
	eventually(t, "the kernel has lost the controller", func() bool { return peerAdapter(t) == "" })
	lab.order(t, "second", "replug")
	eventually(t, "the kernel has the controller again", func() bool { return peerAdapter(t) != "" })
	eventually(t, "bluetoothctl knows the controller", func() bool {
		return strings.Contains(s.ask(t, "list"), "Controller "+peerAddress)
	})
	s.ask(t, "select "+peerAddress)
	s.say(t, "power on", "Changing power on succeeded")
	u.do(t, "find", doorAddress, peerAdapter(t))
	u.do(t, "establish")
	if v := u.do(t, "read", doorSecret); v != "5a" { // the bond is still there
		t.Errorf("read %q after the controller returned", v)
	}
	u.do(t, "close")
}

// bluetoothdLog returns the debug log of all bluetoothds so far.
func bluetoothdLog(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(os.Getenv("MOOR_LOGS"), "bluetoothd.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// heardStatuses returns the statuses of the kernel's connects, and the reasons for the
// ends of its links, in a capture of btmon.
func heardStatuses(t *testing.T, path string) (statuses []hci.Status) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r, err := range hci.ReadSnoop(f) {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			break // btmon writes on
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Packet) == 0 || hci.PacketType(r.Packet[0]) != hci.PacketEvent {
			continue
		}
		switch ev, _ := hci.ParseEvent(r.Packet[1:]); ev := ev.(type) {
		case *hci.LEConnectionComplete:
			statuses = append(statuses, ev.Status)
		case *hci.LEEnhancedConnectionComplete:
			statuses = append(statuses, ev.Status)
		case *hci.CommandStatus:
			if ev.Opcode == hci.OpLECreateConnection || ev.Opcode == hci.OpLEExtendedCreateConnection {
				statuses = append(statuses, ev.Status)
			}
		case *hci.DisconnectionComplete:
			statuses = append(statuses, ev.Reason)
		}
	}
	return statuses
}

// TestLabFaults sets faults by moor lab set: the kernel hears the status of each from its
// controller, and bluetoothd and bleak report it in their words. bleak-retry-connector then
// gets through two of them.
func TestLabFaults(t *testing.T) {
	onNewest(t)
	lab := startLab(t, labFile, 2)
	startBus(t)
	startBlueZ(t)
	capture := filepath.Join(t.TempDir(), "faults.btsnoop")
	startDaemon(t, "btmon", "-w", capture)
	u := startUser(t)
	adapter := peerAdapter(t)
	for _, tt := range []struct {
		name, fault string
		status      hci.Status
		log         string // of bluetoothd
		order       string // for the user
		failure     string
	}{
		{
			"no answer", "{connect: {peer: Kettle}}", hci.StatusFailedToEstablish,
			`Function not implemented \(38\)`, "call", `^org.bluez.Error.Failed le-connection-abort-by-local$`,
		},
		// bleak itself calls again after this error.
		{"no answer for bleak", "{connect: {peer: Kettle}}", hci.StatusFailedToEstablish, `Function not implemented \(38\)`, "attempt 30", `^$`},
		// bleak gives up on these two: bluetoothd answers its call when bleak asks for the end.
		{
			"refused", "{connect: {peer: Kettle, status: 0x0d}}", hci.StatusRejectedResources,
			`error\] < org.bluez.Error.Failed`, "attempt 5", `^TimeoutError`,
		},
		{
			"command refused", "{connect: {peer: Kettle, status: 0x0d, refuse: true}}", hci.StatusRejectedResources,
			`connect_failed_callback\(\) hci\d C0:FF:EE:00:00:0A status 7`, "attempt 5", `^TimeoutError`,
		},
		{"silent", "{link: {peer: Kettle, after: 12}}", hci.StatusConnectionTimeout, `disconnected, reason 1`, "attempt 30", `device disconnected`},
		{
			"hung up", "{link: {peer: Kettle, after: 12, reason: 0x13}}", hci.StatusRemoteUserTerminated,
			`disconnected, reason 3`, "attempt 30", `device disconnected`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u.do(t, "find", kettleAddress, adapter) // bluetoothd forgets it soon
			before, heard := len(bluetoothdLog(t)), len(heardStatuses(t, capture))
			lab.order(t, "second", "fault", tt.fault)
			_, failure := u.try(t, tt.order)
			if !regexp.MustCompile(tt.failure).MatchString(failure) {
				t.Errorf("the user is told %q, want %s", failure, tt.failure)
			}
			if log := bluetoothdLog(t)[before:]; !regexp.MustCompile(tt.log).MatchString(log) {
				t.Errorf("bluetoothd says nothing that matches %s: %s", tt.log, log)
			}
			if got := heardStatuses(t, capture)[heard:]; !slices.Contains(got, tt.status) {
				t.Errorf("the kernel heard of %v, want %v", got, tt.status)
			}
			if failure == "" {
				u.do(t, "close")
			}
		})
	}
	u.do(t, "find", kettleAddress, adapter)
	before := len(heardStatuses(t, capture))
	lab.order(t, "second", "fault", "{link: {peer: Kettle, after: 12, reason: 0x13, times: 2}}")
	u.do(t, "establish")
	if v := u.do(t, "read", kettleLevel); v != "39" {
		t.Errorf("read %q", v)
	}
	ends := 0
	for _, s := range heardStatuses(t, capture)[before:] {
		if s == hci.StatusRemoteUserTerminated {
			ends++
		}
	}
	if ends != 2 {
		t.Errorf("%d links ended before one lasted, want 2", ends)
	}
	u.do(t, "close")
}
