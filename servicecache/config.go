package servicecache

import (
	"log/slog"
	"time"
)

// Config bounds a Cache. The zero Config is valid. What has not been used for
// the longest time goes first.
type Config struct {
	// MaxEntries is how many peers are kept. 0 is 1000.
	MaxEntries int
	// MaxBytes is how much all records take together. 0 is 16 MiB.
	MaxBytes int64
	// MaxAge is how long a peer is kept that is not asked for. 0 is 180 days, a
	// negative value for ever.
	MaxAge time.Duration
	// MaxBad is how many unreadable records are kept for whoever looks into what
	// happened. 0 is 16, a negative value none.
	MaxBad int
	// LockTimeout is how long a writer waits for another process. 0 is 5 s.
	LockTimeout time.Duration
	// Logger gets unreadable records (warn) and what is dropped (debug). Nil is
	// silent.
	Logger *slog.Logger
}

func (c *Config) maxEntries() int {
	if c.MaxEntries <= 0 {
		return 1000
	}
	return c.MaxEntries
}

func (c *Config) maxBytes() int64 {
	if c.MaxBytes <= 0 {
		return 16 << 20
	}
	return c.MaxBytes
}

func (c *Config) maxAge() time.Duration {
	if c.MaxAge == 0 {
		return 180 * 24 * time.Hour
	}
	return c.MaxAge
}

func (c *Config) maxBad() int {
	if c.MaxBad == 0 {
		return 16
	}
	return max(0, c.MaxBad)
}

func (c *Config) lockTimeout() time.Duration {
	if c.LockTimeout <= 0 {
		return 5 * time.Second
	}
	return c.LockTimeout
}

func (c *Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}
