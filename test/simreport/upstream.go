package simreport

import (
	"context"
	"errors"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
)

// upstreamContender is bleak-retry-connector over bleak over BlueZ.
type upstreamContender struct {
	kernels []*kernel
	rssi    [][]int8
}

// Open implements contender.
func (u *upstreamContender) Open(ctx context.Context, adapters []*sim.Controller, rssi [][]int8) error {
	u.rssi = rssi
	for _, c := range adapters {
		k, err := newKernel(ctx, c, kernelConfig{Params: linuxParams()})
		if err != nil {
			return errors.Join(err, u.Close())
		}
		u.kernels = append(u.kernels, k)
	}
	return nil
}

// Close implements contender.
func (u *upstreamContender) Close() error {
	var errs []error
	for _, k := range u.kernels {
		errs = append(errs, k.closeKernel())
	}
	return errors.Join(errs...)
}

// Connect implements contender: establish_connection, on the adapter that hears the
// device best at the beginning.
func (u *upstreamContender) Connect(ctx context.Context, target int) (func(), error) {
	best := 0
	for a := range u.rssi {
		if u.rssi[a][target] > u.rssi[best][target] {
			best = a
		}
	}
	return establish(func(timeout time.Duration) (func(), error) {
		conn, err := bleakConnect(ctx, u.kernels[best], target, timeout)
		if err != nil {
			return nil, err
		}
		return func() { _ = conn.Close() }, nil
	})
}

// establish is establish_connection of bleak-retry-connector, with the connect of a
// client.
func establish(connect func(timeout time.Duration) (release func(), err error)) (func(), error) {
	p := connmgr.Upstream47Policy()
	var attempts, transients int
	for {
		release, err := connect(p.AttemptTimeout)
		if err == nil {
			return release, nil
		}
		c := p.Treatment.Of(err)
		if c.Transient() {
			transients++
		} else {
			attempts++
		}
		time.Sleep(p.Backoffs.For(c.Delay))
		if !c.Retried() || attempts >= p.MaxAttempts || transients >= p.MaxTransients {
			return nil, err
		}
	}
}

// The failures that establish_connection sees: bleak does not report more.
var (
	errTimeout      = &errclass.RemoteError{Kind: errclass.KindTimeout}
	errDisconnected = &errclass.RemoteError{Text: "failed to discover services, device disconnected"}
)

// bleakConnect is BleakClient.connect: link and discovery within the timeout. It
// repeats after le-connection-abort-by-local, which BlueZ reports for every
// failure before the ATT bearer works.
func bleakConnect(ctx context.Context, k *kernel, target int, timeout time.Duration) (*host.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for ctx.Err() == nil {
		conn, err := k.connectPeer(ctx, address(target))
		if err != nil {
			continue
		}
		err = discover(ctx, conn)
		if err == nil {
			return conn, nil
		}
		_ = conn.Close()
		if ctx.Err() == nil && !errors.Is(err, errAborted) {
			return nil, errDisconnected
		}
	}
	return nil, errTimeout
}

// errAborted is a link that ended before the first response.
var errAborted = errors.New("le-connection-abort-by-local")

// discover is the discovery of bluetoothd for a device without a cached table:
// it exchanges the MTU and reads the whole table and its hash.
func discover(ctx context.Context, conn *host.Conn) error {
	var answer *att.Error
	g := conn.GATT()
	if _, err := g.ExchangeMTU(ctx); err != nil && !errors.As(err, &answer) {
		return errAborted
	}
	if _, err := g.Rediscover(ctx); err != nil {
		return err
	}
	if _, err := g.DatabaseHash(ctx); err != nil && !errors.As(err, &answer) {
		return err
	}
	return nil
}
