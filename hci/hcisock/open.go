package hcisock

import (
	"context"
	"errors"
	"log/slog"

	"github.com/moor-ble/moor/hci"
)

// Config holds the settings of Open. Nil means all defaults.
type Config struct {
	// Logger gets one line when an adapter is opened and one when it is
	// closed. Nil: no log.
	Logger *slog.Logger
	// NetNS is the descriptor of a network namespace to open adapters in,
	// which needs CAP_SYS_ADMIN; Linux has Bluetooth only in the initial one.
	// 0: the present one. It is not closed.
	NetNS int
	// ReadBuffer is the size in bytes of the kernel's receive buffer of a user
	// channel. The kernel drops what does not fit, without notice but in
	// [Socket.Drops]. It doubles the value for its own overhead, of which an
	// advertising report needs about 800 bytes. 0: 1 MiB, good for more than
	// 2000 reports. Negative: the system's default.
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

// Open opens the controller at address, whose forms are in the package
// documentation. Its error is an *OpenError; it wraps context.Cause(ctx) when
// ctx ends first. The start of a Linux adapter may take seconds in the kernel
// and cannot be interrupted there: when ctx ends meanwhile, Open returns, and
// the adapter is released as soon as the kernel is done.
//
// sim: addresses are an error here: package sim opens them.
func Open(ctx context.Context, address string, cfg *Config) (hci.Transport, error) {
	a, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return a.Open(ctx, cfg)
}

// Open opens the controller at a, as the function Open does.
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
			Err: errors.New("unknown kind of address"), Remedy: "make it with ParseAddress",
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

func canceled(ctx context.Context, address, op string) error {
	return &OpenError{Address: address, Op: op, Err: context.Cause(ctx), Cause: CauseCanceled}
}
