package host_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// TestLoggerOfAllLayers: the logger of the controller is that of the attribute
// client and of the server too, unless they have one.
func TestLoggerOfAllLayers(t *testing.T) { synctest.Test(t, testLoggerOfAllLayers) }

func testLoggerOfAllLayers(t *testing.T) {
	air := sim.New(nil)
	t.Cleanup(func() { air.Close() })
	d := air.NewDevice(&sim.DeviceConfig{
		Table: sim.NewTable(sim.GenericAccess("sensor"), gatt.ServiceDef{UUID: service, Characteristics: []gatt.CharDef{
			{UUID: level, Properties: gatt.PropRead | gatt.PropNotify},
		}}),
		Temper: sim.Temper{Rules: []sim.Rule{
			{On: sim.OnRequest, Opcode: att.OpFindInformationReq, Do: sim.Refuse, Code: att.CodeUnlikelyError},
			{On: sim.OnRequest, Opcode: att.OpReadReq, Do: sim.SendFirst, PDU: []byte{0x52, 0xFF, 0xFF, 0x01}},
		}},
	})
	var log bytes.Buffer
	h := openHost(t, air.NewController(nil), &host.Config{HCI: controller.Config{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}})
	c, err := h.Connect(t.Context(), d.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.GATT().Discover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GATT().ReadHandle(t.Context(), d.Find(level)); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"attribute table may be incomplete", "attribute PDU dropped"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}
