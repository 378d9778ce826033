package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"syscall"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
)

// heard is what listen, bumble_central.py and hops have measured.
type heard struct {
	Side      string
	Mode      string  // paced or unpaced
	PerSecond float64 // notifications
	CPU       float64 // of one, in µs
}

func (h heard) print() {
	b, _ := json.Marshal(h)
	fmt.Println(string(b))
}

// usedCPU returns the CPU time of this process so far, that of the kernel for it included.
func usedCPU() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// listen counts notifications: paced, those of the device of serveAir for some seconds;
// unpaced, as many as it orders from the device of bumble_central.py.
func listen(ctx context.Context, args []string) error {
	var mode, adapter, address string
	var n int
	if len(args) != 4 {
		return fmt.Errorf("usage: bench listen paced|unpaced ADAPTER ADDR N")
	}
	mode, adapter, address = args[0], args[1], args[2]
	if _, err := fmt.Sscan(args[3], &n); err != nil {
		return err
	}
	m, err := connmgr.Open(ctx, &connmgr.Config{Adapters: []string{adapter}, DisableScan: true})
	if err != nil {
		return err
	}
	defer m.Close()
	exact := hci.ConnParams{IntervalMin: 7500 * time.Microsecond, IntervalMax: 7500 * time.Microsecond, Timeout: 4 * time.Second}
	c, err := m.Establish(ctx, address, &connmgr.Options{KeepParams: true, InitialParams: exact})
	if err != nil {
		return err
	}
	defer c.Close()
	if mode == "paced" { // on 2M, as the link of bumble_central.py
		if err := c.Settled(ctx); err != nil {
			return err
		}
	}
	sub, err := c.Subscribe(ctx, service, stream, &gatt.SubscribeOptions{Queue: 4096})
	if err != nil {
		return err
	}
	end := func(int, time.Duration) bool { return false }
	if mode == "paced" {
		end = func(_ int, took time.Duration) bool { return took >= time.Duration(n)*time.Second }
	}
	begin, before, count := time.Now(), usedCPU(), 0
	if mode == "unpaced" {
		if err := c.Write(ctx, service, control, binary.LittleEndian.AppendUint16(nil, uint16(n))); err != nil {
			return err
		}
		end = func(count int, _ time.Duration) bool { return count == n }
	}
	for !end(count, time.Since(begin)) {
		if _, err := sub.Next(ctx); err != nil {
			return fmt.Errorf("after %d notifications: %w", count, err)
		}
		count++
	}
	took, used := time.Since(begin), usedCPU()-before
	heard{"moor", mode, float64(count) / took.Seconds(), float64(used.Microseconds()) / float64(count)}.print()
	return nil
}
