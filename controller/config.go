package controller

import (
	"io"
	"log/slog"
	"time"

	"github.com/moor-ble/moor/hci"
)

// Log levels of the package, below slog.LevelInfo so that nothing is logged
// unless asked for.
const (
	LevelController = slog.LevelInfo // how the controller is, and what it does without
	LevelLink       = slog.Level(-2) // links that come and go
	LevelPacket     = slog.Level(-4) // every packet, in words; keys are left out
)

// Config holds the options of a Controller. The zero value of each field is its
// default; a nil *Config is the same as an empty one. Open keeps a copy.
type Config struct {
	// Name is the adapter's name in logs; default none.
	Name string
	// Logger takes what happens, at the levels above; nil logs nothing.
	Logger *slog.Logger
	// Snoop takes a capture of all packets in btsnoop format; nil none. Write is
	// called on the loop. An error of it ends the capture, not the device.
	Snoop io.Writer
	// NewLink makes the protocol above each link, on the loop. Nil leaves links
	// without one: data is dropped, and requests of the peer are refused.
	NewLink func(now time.Time, l *Link) LinkHandler
	// Address is the own address. The zero value takes the controller's public
	// address if it has one, else a static random address made at start. A
	// random address (kind AddrRandom) is set in the controller; a public one
	// must be the controller's.
	Address hci.Addr
	// StaticAddress is the static random address to use where Address is zero and
	// the controller has no public one; default one made at start. Bonds hang on
	// it, so it should be kept.
	StaticAddress hci.MAC
	// CommandTimeout is how long the controller may take to answer a command;
	// default 2 s, as in the Linux kernel.
	CommandTimeout time.Duration
	// DisableExtended uses the legacy commands for scanning, initiating and
	// advertising even if the controller has the extended ones. The two kinds
	// are never mixed (Vol 4, Part E, 3.1.1).
	DisableExtended bool
	// DisableTuning leaves out the data length and PHY requests that otherwise
	// follow each connection made as central, but for what the program has asked
	// for itself by then.
	DisableTuning bool
	// ReportQueue is the length of a scanner's queue, in reports; default 256.
	ReportQueue int
}

func (c *Config) commandTimeout() time.Duration {
	if c.CommandTimeout <= 0 {
		return 2 * time.Second
	}
	return c.CommandTimeout
}

func (c *Config) reportQueue() int {
	if c.ReportQueue <= 0 {
		return 256
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
