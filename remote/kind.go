package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ownfile"
)

// openTime bounds the opening of a proxy, from the connect to its first messages.
const openTime = 15 * time.Second

// Config holds the options of the adapters that are proxies. The zero value of a field
// means its default; nil means all defaults.
type Config struct {
	// Key returns the key of a proxy whose address names no file, by the Name of its Address.
	// It returns nil without an error for a proxy that does not encrypt. Default: none has a
	// key. It is not called for a Unix socket without a file.
	Key func(name string) (*esphome.Key, error)
	// Dial connects to a proxy; default net.Dialer.DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Client is the name by which the proxy knows this program; default "moor".
	Client string
	// Logger receives the doings of the proxies. Nil logs nothing.
	Logger *slog.Logger
}

// ESPHome returns the kind of the adapters that are proxies, whose addresses begin with
// Prefix: see ParseAddress. cfg may be nil.
func ESPHome(cfg *Config) connmgr.Kind {
	var c Config
	if cfg != nil {
		c = *cfg
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Client == "" {
		c.Client = "moor"
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	tables := newTables()
	return connmgr.Kind{
		Prefix: Prefix,
		Open: func(ctx context.Context, address string) (hci.Transport, error) {
			return open(ctx, address, &c, tables)
		},
	}
}

// open connects to the proxy at address and subscribes to it. The tables are those of the
// devices of all proxies, which outlive their connections.
func open(ctx context.Context, address string, cfg *Config, tables *tables) (_ *radio, err error) {
	a, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	key, err := a.readKey(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, openTime, fmt.Errorf("no answer within %v", openTime))
	defer cancel()
	c, err := cfg.Dial(ctx, a.Network, a.Target)
	if err != nil {
		return nil, fmt.Errorf("remote: proxy %s: %w: see whether it runs, and its address", a.Target, err)
	}
	conn, err := esphome.Connect(ctx, c, key)
	if err != nil {
		return nil, fmt.Errorf("remote: proxy %s: %w", a.Target, keyAdvice(a, err))
	}
	r := newRadio(conn, cfg, tables)
	if err := r.subscribe(ctx); err != nil {
		r.fail(err)
		r.tasks.Wait()
		return nil, fmt.Errorf("remote: proxy %s: %w", a.Target, keyAdvice(a, err))
	}
	return r, nil
}

// readKey returns the key for the proxy; nil if it is not encrypted.
func (a *Address) readKey(cfg *Config) (*esphome.Key, error) {
	switch {
	case a.KeyFile != "":
		dir, err := ownfile.OpenNamed(filepath.Dir(a.KeyFile))
		if err != nil {
			return nil, fmt.Errorf("remote: key file %s: %w", a.KeyFile, err)
		}
		defer dir.Close()
		const most = 1024
		b, err := dir.ReadFile(filepath.Base(a.KeyFile), most)
		if err != nil {
			return nil, fmt.Errorf("remote: key file %s: %w", a.KeyFile, err)
		}
		k, err := esphome.ParseKey(string(b))
		if err != nil {
			return nil, fmt.Errorf("remote: key file %s: %w", a.KeyFile, err)
		}
		return &k, nil
	case a.Name == "" || cfg.Key == nil:
		return nil, nil
	}
	k, err := cfg.Key(a.Name)
	if err != nil {
		return nil, fmt.Errorf("remote: key of %s: %w", a.Name, err)
	}
	return k, nil
}

// keyAdvice returns err with the remedy, if it is one of the key.
func keyAdvice(a Address, err error) error {
	switch {
	case errors.Is(err, esphome.ErrPeerEncrypts):
		return fmt.Errorf("%w, as in esphome:%s?key-file=PATH", err, a.Target)
	case errors.Is(err, esphome.ErrPeerPlain):
		return fmt.Errorf("%w: leave the key out", err)
	case errors.Is(err, esphome.ErrWrongKey):
		return fmt.Errorf("%w: copy the key from the configuration of the proxy; a moor proxy shows it by --show-key", err)
	case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: see whether this is the native API of ESPHome, and whether the proxy encrypts", err)
	}
	return err
}

// nodeName returns the name of a proxy for logs and errors.
func nodeName(info *esphome.DeviceInfoResponse, conn *esphome.Conn) string {
	for _, name := range []string{info.Name, conn.Identity().Name} {
		if name != "" {
			return strings.ToValidUTF8(name[:min(len(name), 64)], "?")
		}
	}
	return conn.RemoteAddr().String()
}
