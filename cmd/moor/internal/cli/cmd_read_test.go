package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/sim"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, args     string
		code           int
		stdout, stderr string
	}{
		{"by UUID", "read " + thermometer + " 2a19", 0, "57  87 %\n", ""},
		{"by handle", "read " + thermometer + " 0x0003", 0, "54 68 65 72 6d 6f 6d 65 74 65 72  \"Thermometer\"\n", ""},
		{"JSON", "--json read " + belt + " 2a38", 0,
			`{"address":"C0:FF:EE:00:00:02/random","handle":30,"uuid":"2a38","name":"Body Sensor Location","hex":"01","meaning":"chest"}` + "\n", ""},
		{"unknown UUID", "read " + belt + " 2a6e", 1, "",
			"moor: the device has no characteristic or descriptor 2a6e (Temperature)\n      moor services shows what it has\n"},
		{"several of a UUID", "read " + lamp + " 2902", 1, "",
			"moor: the device has 2 attributes with the UUID 2902 (Client Characteristic Configuration)\n" +
				"        0x0009 in service 1801 (Generic Attribute), characteristic 2a05 (Service Changed)\n" +
				"        0x0018 in service 6d6f6f72-0001-4c61-6d70-000000000000, characteristic 6d6f6f72-0002-4c61-6d70-000000000000\n" +
				"      name one of them by its handle\n"},
		{"not readable", "read " + belt + " 2a39", 1, "",
			"moor: read handle 0x0020, 2a39 (Heart Rate Control Point): read request of handle 0x0020: read not permitted (0x02)\n" +
				"      it cannot be read: moor services shows whether it can be written or subscribed to\n"},
		{"no such handle", "read " + belt + " 0x0fff", 1, "",
			"moor: read handle 0x0fff: read request of handle 0x0fff: invalid handle (0x01)\n" +
				"      the device has no attribute there: see moor services\n"},
		{"handle meant as UUID", "read " + belt + " 0x2a38", 1, "",
			"moor: read handle 0x2a38: read request of handle 0x2a38: invalid handle (0x01)\n" +
				"      0x2a38 is a handle; the UUID of Body Sensor Location is written 2a38, without 0x\n"},
		{"number meant as UUID", "read " + belt + " 10808", 1, "",
			"moor: read handle 0x2a38: read request of handle 0x2a38: invalid handle (0x01)\n" +
				"      0x2a38 is a handle; the UUID of Body Sensor Location is written 2a38, without 0x\n"},
		{"handle meant as UUID of a descriptor", "write " + belt + " 0x2902 0100", 1, "",
			"moor: write handle 0x2902: write request of handle 0x2902: invalid handle (0x01)\n" +
				"      0x2902 is a handle; the UUID of Client Characteristic Configuration is written 2902, without 0x\n"},
		{"handle meant as UUID, for notify", "notify " + belt + " 0x2a37", 1, "",
			"moor: 0x2a37 is not a characteristic of the device\n" +
				"      0x2a37 is a handle; the UUID of Heart Rate Measurement is written 2a37, without 0x\n"},
		{"no characteristic", "notify " + belt + " 0x0fff", 1, "",
			"moor: 0x0fff is not a characteristic of the device\n" +
				"      moor services shows what it has\n"},
		{"cannot notify", "notify " + belt + " 2a38", 1, "",
			"moor: subscribe to handle 0x001e, 2a38 (Body Sensor Location): characteristic 2a38 (read): neither notifies nor indicates\n" +
				"      moor services shows which do ([notify] or [indicate]); moor read reads it\n"},
	} {
		inAir(t, c.name, func(t *testing.T) {
			moor(t.Context(), append([]string{"-a", "sim:"}, strings.Fields(c.args)...)...).want(t, c.code, c.stdout, c.stderr)
		})
	}
}

func TestReadLong(t *testing.T) {
	inAir(t, "long", func(t *testing.T) {
		r := moor(t.Context(), "-a", "sim:", "read", lamp, lampText)
		want := strings.Repeat("This text is longer than one packet. ", 8)
		if r.code != 0 || !strings.HasSuffix(r.stdout, "  \""+want+"\"\n") {
			t.Errorf("exit code %d, stderr %q, stdout %q", r.code, r.stderr, r.stdout)
		}
	})
}

// TestReadWithoutDiscovery uses a device that ends each link on which its table is
// discovered, so that the connection does without: a handle works, and a UUID has the
// end of the link as its error.
func TestReadWithoutDiscovery(t *testing.T) {
	inAir(t, "no table", func(t *testing.T) {
		r := newRoom(t, 1)
		r.device.Close()
		d := r.air.NewDevice(&sim.DeviceConfig{
			Address: r.device.Address(),
			Table: sim.NewTable(sim.GenericAccess("Shy"), gatt.ServiceDef{UUID: gatt.UUID16(0x180F), Characteristics: []gatt.CharDef{
				{UUID: gatt.UUID16(0x2A19), Properties: gatt.PropRead | gatt.PropWrite | gatt.PropNotify, Value: []byte{87}},
			}}),
			Temper: sim.Temper{Rules: []sim.Rule{{On: sim.OnRequest, Opcode: att.OpReadByGroupTypeReq, Do: sim.HangUp}}},
		})
		handle := d.Find(gatt.UUID16(0x2A19)).String()
		for _, c := range []struct {
			args   string
			code   int
			stdout string
		}{
			{"read ADDR " + handle, 0, "57  \"W\"\n"},
			{"read ADDR 2a19", 1, ""},
			{"write ADDR 2a19 01", 1, ""},
			{"notify ADDR 2a19", 1, ""},
		} {
			var out printed
			args := strings.Fields(strings.ReplaceAll(c.args, "ADDR", thermometer+"/random"))
			code := r.run(t.Context(), &out, args...)
			ended := strings.Contains(out.stderr.String(), "link to "+thermometer+"/random ended")
			if code != c.code || out.stdout.String() != c.stdout || ended != (c.code != 0) {
				t.Errorf("%s: exit code %d, stdout %q, stderr %q", c.args, code, out.stdout.String(), out.stderr.String())
			}
		}
	})
}

// TestInfoOfABusyDevice asks a device that ends its first links at the first request.
func TestInfoOfABusyDevice(t *testing.T) {
	inAir(t, "busy for a second", func(t *testing.T) {
		r := newRoom(t, 1)
		r.device.Close()
		r.air.NewDevice(&sim.DeviceConfig{
			Address: r.device.Address(), Table: sim.NewTable(sim.GenericAccess("Busy")),
			Temper: sim.Temper{Rules: []sim.Rule{{On: sim.OnRequest, Do: sim.HangUp, Until: time.Second}}},
		})
		var out printed
		if code := r.run(t.Context(), &out, "info", thermometer+"/random"); code != 0 || !strings.Contains(out.stdout.String(), "MTU") {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, out.stdout.String(), out.stderr.String())
		}
	})
}
