package sim_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moor-ble/moor/sim"
)

// TestPeripheralClosedTwice closes a peripheral on two goroutines at once, while its end
// takes time. Both calls return when it has ended.
func TestPeripheralClosedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		air := sim.New(nil)
		defer air.Close()
		const last = 3 * time.Second
		p, err := air.NewPeripheral(t.Context(), &sim.PeripheralConfig{
			Name: "slow",
			Run: func(ctx context.Context, _ *sim.Peripheral) {
				<-ctx.Done()
				time.Sleep(last)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took < last {
					t.Errorf("Close returned after %v, before the end", took)
				}
			})
		}
		both.Wait()
	})
}
