package proxy_test

import (
	"encoding/hex"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/proxy"
	"github.com/moor-ble/moor/sim"
)

// reports returns the reports among messages, and fails on any other message.
func reports(t *testing.T, ms []esphome.Message) (all []esphome.Advertisement) {
	t.Helper()
	for _, m := range ms {
		a, ok := m.(*esphome.Advertisements)
		if !ok {
			t.Errorf("got %T%+v", m, m)
			continue
		}
		all = append(all, a.Reports...)
	}
	return all
}

func scanner(state esphome.ScanState, mode esphome.ScanMode) *esphome.ScannerState {
	return &esphome.ScannerState{State: state, Mode: mode, Configured: esphome.ScanActive}
}

// TestAdvertisements: a device that two adapters hear is reported once for each of its
// advertisements, by the one that hears it better, to each client that wants it.
func TestAdvertisements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2, 2, proxy.Config{Deny: []hci.MAC{macOf(2)}})
		u, v := l.user("first"), l.user("second")
		u.send(&esphome.SubscribeAdvertisements{Flags: 1})
		u.want(scanner(esphome.ScanRunning, esphome.ScanActive))
		time.Sleep(time.Second)
		if got := reports(t, u.take()); len(got) != 0 {
			t.Errorf("nobody advertises, and %v was heard", got)
		}
		d := l.device(1)
		l.air.SetPath(d, l.adapters[0], sim.Path{RSSI: -80})
		l.air.SetPath(d, l.adapters[1], sim.Path{RSSI: -60})
		l.device(2) // denied
		time.Sleep(20 * time.Second)
		got := reports(t, u.take())
		late := got[len(got)/2:]
		for _, r := range late {
			if r.Address != addr(1) || r.RSSI != -60 || r.Kind != 1 || hex.EncodeToString(r.Data) != "020106"+"03096431" {
				t.Fatalf("got %+v, % x", r, r.Data)
			}
		}
		// It advertises every 100 ms and up to 10 ms more.
		if n := len(late); n < 80 || n > 110 {
			t.Errorf("%d reports in ten seconds", n)
		}
		v.want()
		u.send(&esphome.UnsubscribeAdvertisements{})
		synctest.Wait()
		u.take()
		u.wantWithin(10 * time.Second)
	})
}

// TestReportsWaitForOthers: at most 100 ms, together.
func TestReportsWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		for n := range 20 {
			l.device(byte(n + 1))
		}
		u := l.user("first")
		u.send(&esphome.SubscribeAdvertisements{Flags: 1})
		time.Sleep(5 * time.Second)
		u.take()
		time.Sleep(10 * time.Second)
		ms := u.take()
		if n := len(ms); n < 90 || n > 101 {
			t.Errorf("%d messages in ten seconds", n)
		}
		if n := len(reports(t, ms)); n < 1800 {
			t.Errorf("%d reports of 20 devices in ten seconds", n)
		}
	})
}

// TestScanMode: a client changes the mode for all, and each learns of it.
func TestScanMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		l.air.NewRawPeer(&sim.RawPeerConfig{
			Name: "two", Address: hci.Addr{MAC: macOf(1), Kind: hci.AddrRandom},
			AdvData: hci.AdvData{2, 1, 6}, ScanResponse: hci.AdvData{3, 9, 'd', '1'},
		})
		u, v := l.user("first"), l.user("second")
		u.send(&esphome.SubscribeAdvertisements{Flags: 1})
		u.want(scanner(esphome.ScanRunning, esphome.ScanActive))
		v.send(&esphome.SubscribeAdvertisements{Flags: 1})
		v.want(scanner(esphome.ScanRunning, esphome.ScanActive))
		count := func() (data, response int) {
			time.Sleep(10 * time.Second)
			for _, r := range reports(t, u.take()) {
				if len(r.Data) == 3 {
					data++
				} else {
					response++
				}
			}
			return data, response
		}
		if data, response := count(); data < 50 || response < 50 {
			t.Errorf("active: %d advertisements, %d responses", data, response)
		}
		time.Sleep(110 * time.Millisecond) // of what has been heard, nothing waits
		u.take()
		v.take()
		v.send(&esphome.SetScannerMode{Mode: esphome.ScanPassive})
		for _, c := range []*user{u, v} {
			got := slices.DeleteFunc(c.take(), func(m esphome.Message) bool { _, ok := m.(*esphome.Advertisements); return ok })
			if !reflect.DeepEqual(got, []esphome.Message{scanner(esphome.ScanRunning, esphome.ScanPassive)}) {
				t.Errorf("got\n%s", list(got))
			}
		}
		time.Sleep(time.Second)
		u.take()
		if data, response := count(); data < 50 || response != 0 {
			t.Errorf("passive: %d advertisements, %d responses", data, response)
		}
	})
}

// TestScannerFollowsTheAdapters: no adapter, no scan; clients learn of both.
func TestScannerFollowsTheAdapters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, 2, proxy.Config{})
		u := l.user("first")
		u.send(&esphome.SubscribeAdvertisements{Flags: 1}, &esphome.SubscribeSlots{})
		u.want(scanner(esphome.ScanRunning, esphome.ScanActive), slots(2, 2))
		l.adapters[0].Unplug() // and the Manager opens it again
		u.wantWithin(time.Second, scanner(esphome.ScanStarting, esphome.ScanActive), slots(0, 0),
			scanner(esphome.ScanRunning, esphome.ScanActive), slots(2, 2))
	})
}
