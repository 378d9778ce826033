package cli

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/sim"
)

func TestWrite(t *testing.T) {
	long := strings.Repeat("x", 290)
	for _, c := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"hex", []string{lamp, lampSwitch, "0x01"}, 0,
			"handle 0x0017, " + lampSwitch + ": 1 octet written, confirmed by the device\n", ""},
		{"without response", []string{lamp, lampSwitch, "01", "--no-response"}, 0,
			"handle 0x0017, " + lampSwitch + ": 1 octet written, sent without response\n", ""},
		{"text", []string{lamp, lampText, "--text", long}, 0,
			"handle 0x001b, " + lampText + ": 290 octets written, confirmed by the device\n", ""},
		{"JSON", []string{lamp, lampSwitch, "00", "--json"}, 0,
			`{"address":"C0:FF:EE:00:00:03/random","handle":23,"uuid":"` + lampSwitch + `","octets":1,"response":true}` + "\n", ""},
		{"wrong length", []string{lamp, lampSwitch, "01:02"}, 1, "",
			"moor: write handle 0x0017, " + lampSwitch + ": write request of handle 0x0017: invalid attribute value length (0x0d)\n" +
				"      the value has the wrong length for this attribute\n"},
		{"not writable", []string{belt, "2a38", "00"}, 1, "",
			"moor: write handle 0x001e, 2a38 (Body Sensor Location): write request of handle 0x001e: write not permitted (0x03)\n" +
				"      it cannot be written; moor services shows what each characteristic takes\n"},
	} {
		inAir(t, c.name, func(t *testing.T) {
			moor(t.Context(), append([]string{"-a", "sim:", "write"}, c.args...)...).want(t, c.code, c.stdout, c.stderr)
		})
	}
}

func TestWriteArrives(t *testing.T) {
	for _, args := range [][]string{{}, {"--no-response"}} {
		inAir(t, strings.Join(append([]string{"write"}, args...), " "), func(t *testing.T) {
			var got []string
			address, err := hci.ParseAddr(lock)
			if err != nil {
				t.Fatal(err)
			}
			r := newRoomWith(t, 1, &sim.PeripheralConfig{Name: "Box", Address: address, Services: []gatt.ServiceDef{{
				UUID: gatt.UUID16(0x1815), Characteristics: []gatt.CharDef{{
					UUID: gatt.UUID16(0x2A56), Properties: gatt.PropWrite | gatt.PropWriteWithoutResponse,
					Write: func(_ context.Context, w *gatt.WriteRequest) error {
						got = append(got, fmt.Sprintf("%x", w.Value))
						return nil
					},
				}},
			}}})
			var out printed
			if code := r.run(t.Context(), &out, append([]string{"write", lock, "2a56", "c0ffee"}, args...)...); code != 0 {
				t.Errorf("exit code %d, stderr %q", code, out.stderr.String())
			}
			synctest.Wait()
			if len(got) != 1 || got[0] != "c0ffee" {
				t.Errorf("the device got %q, want c0ffee once", got)
			}
		})
	}
}

// TestWriteWithoutResponseIsProcessed: the device gets the value although it is busy with an
// earlier one for three seconds, since the link goes on until it answers.
func TestWriteWithoutResponseIsProcessed(t *testing.T) {
	inAir(t, "busy", func(t *testing.T) {
		var processed atomic.Bool
		device := box(t)
		device.Services[0].Characteristics[0].Write = func(ctx context.Context, _ *gatt.WriteRequest) error {
			select {
			case <-time.After(3 * time.Second):
				processed.Store(true)
			case <-ctx.Done(): // the link has ended
			}
			return nil
		}
		var out printed
		exit := newRoomWith(t, 1, device).run(t.Context(), &out, "write", lock, "2a56", "01", "--no-response")
		if exit != 0 || !processed.Load() {
			t.Errorf("exit code %d, value processed: %v, stderr %q", exit, processed.Load(), out.stderr.String())
		}
	})
}

// TestWriteWithoutResponseTooLong: a Write Command has to fit one packet of the ATT_MTU
// of 23, less 3 octets.
func TestWriteWithoutResponseTooLong(t *testing.T) {
	inAir(t, "too long", func(t *testing.T) {
		device := box(t)
		device.Host.MTU = 23
		var out printed
		exit := newRoomWith(t, 1, device).run(t.Context(), &out, "write", lock, "2a56", "--no-response", strings.Repeat("00", 21))
		result{exit, out.stdout.String(), out.stderr.String(), 0}.want(t, 1, "",
			"moor: write handle 0x0012, 2a56: 21 octets do not fit a write without response: the MTU leaves room for 20\n")
	})
}
