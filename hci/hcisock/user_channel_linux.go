package hcisock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/moor-ble/moor/hci"
)

// The user channel may be busy for a while although no process has it: the kernel is
// setting the adapter up, which takes seconds with some firmware, or bluetoothd powers
// it up again between DOWN and bind.
const (
	bindTimeout = 10 * time.Second
	bindPause   = 100 * time.Millisecond
)

const opDown = "bring down"

// openUserChannel opens the adapter with an index.
func openUserChannel(ctx context.Context, index int, cfg *Config) (*Socket, error) {
	name := indexName(index)
	if index < 0 || index > maxIndex {
		return nil, &OpenError{Address: name, Op: "open", Cause: CauseAddress,
			Err: fmt.Errorf("index %d is not from 0 to %d", index, maxIndex), Remedy: forms}
	}
	ctl, err := openControl(cfg)
	if err != nil {
		return nil, explain(name, "open control socket", index, err)
	}
	type result struct {
		s   *Socket
		err error
	}
	// The kernel cannot be interrupted while it starts or stops an adapter, so
	// this goroutine outlives a canceled call until the kernel is done.
	done := make(chan result)
	go func() {
		defer ctl.Close()
		s, err := bindUserChannel(ctx, ctl, name, index, cfg)
		select {
		case done <- result{s, err}:
		case <-ctx.Done():
			if s != nil {
				s.Close()
			}
		}
	}()
	select {
	case r := <-done:
		return r.s, r.err
	case <-ctx.Done():
		return nil, canceled(ctx, name, "open")
	}
}

// bindUserChannel brings the adapter down and binds its user channel.
func bindUserChannel(ctx context.Context, ctl *control, name string, index int, cfg *Config) (*Socket, error) {
	for deadline := time.Now().Add(bindTimeout); ; {
		// EBUSY means that another process has the user channel. Waiting would not
		// help.
		if err := ctl.bringDown(index); err != nil {
			return nil, explain(name, opDown, index, err)
		}
		s, err := tryBind(name, index, cfg)
		if err == nil {
			s.log.Info("hci user channel open", "adapter", name)
			return s, nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return nil, explainBind(ctl, name, index, err)
		}
		select {
		case <-time.After(bindPause):
		case <-ctx.Done():
			return nil, canceled(ctx, name, "bind user channel")
		}
	}
}

// explainBind is explain with one more cause. If an adapter stays busy without being
// up, the kernel could not set it up, because an answer did not come or because
// firmware is missing. It stays busy until it is plugged in again.
func explainBind(ctl *control, name string, index int, err error) error {
	const op = "bind user channel"
	if info, infoErr := ctl.adapterInfo(index); infoErr == nil && info.flags&flagUp == 0 && errors.Is(err, unix.EBUSY) {
		return &OpenError{Address: name, Op: op, Err: fmt.Errorf("the kernel could not set it up: %w", err),
			Cause: CauseDriver, Remedy: driverRemedy}
	}
	return explain(name, op, index, err)
}

// tryBind binds the user channel once.
func tryBind(name string, index int, cfg *Config) (*Socket, error) {
	conn, err := hciSocket(cfg)
	if err != nil {
		return nil, err
	}
	if err := conn.Bind(&unix.SockaddrHCI{Dev: uint16(index), Channel: unix.HCI_CHANNEL_USER}); err != nil {
		conn.Close()
		return nil, err
	}
	return newSocket(conn, name, cfg)
}

// openMAC opens the adapter with the address a.MAC. The kernel may give the index to
// another adapter between the look-up and the bind, so openMAC checks the address
// again afterwards.
func openMAC(ctx context.Context, a Address, cfg *Config) (*Socket, error) {
	ctl, err := openControl(cfg)
	if err != nil {
		return nil, explain(a.String(), "open control socket", -1, err)
	}
	defer ctl.Close()
	index, err := ctl.findMAC(a.MAC)
	if err != nil {
		return nil, explain(a.String(), "find adapter", -1, err)
	}
	s, err := openUserChannel(ctx, index, cfg)
	if err != nil {
		return nil, err
	}
	if info, err := ctl.adapterInfo(index); err != nil || hci.MAC(info.address) != a.MAC {
		s.Close()
		return nil, explain(a.String(), "check address", index, errors.Join(unix.ENODEV, err))
	}
	return s, nil
}
