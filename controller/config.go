package controller

import (
	"io"
	"log/slog"
	"time"

	"github.com/moor-ble/moor/hci"
)

// The log levels of the package. LevelLink and LevelPacket lie below
// slog.LevelInfo and so are off by default.
const (
	LevelController = slog.LevelInfo // faults of the controller and missing features
	LevelLink       = slog.Level(-2) // links that come up and go down
	LevelPacket     = slog.Level(-4) // every packet in words, without keys
)

// Config holds the options of a Controller. The zero value of a field means its
// default; a nil *Config means all defaults. Open copies it.
type Config struct {
	// Name identifies the controller in log records; default none.
	Name string
	// Logger receives log records at the levels above. Nil disables logging.
	Logger *slog.Logger
	// Snoop receives a capture of all packets in btsnoop format. Nil disables the
	// capture. Its Write is called on the loop and must not block. An error of
	// Write ends the capture, not the Controller.
	Snoop io.Writer
	// SnoopKeys captures the keys of bonds and links too; see hci.NewSnoopWithKeys.
	SnoopKeys bool
	// NewLink returns the handler of a new link. It is called on the loop and must
	// not block. Without a handler (nil), data is dropped and requests of the peer
	// are refused.
	NewLink func(now time.Time, l *Link) LinkHandler
	// Address is the own address. A random address (kind hci.AddrRandom) is set in
	// the controller; a public address must be the controller's own. The zero
	// value uses the public address of the controller, or StaticAddress if it has
	// none.
	Address hci.Addr
	// StaticAddress is the static random address to use if Address is zero and the
	// controller has no public address; default a new one at each Open. Bonds
	// refer to it, so a program that bonds should store it and set it.
	StaticAddress hci.MAC
	// CommandTimeout bounds the wait for the answer to a command, and a write to
	// the transport; default 2 s, as in the Linux kernel.
	CommandTimeout time.Duration
	// Pace remembers whether the controller must be driven one command at a time. Give
	// the same one to each Open of the same controller. Nil remembers it until the end
	// of the Controller.
	Pace *Pace
	// IdleCheck is how long the controller may be silent before it is asked by a
	// command whether it works, while there are links, a scan, a dial or advertising,
	// and how long a link may be idle before the controller is asked whether it still
	// has it; default 1 min, negative disables the questions.
	IdleCheck time.Duration
	// DisableExtended selects the legacy commands for scanning, initiating and
	// advertising, even if the controller has the extended ones. A Controller
	// never mixes the two kinds (Vol 4, Part E, 3.1.1).
	DisableExtended bool
	// DisableTuning disables the requests for longer packets and the 2M PHY that
	// otherwise follow each connection as central. Each of them is omitted anyway
	// if the program has made such a request itself by then.
	DisableTuning bool
	// ReportQueue bounds the queue of a Scanner, in reports; default 4,096.
	ReportQueue int
}

func (c *Config) commandTimeout() time.Duration {
	if c.CommandTimeout <= 0 {
		return 2 * time.Second
	}
	return c.CommandTimeout
}

func (c *Config) idleCheck() time.Duration {
	if c.IdleCheck == 0 {
		return time.Minute
	}
	return c.IdleCheck
}

func (c *Config) reportQueue() int {
	if c.ReportQueue <= 0 {
		return 4096
	}
	return c.ReportQueue
}

func (c *Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	if c.Name != "" {
		return c.Logger.With("adapter", c.Name)
	}
	return c.Logger
}
