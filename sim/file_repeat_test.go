//go:build !minimal

package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	periph "github.com/moor-ble/moor/peripheral"
	"github.com/moor-ble/moor/uuid"
)

// TestFileRepeats wants the same values at the same times from the same file and seed, and
// others from another seed.
func TestFileRepeats(t *testing.T) {
	run := func(seed int) (seen []string) {
		text := strings.Replace(twoDevices, "seed: 7", fmt.Sprintf("seed: %d\nloss: 0.1", seed), 1)
		text = strings.Replace(text, "{kind: ramp, from: 20, to: 21, step: 0.5, every: 1s}", "{kind: random-walk, from: -10, to: 40, every: 100ms}", 1)
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			w, hosts := openFile(t, text, &ScenarioOptions{Event: func(ev WorldEvent) {
				if ev.Device == "Thermometer" && ev.Event.Kind == periph.EventValue {
					seen = append(seen, fmt.Sprintf("%v % x", ev.Time.Sub(start), ev.Event.Value))
				}
			}})
			address, err := w.Address("Thermometer")
			if err != nil {
				t.Fatal(err)
			}
			c, err := hosts[0].Connect(t.Context(), address, nil)
			if err != nil {
				t.Fatal(err)
			}
			ch, err := c.GATT().Char(t.Context(), uuid.From16(0x181A), uuid.From16(0x2A6E))
			if err != nil {
				t.Fatal(err)
			}
			sub, err := ch.Subscribe(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 100 {
				if _, err := sub.Next(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			seen = slices.Clone(seen)
		})
		return seen[:100]
	}
	first := run(1)
	if again := run(1); !slices.Equal(first, again) {
		t.Errorf("the same seed gives\n%q\nand\n%q", first, again)
	}
	if slices.Equal(first, run(2)) {
		t.Error("the seed has no effect")
	}
}
