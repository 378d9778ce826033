package proxy

import (
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// TestSources plays reports of one device by two adapters: time, adapter, signal strength,
// data, and whether the report is sent.
func TestSources(t *testing.T) {
	type report struct {
		ms      int
		adapter string
		rssi    int8
		data    string
		want    bool
	}
	tests := []struct {
		name string
		all  []report
	}{
		{"the first one is sent", []report{{0, "a", -60, "x", true}, {1, "b", -62, "x", false}}},
		{"new data is sent from anybody, once", []report{
			{0, "a", -60, "x", true}, {1, "b", -62, "y", true}, {2, "b", -62, "y", false}, {3, "a", -60, "y", true},
		}},
		{"5 dB are not enough", []report{{0, "a", -60, "x", true}, {1, "b", -55, "x", false}, {100, "a", -60, "x", true}}},
		{"6 dB are, for the next one", []report{
			{0, "a", -60, "x", true}, {1, "b", -54, "x", false}, {100, "a", -60, "x", false}, {101, "b", -54, "x", true},
		}},
		{"silent for 5 s, of unknown interval", []report{
			{0, "a", -60, "x", true}, {4999, "b", -70, "x", false}, {5000, "b", -70, "x", true}, {5001, "a", -70, "x", false},
		}},
		{"silent for three intervals", []report{
			{0, "a", -60, "x", true}, {100, "a", -60, "x", true}, {399, "b", -70, "x", false}, {400, "b", -70, "x", true},
		}},
		{"an unknown signal strength is the worst", []report{
			{0, "a", controller.RSSIUnknown, "x", true}, {1, "b", -90, "x", false}, {2, "b", -90, "x", true},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ss, begin := newSources(), time.Now()
			for i, r := range tt.all {
				got := ss.selects(&connmgr.Report{
					Adapter: r.adapter, Addr: hci.Addr{Kind: hci.AddrRandom},
					Report: controller.Report{RSSI: r.rssi, Time: begin.Add(time.Duration(r.ms) * time.Millisecond)},
				}, []byte(r.data))
				if got != r.want {
					t.Errorf("report %d: %v", i, got)
				}
			}
		})
	}
}

// TestSourcesAreBounded: beyond the bound, all reports are sent, and old devices make room.
func TestSourcesAreBounded(t *testing.T) {
	ss, now := newSources(), time.Now()
	hear := func(n int, adapter string) bool {
		return ss.selects(&connmgr.Report{
			Adapter: adapter, Addr: hci.Addr{MAC: hci.MAC{byte(n), byte(n >> 8), byte(n >> 16)}},
			Report: controller.Report{Time: now},
		}, nil)
	}
	for n := range maxSources + 10 {
		if !hear(n, "a") {
			t.Fatalf("device %d is not sent", n)
		}
	}
	if len(ss.devices) != maxSources || !hear(maxSources, "b") || hear(0, "b") {
		t.Errorf("%d devices are known", len(ss.devices))
	}
	now = now.Add(sourceTime + 1)
	if !hear(maxSources, "a") || len(ss.devices) != 1 {
		t.Errorf("%d devices are known", len(ss.devices))
	}
}
