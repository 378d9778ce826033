//go:build !minimal

package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/moor-ble/moor/cmd/moor/internal/dashboard"
)

// checkMetrics checks the address of the dashboard.
func (c *proxyCmd) checkMetrics() error {
	if c.Metrics == "" {
		return nil
	}
	local, err := dashboard.CheckListen(c.Metrics)
	if err != nil {
		return usagef("--metrics: %w", err)
	}
	if !local && !c.Force {
		return usagef("--metrics shows everybody who reaches %s which devices are near: listen at 127.0.0.1, or add --force", c.Metrics)
	}
	return nil
}

// openDashboard listens for browsers. serve, which is nil without --metrics, serves them at
// page until its context ends.
func (c *proxyCmd) openDashboard(ctx context.Context, cfg dashboard.Config) (page string, serve func(context.Context) error, err error) {
	if c.Metrics == "" {
		return "", nil, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Metrics)
	if err != nil {
		return "", nil, fmt.Errorf("--metrics: %w", err)
	}
	var names []string
	if host, err := os.Hostname(); err == nil {
		short, _, _ := strings.Cut(host, ".")
		names = []string{host, short, short + ".local"}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	d := dashboard.New(cfg)
	return dashboard.URL(l.Addr()), func(ctx context.Context) error { return d.Serve(ctx, l, names...) }, nil
}

// serveBoth runs two servers until ctx or one of them ends. The second may be nil.
func serveBoth(ctx context.Context, one, two func(context.Context) error) error {
	if two == nil {
		return one(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		err := two(ctx)
		cancel()
		ended <- err
	}()
	err := one(ctx)
	cancel()
	if second := <-ended; err == nil {
		err = second
	}
	return err
}
