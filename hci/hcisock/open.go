package hcisock

import (
	"context"
	"errors"
	"log/slog"

	"github.com/moor-ble/moor/hci"
)

// Config holds the settings of Open. Nil means all defaults.
type Config struct {
	// Logger receives one record when an adapter is opened and one when it is
	// closed. Nil disables logging.
	Logger *slog.Logger
	// NetNS is the descriptor of the network namespace in which adapters are
	// opened; 0 means the present one. It requires CAP_SYS_ADMIN. Linux has
	// Bluetooth only in the initial namespace. The descriptor is not closed.
	NetNS int
	// ReadBuffer is the size in bytes of the kernel's receive buffer of a user
	// channel; default 1 MiB, which holds more than 2000 advertising reports.
	// Negative means the system's default. The kernel doubles the value for its own
	// overhead, and an advertising report takes about 800 bytes. Packets that do not
	// fit are dropped; only [Socket.Drops] shows it.
	ReadBuffer int
}

func (c *Config) logger() *slog.Logger {
	if c == nil || c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}

func (c *Config) netNS() int {
	if c == nil {
		return 0
	}
	return c.NetNS
}

func (c *Config) readBuffer() int {
	if c == nil || c.ReadBuffer == 0 {
		return 1 << 20
	}
	return c.ReadBuffer
}

// Open opens the controller at address, in one of the forms in the package
// documentation. The result is a *[Socket] for a Linux adapter, a *[Stream] for a byte
// stream. Its error is an *OpenError, which wraps context.Cause(ctx) if ctx ends
// first.
//
// The kernel may take seconds to start a Linux adapter and cannot be interrupted. If
// ctx ends meanwhile, Open returns, and the adapter is released as soon as the kernel
// is done.
//
// Open refuses sim: addresses, which package sim opens.
func Open(ctx context.Context, address string, cfg *Config) (hci.Transport, error) {
	a, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return a.Open(ctx, cfg)
}

// Open opens the controller at a; see the function [Open].
func (a Address) Open(ctx context.Context, cfg *Config) (hci.Transport, error) {
	if ctx.Err() != nil {
		return nil, canceled(ctx, a.String(), "open")
	}
	switch a.Kind {
	case KindIndex:
		return asTransport(openUserChannel(ctx, a.Index, cfg))
	case KindMAC:
		return asTransport(openMAC(ctx, a, cfg))
	case KindTCP:
		return asTransport(dial(ctx, "tcp", a))
	case KindUnix:
		return asTransport(dial(ctx, "unix", a))
	case KindSerial:
		return asTransport(openSerial(a))
	case KindFD:
		return openFD(a, cfg)
	case KindSim:
		return nil, &OpenError{
			Address: a.String(), Op: "open", Cause: CauseAddress,
			Err:    errors.New("a simulated controller is not a socket"),
			Remedy: "open it with package sim, or use another address form",
		}
	default:
		return nil, &OpenError{
			Address: a.String(), Op: "open", Cause: CauseAddress,
			Err: errors.New("unknown kind of address"), Remedy: "use ParseAddress",
		}
	}
}

// asTransport keeps a nil pointer from becoming a non-nil interface.
func asTransport[T hci.Transport](t T, err error) (hci.Transport, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}

// canceled returns the error of an operation that ctx has ended.
func canceled(ctx context.Context, address, op string) error {
	return &OpenError{Address: address, Op: op, Err: context.Cause(ctx), Cause: CauseCanceled}
}
