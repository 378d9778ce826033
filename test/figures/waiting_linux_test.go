//go:build figures

package figures

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

// waitingCost bounds the CPU time, in milliseconds, of a device among 800 that wait for 32
// slots. It includes the simulation and the reports of every device by every adapter.
const waitingCost = 9

// TestWaitingForSlots connects to all devices at once over 8 adapters of 4 links, and
// holds each link for a second.
func TestWaitingForSlots(t *testing.T) {
	for _, n := range []int{50, 800} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				spent := serveDevices(t, n, 0)
				figure(t, fmt.Sprintf("WaitingForSlots/%d", n), float64(spent.Microseconds())/1000/float64(n), 0, waitingCost, "ms-cpu/device")
			})
		})
	}
}

// The functions that give the devices their turn: granting, ranking, reconciling, and the
// list of devices, without the entry of the reports.
var (
	turnTaking = []string{"moor/slots.", ").rankAdapters", ").reconcileSlots", ").takeSlot", "connmgr.(*devices)."}
	reporting  = ").addReport"
)

// turnCost bounds the CPU time of these functions and of all that they call, in
// microseconds for each device, whatever the number of devices that wait.
const turnCost = 250

// TestTurnTaking measures by a profile what it costs to take turns, when few and when many
// devices wait, and when few wait among many that advertise. The reports of many devices
// empty the caches of the processor between two turns, whoever waits.
func TestTurnTaking(t *testing.T) {
	const served = 3200
	for _, c := range []struct {
		name      string
		n, others int
	}{{"50", 50, 0}, {"50of800", 50, 750}, {"800", 800, 0}} {
		path := filepath.Join(t.TempDir(), "cpu")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			t.Fatal(err)
		}
		for range served / c.n {
			synctest.Test(t, func(t *testing.T) { serveDevices(t, c.n, c.others) })
		}
		pprof.StopCPUProfile()
		f.Close()
		spent := profiled(t, path)
		figure(t, "TurnTaking/"+c.name, spent.Seconds()*1e6/served, 0, turnCost, "us-cpu/device")
	}
}

// profiled returns the CPU time of turnTaking in a profile.
func profiled(t *testing.T, path string) (spent time.Duration) {
	t.Helper()
	out, err := exec.Command("go", "tool", "pprof", "-traces", os.Args[0], path).Output()
	if err != nil {
		t.Fatal(err)
	}
	// Each trace is a duration and a list of functions, behind a line of dashes.
	for trace := range strings.SplitSeq(string(out), "-----+-----") {
		if strings.Contains(trace, reporting) || !slices.ContainsFunc(turnTaking, func(f string) bool { return strings.Contains(trace, f) }) {
			continue
		}
		_, trace, _ = strings.Cut(trace, "\n")
		d, err := time.ParseDuration(strings.Fields(trace)[0])
		if err != nil {
			t.Fatal(err)
		}
		spent += d
	}
	return spent
}

// serveDevices returns the CPU time that it takes to serve n devices, while others advertise
// that nobody wants.
func serveDevices(t *testing.T, n, others int) time.Duration {
	t.Helper()
	air := sim.New(&sim.Config{Seed: 1})
	defer air.Close()
	var names []string
	for i := range 8 {
		names = append(names, fmt.Sprintf("hci%d", i))
		air.NewController(&sim.ControllerConfig{Name: names[i], MaxLinks: 4})
	}
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: names, Kinds: []connmgr.Kind{{Open: air.OpenTransport}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var addrs []hci.Addr
	for range n {
		addrs = append(addrs, waitingDevice(air).Address())
	}
	for range others {
		waitingDevice(air)
	}
	time.Sleep(3 * time.Second)
	if others == 0 { // else most of the profile would be this list
		if heard := len(m.Devices()); heard != 8*n {
			t.Errorf("%d entries of %d devices that 8 adapters hear", heard, n)
		}
	}
	begin := cpuTime(t)
	var wg sync.WaitGroup
	for _, a := range addrs {
		wg.Go(func() {
			c, err := m.Establish(context.Background(), a.String(), &connmgr.Options{DisableDiscovery: true})
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Second)
			c.Close()
		})
	}
	wg.Wait()
	return cpuTime(t) - begin
}

// waitingDevice is a device that uses little memory and accepts an MTU of 247.
func waitingDevice(air *sim.Air) *sim.RawPeer {
	const attCID = 4
	return air.NewRawPeer(&sim.RawPeerConfig{Interval: 200 * time.Millisecond, AdvData: []byte{2, 1, 6}, Script: sim.Script{
		Frame: func(l *sim.RawLink, cid uint16, pdu []byte) {
			if cid == attCID && pdu[0] == 0x02 { // Exchange MTU
				l.Send(attCID, []byte{0x03, 0xF7, 0x00})
			}
		},
	}})
}

// cpuTime returns the CPU time of the process so far.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
