package goble_test

import (
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ble/ble"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/uuid"
)

// scale adds a device with a value at handle 0102 and its configuration at 0103.
func (r *radio) scale(t *testing.T) (*sim.Peripheral, hci.Addr) {
	t.Helper()
	addr := hci.Addr{MAC: hci.MAC{0x88, 0, 0, 0xEE, 0xFF, 0xC0}, Kind: hci.AddrRandom}
	p, err := r.air.NewPeripheral(t.Context(), &sim.PeripheralConfig{Name: "scale", Address: addr, Services: []gatt.ServiceDef{{
		UUID: uuid.From16(0x181D), Handle: 0x0100, Characteristics: []gatt.CharDef{{
			UUID: uuid.From16(0x2A9D), Properties: gatt.PropRead | gatt.PropWriteWithoutResponse | gatt.PropNotify | gatt.PropIndicate,
			Value: []byte{0xAA, 0xBB},
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, addr
}

// TestRawPDUs: every request is answered as on the air, in its turn with those of the Client.
func TestRawPDUs(t *testing.T) { synctest.Test(t, testRawPDUs) }

func testRawPDUs(t *testing.T) {
	r := newRadio(t)
	device, addr := r.scale(t)
	c, err := r.host(t).Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	conn := c.Conn()
	write := func(pdu string) error {
		b, err := hex.DecodeString(pdu)
		if err != nil {
			t.Fatal(err)
		}
		n, err := conn.Write(b)
		if err == nil && n != len(b) {
			t.Errorf("%s: %d octets written", pdu, n)
		}
		return err
	}
	read := func() string {
		b := make([]byte, ble.MaxMTU)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(b[:n])
	}
	for _, x := range []struct{ request, want string }{
		{"02b900", "03b900"},                          // MTU 185
		{"040201" + "0201", "0501" + "0201" + "9d2a"}, // Find Information of the value
		{"060100ffff00281d18", "0700010301"},          // Find By Type Value: the service
		{"0800010301" + "0328", "0907" + "0101" + "36" + "0201" + "9d2a"},
		{"0a0201", "0baabb"},
		{"0c02010100", "0dbb"},
		{"1000010301" + "0028", "1106" + "0001" + "0301" + "1d18"},
		{"0e02010201", "0faabbaabb"},
		{"200201" + "0201", "21" + "0200aabb" + "0200aabb"},
		{"0a0401", "010a040101"},     // no such handle
		{"1202010000", "0112020103"}, // not to be written with a request
		{"1203010300", "13"},
	} {
		if err := write(x.request); err != nil {
			t.Fatalf("%s: %v", x.request, err)
		}
		if got := read(); got != x.want {
			t.Errorf("%s was answered %s, want %s", x.request, got, x.want)
		}
	}
	if err := write("520201cc"); err != nil {
		t.Error(err)
	}
	h, _ := device.Server().Handle(uuid.From16(0x181D), uuid.From16(0x2A9D))
	for _, x := range []struct {
		send func() (int, error)
		want string
	}{
		{func() (int, error) { return device.Server().Notify(t.Context(), h, []byte{1, 2}) }, "1b02010102"},
		{func() (int, error) { return device.Server().Indicate(t.Context(), h, []byte{3}) }, "1d020103"},
	} {
		if n, err := x.send(); n != 1 || err != nil {
			t.Errorf("sent to %d, %v", n, err)
		}
		if got := read(); got != x.want {
			t.Errorf("got %s, want %s", got, x.want)
		}
	}
	if err := write("1e"); err != nil {
		t.Errorf("a confirmation: %v", err)
	}
	p, err := c.DiscoverProfile(true)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.ReadCharacteristic(find(t, p, 0x2A9D)); err != nil || hex.EncodeToString(v) != "cc" {
		t.Errorf("the Client reads % x, %v", v, err)
	}
	for _, bad := range []string{"", "0a", "0baa", "ff0102", "1b020101"} {
		if err := write(bad); err == nil {
			t.Errorf("%q was sent", bad)
		}
	}
	if _, err := conn.Write(append([]byte{0x52, 2, 1}, make([]byte, 183)...)); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("186 octets at an MTU of 185: %v", err)
	}
	if err := write("0a0201"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("two octets into one: %v", err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, ble.MaxMTU))
		waiting <- err
	}()
	synctest.Wait()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a Read at the end of the link: %v", err)
	}
	if err := write("0a0201"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a Write after the end of the link: %v", err)
	}
}

// TestRawPDUsOverflow: of 300 values that nobody reads, the newest 256 are kept. The end of a
// Client ends its PDUs, although the link goes on for another Client.
func TestRawPDUsOverflow(t *testing.T) { synctest.Test(t, testRawPDUsOverflow) }

func testRawPDUsOverflow(t *testing.T) {
	r := newRadio(t)
	device, addr := r.scale(t)
	d := r.manager(t, connmgr.Config{})
	var clients [2]ble.Client
	for i := range clients {
		c, err := d.Dial(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		clients[i] = c
	}
	conn := clients[0].Conn()
	b := make([]byte, ble.MaxMTU)
	if _, err := conn.Write([]byte{0x12, 3, 1, 1, 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(b); err != nil || b[0] != 0x13 {
		t.Fatalf("subscription: % x, %v", b[0], err)
	}
	h, _ := device.Server().Handle(uuid.From16(0x181D), uuid.From16(0x2A9D))
	for i := range 300 {
		if n, err := device.Server().Notify(t.Context(), h, []byte{byte(i), byte(i >> 8)}); n != 1 || err != nil {
			t.Fatalf("sent to %d, %v", n, err)
		}
	}
	time.Sleep(10 * time.Second)
	for i := 300 - 256; i < 300; i++ {
		if n, err := conn.Read(b); err != nil || n != 5 || int(b[3])|int(b[4])<<8 != i {
			t.Fatalf("value %d: % x, %v", i, b[:n], err)
		}
	}
	if err := clients[0].CancelConnection(); err != nil {
		t.Error(err)
	}
	if _, err := conn.Read(b); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a Read of an ended Client: %v", err)
	}
	if _, err := conn.Write([]byte{0x0A, 2, 1}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a Write of an ended Client: %v", err)
	}
	if _, err := clients[1].Conn().Write([]byte{0x0A, 2, 1}); err != nil {
		t.Errorf("the other Client: %v", err)
	}
	if n, err := clients[1].Conn().Read(b); err != nil || n != 3 {
		t.Errorf("the other Client reads % x, %v", b[:n], err)
	}
}
