package sim

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
)

// TestWorld changes a world while a central has a link.
func TestWorld(t *testing.T) { synctest.Test(t, testWorld) }

func testWorld(t *testing.T) {
	w, err := Scenario{Name: "sensors"}.OpenWorld(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c, err := w.Controller("")
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.Open(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	addr, err := w.Address("Lamp")
	if err != nil || addr != Lamp().Address {
		t.Fatalf("the lamp is at %v, %v", addr, err)
	}
	connect := func() *host.Conn {
		t.Helper()
		conn, err := h.Connect(t.Context(), addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.GATT().Read(t.Context(), LampService, LampSwitch); err != nil {
			t.Fatal(err) // the link is established only then
		}
		return conn
	}
	conn := connect()
	if err := w.KillLinks("Lamp", hci.StatusRemoteUserTerminated); err != nil {
		t.Fatal(err)
	}
	<-conn.Done()
	if !errors.Is(conn.Err(), hci.StatusRemoteUserTerminated) {
		t.Errorf("link ended with %v", conn.Err())
	}
	conn = connect()
	if err := w.SetPower(addr.String(), false); err != nil {
		t.Fatal(err)
	}
	<-conn.Done()
	if !errors.Is(conn.Err(), hci.StatusConnectionTimeout) {
		t.Errorf("link without power ended with %v", conn.Err())
	}
	if err := w.SetPower("Lamp", true); err != nil {
		t.Fatal(err)
	}
	if err := w.SetFault("sim", ConnectFault{Status: hci.StatusConnectionLimit, Refuse: true, Times: Always}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Connect(t.Context(), addr, nil); !errors.Is(err, hci.StatusConnectionLimit) {
		t.Errorf("connect under a fault: %v", err)
	}
	if err := w.ClearFaults("sim"); err != nil {
		t.Fatal(err)
	}
	conn = connect()
	if err := w.Move("Lamp", "", Path{Loss: 1}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	<-conn.Done()
	if d := time.Since(start); !errors.Is(conn.Err(), hci.StatusConnectionTimeout) || d > 10*time.Second {
		t.Errorf("link out of range ended with %v after %v", conn.Err(), d)
	}
	for _, err := range []error{w.SetPower("Lamb", true), w.KillLinks("Lamb", 0), w.Move("Lamb", "", Path{})} {
		if want := `sim: no device "Lamb": there are Thermometer, Heart rate belt, Lamp`; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err, want := w.ClearFaults("hci7"), `sim: no controller "hci7": there are sim`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
