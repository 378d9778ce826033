//go:build !minimal

package dashboard

import (
	"sync"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/proxy"
)

// Config describes a Dashboard. All fields must be set.
type Config struct {
	Manager *connmgr.Manager
	Server  *proxy.Server
	Name    string // of the proxy
	MAC     hci.MAC
	Version string // of the program
}

// Dashboard shows a proxy. Its methods may be called from any goroutine.
type Dashboard struct {
	cfg   Config
	since time.Time

	mu       sync.Mutex // guards what follows
	attempts map[outcome]uint64
	ready    histogram
	failures []failure // the latest last
	samples  map[hci.Addr]*samples
	ticks    int // samples taken
	readers  int // of events
}

// New returns a Dashboard, which gathers once Run is called.
func New(cfg Config) *Dashboard {
	return &Dashboard{cfg: cfg, since: time.Now(), attempts: map[outcome]uint64{}, samples: map[hci.Addr]*samples{}}
}
