//go:build !minimal

package cli

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"
)

// notifySystemd tells systemd of the state of the service, if it has started this
// process.
func notifySystemd(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	if c, err := net.Dial("unixgram", name); err == nil {
		_, _ = c.Write([]byte(state))
		c.Close()
	}
}

// watchdogTime returns how often systemd wants a sign of life: half of what the unit
// allows. It is 0 if systemd wants none of this process.
func watchdogTime() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	const most = int64(24 * time.Hour / time.Microsecond)
	if err != nil || us <= 0 || us > most {
		return 0
	}
	return time.Duration(us) * time.Microsecond / 2
}

// keepWatchdog tells systemd that the service lives, each time after alive has returned. The
// function that it returns ends it.
func keepWatchdog(ctx context.Context, alive func()) (stop func()) {
	every := watchdogTime()
	if every == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				alive()
				notifySystemd("WATCHDOG=1")
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
