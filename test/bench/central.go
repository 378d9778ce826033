package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
)

// reply is the answer of a central to an order: how long it took, without its
// preparation.
type reply struct {
	MS    float64 `json:"ms"`
	Error string  `json:"error,omitempty"`
}

// runCentral obeys the orders on standard input, a line each, with a Manager on an adapter.
// bleak_central.py knows the same orders.
func runCentral(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: bench central ADAPTER ADDR STATEDIR")
	}
	m, err := connmgr.Open(ctx, &connmgr.Config{Adapters: args[:1], StateDir: args[2]})
	if err != nil {
		return err
	}
	defer m.Close()
	c := central{m: m, address: args[1]}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var what string
		var n int
		if _, err := fmt.Sscan(in.Text(), &what, &n); err != nil {
			return fmt.Errorf("order %q: %w", in.Text(), err)
		}
		begin := time.Now()
		r := reply{}
		if err := c.obey(ctx, what, n); err != nil {
			r.Error = err.Error()
		}
		r.MS = float64(time.Since(begin).Microseconds()) / 1000
		b, _ := json.Marshal(r)
		fmt.Println(string(b))
	}
	return nil
}

type central struct {
	m       *connmgr.Manager
	address string
	client  *connmgr.Client
}

func (c *central) obey(ctx context.Context, what string, n int) (err error) {
	switch what {
	case "prepare": // for bleak: it has to find a device again that it has forgotten
		return nil
	case "cold":
		c.client, err = c.m.Establish(ctx, c.address, &connmgr.Options{DisableCache: true})
		return err
	case "warm":
		if c.client, err = c.m.Establish(ctx, c.address, nil); err == nil {
			_, err = c.client.Read(ctx, battery, level)
		}
		return err
	case "close":
		return c.client.Close()
	case "reads":
		return repeat(n, func() error { _, err := c.client.Read(ctx, service, value); return err })
	case "writes":
		return repeat(n, func() error { return c.client.Write(ctx, service, value, make([]byte, 20)) })
	case "commands":
		return repeat(n, func() error { return c.client.WriteNoResponse(ctx, service, value, make([]byte, 20)) })
	case "notifications":
		return c.receive(ctx, n)
	}
	return fmt.Errorf("no order %q", what)
}

func (c *central) receive(ctx context.Context, n int) error {
	sub, err := c.client.Subscribe(ctx, service, stream, &gatt.SubscribeOptions{Queue: n})
	if err != nil {
		return err
	}
	defer sub.Close()
	if err := c.client.Write(ctx, service, control, binary.LittleEndian.AppendUint16(nil, uint16(n))); err != nil {
		return err
	}
	return repeat(n, func() error { _, err := sub.Next(ctx); return err })
}

func repeat(n int, op func() error) error {
	for range n {
		if err := op(); err != nil {
			return err
		}
	}
	return nil
}
