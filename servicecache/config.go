package servicecache

import (
	"log/slog"
	"time"
)

// Config holds the options of a Cache. The zero value of each field is its
// default. A cache that exceeds a bound drops the peers that were not used for the
// longest time.
type Config struct {
	// MaxEntries is the number of peers. 0 is 1000.
	MaxEntries int
	// MaxBytes is the size of all records together. 0 is 16 MiB.
	MaxBytes int64
	// MaxAge is the time without use after which a peer is dropped. 0 is 180 days;
	// a negative value keeps peers for ever.
	MaxAge time.Duration
	// MaxBad is the number of unreadable records that are kept for inspection. 0 is
	// 16; a negative value keeps none.
	MaxBad int
	// LockTimeout bounds the time for which a writer waits for another process. 0 is
	// 5 s.
	LockTimeout time.Duration
	// Logger takes unreadable records (warn) and dropped peers (debug). Nil logs
	// nothing.
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
