package examples

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/lab"
	"github.com/moor-ble/moor/sim"
)

// twoControllers returns the places of the two controllers of examples/uart/two.yaml,
// which are on one air.
func twoControllers(t *testing.T) (device, central string) {
	t.Helper()
	s, err := sim.Load(root + "/examples/uart/two.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.OpenWorld(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	dir := t.TempDir()
	var places []string
	for _, a := range w.Attachments() {
		path := filepath.Join(dir, a.Name)
		port, err := lab.Listen(t.Context(), lab.Place{Kind: lab.PlaceUnix, Name: path})
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			_ = port.Serve(t.Context(), &lab.Config{Open: func(context.Context) (hci.Transport, error) { return a.Controller.Plug(), nil }})
			close(served)
		}()
		t.Cleanup(func() { <-served })
		places = append(places, "unix:"+path)
	}
	return places[0], places[1]
}

// program returns the path of a program.
func program(name string) string { return filepath.Join(bin, name) }

// deviceAddress is that of the controller device in examples/uart/two.yaml.
const deviceAddress = "00:11:22:33:44:01"

func TestUART(t *testing.T) {
	t.Parallel()
	device, central := twoControllers(t)
	d := start(t, program("device"), "-a", device, "Modem")
	d.want("^advertising")
	u := start(t, program("uart"), "-a", central, deviceAddress)
	long := strings.Repeat("0123456789abcdef", 100) // is sent in parts
	u.send("hello\n" + long + "\n")
	u.want("^HELLO$")
	u.want("^" + strings.ToUpper(long) + "$")
	u.interrupt()
	d.interrupt()
}

func TestUARTDeviceLeaves(t *testing.T) {
	t.Parallel()
	device, central := twoControllers(t)
	d := start(t, program("device"), "-a", device, "Modem")
	d.want("^advertising")
	u := start(t, program("uart"), "-a", central, deviceAddress)
	u.send("hello\n")
	u.want("^HELLO$")
	d.interrupt()
	u.wantEnd(1)
	if !strings.Contains(u.stderr.String(), deviceAddress) {
		t.Errorf("the reason does not name the device: %v", u.stderr)
	}
}

func TestBeaconIsHeard(t *testing.T) {
	t.Parallel()
	device, central := twoControllers(t)
	b := start(t, program("beacon"), "-a", device, "e2c56db5-dffb-48d2-b060-d0f5a71096e0", "7", "9")
	b.want("^iBeacon")
	l := start(t, program("advlog"), "-a", central)
	l.want("^\tiBeacon e2c56db5-dffb-48d2-b060-d0f5a71096e0/7/9$")
	l.interrupt()
	b.interrupt()
}

func TestBeaconOfWrongNumbers(t *testing.T) {
	t.Parallel()
	b := start(t, program("beacon"), "-a", "sim:empty", "e2c56db5-dffb-48d2-b060-d0f5a71096e0", "7", "65536")
	b.wantEnd(2)
	if !strings.Contains(b.stderr.String(), `"65536" is no number from 0 to 65535`) {
		t.Errorf("stderr: %v", b.stderr)
	}
}

// TestPeripheral: the temperature can be read by all, and the interval is set after
// pairing alone.
func TestPeripheral(t *testing.T) {
	t.Parallel()
	device, central := twoControllers(t)
	p := start(t, program("peripheral"), "-a", device)
	p.want("^advertising")
	m, err := connmgr.Open(t.Context(), &connmgr.Config{Adapters: []string{central}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	environment, temperature, interval := gatt.UUID16(0x181A), gatt.UUID16(0x2A6E), gatt.UUID16(0x2A21)
	c, err := m.Establish(t.Context(), deviceAddress, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Write(t.Context(), environment, interval, []byte{60, 0}); !isInsufficient(err) {
		t.Errorf("write without a bond: %v, want a demand for encryption", err)
	}
	sub, err := c.Subscribe(t.Context(), environment, temperature, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if v, err := sub.Next(ctx); err != nil || len(v.Data) != 2 {
		t.Errorf("notified % x, %v", v.Data, err)
	}
	if _, err := c.Pair(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(ctx, environment, interval, []byte{60, 0}); err != nil {
		t.Errorf("write with a bond: %v", err)
	}
	p.interrupt()
}

// isInsufficient reports whether a device demands a more secure link.
func isInsufficient(err error) bool {
	return errors.Is(err, att.CodeInsufficientAuthentication) || errors.Is(err, att.CodeInsufficientEncryption)
}

// TestHoldReconnects: a connection that is lost comes back, and the lines say so.
func TestHoldReconnects(t *testing.T) {
	t.Parallel()
	device, central := twoControllers(t)
	d := start(t, program("peripheral"), "-a", device)
	d.want("^advertising")
	h := start(t, program("hold"), "-a", central, "181a", "2a6e", deviceAddress)
	h.want(`"msg":"value"`)
	d.interrupt()
	h.want(`"msg":"gap"`)
	d = start(t, program("peripheral"), "-a", device)
	h.want(`"msg":"value"`)
	h.interrupt()
	d.interrupt()
}

func TestWrongPasskey(t *testing.T) {
	t.Parallel()
	argv := commandOf(t, "pair")
	p := start(t, argv...)
	p.send("123457\n")
	p.wantEnd(1)
	if !strings.Contains(p.stderr.String(), "the passkeys were not the same") {
		t.Errorf("stderr: %v", p.stderr)
	}
}

// TestExitCodes: a script learns from battery and container why they failed.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	start(t, program("battery"), "-a", "sim:nowhere", "C0:FF:EE:00:00:01").wantEnd(1)
	start(t, program("battery")).wantEnd(2)
	start(t, program("container"), "-a", "sim:sensors", program("battery")).wantEnd(2)
	start(t, program("container"), "-a", "sim:sensors", program("battery"), "-a", "fd:3", "C0:FF:EE:00:00:01").want("^87 %$")
}

// TestPort: port.diff turns a program for go-ble into the example.
func TestPort(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("git", "apply", "--reverse", "--check", "examples/goble-port/port.diff")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestProxyServes: a client with the key hears the devices.
func TestProxyServes(t *testing.T) {
	t.Parallel()
	p := start(t, commandOf(t, "proxy")...)
	address := p.want(`^attic listens at (\S+);`)[1]
	key, err := esphome.ParseKey(p.want(`^key (\S+)$`)[1])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := esphome.Connect(ctx, raw, &key)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := raw.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(&esphome.HelloRequest{Client: "test", Major: 1, Minor: 14}, &esphome.SubscribeAdvertisements{Flags: 1}); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := conn.Read()
		if err != nil {
			t.Fatalf("no advertisement came: %v", err)
		}
		if heard, ok := m.(*esphome.Advertisements); ok && len(heard.Reports) > 0 {
			break
		}
	}
	p.interrupt()
}
