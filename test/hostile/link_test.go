package hostile_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/controller"
	"github.com/moor-ble/moor/hci"
)

// TestLinkLayerProcedures: a peer starts every link layer procedure again and again,
// during requests.
func TestLinkLayerProcedures(t *testing.T) {
	for name, ask := range map[string]func(e *end, i int){
		"parameters": func(e *end, i int) {
			d := time.Duration(i) * 1250 * time.Microsecond
			e.Update(hci.ConnParams{IntervalMin: d, IntervalMax: d, Latency: uint16(i), Timeout: time.Duration(i) * 10 * time.Millisecond})
		},
		"packet lengths": func(e *end, i int) { e.SetDataLength(i*1000, time.Duration(i)*time.Millisecond) },
		"PHYs":           func(e *end, i int) { e.SetPHY(hci.PHYs(i), hci.PHYs(i>>1)) },
		"encryption":     func(e *end, i int) { e.Encrypt([8]byte{byte(i)}, uint16(i), [16]byte{byte(i)}) },
	} {
		t.Run(name, bubble(func(w *world) {
			c, e := w.connect()
			for i := range 60 {
				ask(e, i)
				ctx, cancel := context.WithTimeout(w.t.Context(), 40*time.Second)
				_, err := c.GATT().ReadHandle(ctx, 3)
				cancel()
				var de *controller.DisconnectError
				if err != nil && !errors.As(err, &de) {
					w.t.Fatalf("request %d: the read got %v", i, err)
				}
				if err != nil {
					return // the one link may be lost, with its reason
				}
			}
		}))
	}
}

// TestEndsInMidRequest: a peer ends the link with every possible reason, or falls silent,
// during a request. The waiting call returns the reason.
func TestEndsInMidRequest(t *testing.T) {
	bubble(func(w *world) {
		for reason := 0; reason < 256; reason += 5 {
			c, e := w.connect()
			e.mute()
			read := call(func() error { _, err := c.GATT().ReadHandle(context.Background(), 3); return err })
			time.Sleep(time.Second)
			e.Disconnect(hci.Status(reason))
			err := returned(w.t, read, time.Second)
			var de *controller.DisconnectError
			if !errors.As(err, &de) || de.Local || strings.Contains(err.Error(), "nil") || reason != 0 && !errors.Is(err, hci.Status(reason)) {
				w.t.Errorf("reason %#02x: the read got %v", reason, err)
			}
		}
		c, e := w.connect()
		e.mute()
		read := call(func() error { _, err := c.GATT().ReadHandle(context.Background(), 3); return err })
		time.Sleep(time.Second)
		e.Vanish()
		if err := returned(w.t, read, 5*time.Second); !errors.Is(err, hci.StatusConnectionTimeout) {
			w.t.Errorf("gone without a word: the read got %v", err)
		}
	})(t)
}
