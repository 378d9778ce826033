package host_test

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// BenchmarkNotificationCPU passes notifications of 244 octets from the transport to the
// subscriber, through the reader and the loop of the controller, on one core. They come
// in the bursts of connection events: one alone, the five that fit into an event at
// 7.5 ms on the 2M PHY, and as many as a subscription holds.
//
// It reports processor time, not wall time, and the ratio to the processor time of merely
// passing the same octets over a channel in the same bursts.
func BenchmarkNotificationCPU(b *testing.B) {
	for _, burst := range []int{1, 5, 64} {
		b.Run(fmt.Sprintf("burst=%d", burst), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			tr, sub := subscribed(b)
			b.SetBytes(payload)
			b.ReportAllocs()
			start := cpuTime(b)
			for i := 0; b.Loop(); i++ {
				if i%burst == 0 {
					tr.bursts <- burst
				}
				v, err := sub.Next(b.Context())
				if err != nil || v.Dropped != 0 {
					b.Fatal(v.Dropped, err)
				}
			}
			stack := perOp(cpuTime(b)-start, b.N)
			b.StopTimer()
			b.ReportMetric(stack, "cpu-ns/op")
			b.ReportMetric(stack/handOver(b, burst), "x-handover")
		})
	}
}

// handOver returns the processor time in nanoseconds for 244 octets that one goroutine
// copies and passes over a channel to another one, which makes its own copy. No host can
// do with less.
func handOver(b *testing.B, burst int) float64 {
	packet := make([]byte, 1+4+4+3+payload)
	bursts, in, free := make(chan int, 1), make(chan []byte, 64), make(chan []byte, 64)
	for range cap(free) {
		free <- make([]byte, len(packet))
	}
	go func() {
		for n := range bursts {
			for range n {
				p := <-free
				copy(p, packet)
				in <- p
			}
		}
	}()
	defer close(bursts)
	var value []byte
	n := max(b.N, 100_000) / burst * burst
	start := cpuTime(b)
	for i := range n {
		if i%burst == 0 {
			bursts <- burst
		}
		p := <-in
		value = append([]byte(nil), p[len(p)-payload:]...)
		free <- p
	}
	cost := perOp(cpuTime(b)-start, n)
	runtime.KeepAlive(value)
	return cost
}

// cpuTime returns the processor time of this process on all cores, user and system.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func perOp(d time.Duration, n int) float64 { return float64(d.Nanoseconds()) / float64(n) }
