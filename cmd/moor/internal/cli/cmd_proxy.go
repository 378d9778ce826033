//go:build !minimal

package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/moor-ble/moor/cmd/moor/internal/dashboard"
	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/esphome"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ownfile"
	"github.com/moor-ble/moor/internal/ownsocket"
	"github.com/moor-ble/moor/proxy"
)

type proxyCmd struct {
	Listen    string
	Name      string
	Key       string
	Plaintext bool
	Force     bool
	ShowKey   bool
	Passive   bool
	Allow     macList
	Deny      macList
	Most      valueCount
	NoMDNS    bool
	Metrics   string
	Avahi     bool
}

func newProxy() *command {
	c := &proxyCmd{}
	cmd := newCommand(groupAir, "proxy", "Serve the adapters as a Bluetooth proxy to Home Assistant and others.", c.runProxy)
	cmd.detail = "The proxy speaks the native API of ESPHome. Its name, its address and its key are made on the first run and kept in the state directory, so that clients know it again when an adapter is replaced. Several clients may use it at a time; each owns the connections that it makes. It announces itself on the local network by mDNS; where Avahi does that for the machine, Avahi needs the file that --avahi-service writes."
	cmd.flags.StringVar(&c.Listen, "listen", ":6053", "accept clients at `ADDRESS`: HOST:PORT, :PORT, or unix:PATH")
	cmd.flags.StringVar(&c.Name, "name", "", "the `NAME` of the proxy: up to 31 lower-case letters, digits and hyphens; the default is made on the first run")
	cmd.flags.StringVar(&c.Key, "key", "", "read the key from `FILE`, 44 characters of base64, in place of the key in the state directory")
	cmd.flags.BoolVar(&c.ShowKey, "show-key", false, "show the key, and end")
	cmd.flags.BoolVar(&c.Plaintext, "plaintext", false, "do not encrypt; for clients on this machine, as a Unix socket never does")
	cmd.flags.BoolVar(&c.Force, "force", false, "allow --plaintext and --metrics on addresses that other machines reach")
	cmd.flag("allow", "serve this device (`ADDR`) alone; may be repeated", &c.Allow)
	cmd.flag("deny", "do not serve this device (`ADDR`); may be repeated", &c.Deny)
	cmd.flag("max-connections", "have `N` connections at most; the default is as many as the adapters carry", &c.Most)
	cmd.flags.BoolVar(&c.NoMDNS, "no-mdns", false, "do not announce the proxy on the local network")
	cmd.flags.StringVar(&c.Metrics, "metrics", "", "show the state in a browser and to Prometheus at `HOST:PORT`, such as 127.0.0.1:9153")
	cmd.flags.BoolVar(&c.Avahi, "avahi-service", false, "write a service file for Avahi, and end")
	cmd.flags.BoolVar(&c.Passive, "passive", false, "begin with passive scanning; a client may change it")
	return cmd
}

// macList is the addresses of a flag that may be repeated. Their kind does not matter.
type macList []hci.MAC

// UnmarshalText adds one.
func (l *macList) UnmarshalText(b []byte) error {
	var p peerArg
	err := p.UnmarshalText(b)
	*l = append(*l, p.Addr.MAC)
	return err
}

// jsonListening is the output of proxy --json once clients can connect.
type jsonListening struct {
	Event   string  `json:"event"` // listening
	Address string  `json:"address"`
	Name    string  `json:"name"`
	MAC     hci.MAC `json:"mac"`
	KeyFile string  `json:"key_file,omitempty"`
	Page    string  `json:"page,omitempty"` // of --metrics
}

func (c *proxyCmd) runProxy(ctx context.Context, a *app) error {
	local, err := c.checkListen()
	if err == nil {
		err = c.checkMetrics()
	}
	if err != nil {
		return err
	}
	if c.Name != "" {
		if err := proxy.CheckName(c.Name); err != nil {
			return usagef("--name: %w", err)
		}
	}
	state, err := a.needStateDir()
	if err != nil {
		return fmt.Errorf("%w: a proxy keeps its name and its key there; name a directory with --state", err)
	}
	home, err := openProxyHome(state, c.Name, a.Adapters)
	if err != nil {
		return err
	}
	defer home.close()
	if (c.ShowKey || c.Avahi) && home.isNew() {
		a.printError("no proxy with this state directory, these adapters and this name has run: this makes a new one in "+home.dir.Path(),
			"for one that runs, give its --state, --adapter and --name")
	}
	id, err := home.identity(c.Name)
	if err != nil {
		return err
	}
	var key *esphome.Key
	var keyFile string
	if !c.Plaintext && !strings.HasPrefix(c.Listen, "unix:") {
		k, file, err := c.readKey(home)
		if err != nil {
			return err
		}
		key, keyFile = &k, file
	}
	if c.ShowKey {
		c.printKey(a, id, *key, keyFile)
		return nil
	}
	cfg := &proxy.Config{
		Name: id.Name, MAC: id.MAC, Key: key, Version: programVersion(), MaxConnections: int(c.Most),
		Allow: c.Allow, Deny: c.Deny, PassiveScan: c.Passive, Logger: a.log,
	}
	if c.Avahi {
		return c.printAvahiService(a, cfg, local)
	}
	if key == nil && !local {
		a.printError("clients are not encrypted, and everybody who reaches "+c.Listen+" can use the adapters", "leave --plaintext out")
	}
	err = a.withManager(ctx, air{listen: true, passive: true, silent: true}, func(m *connmgr.Manager) error {
		s, err := proxy.New(m, cfg)
		if err != nil {
			return err
		}
		l, err := listenProxy(ctx, c.Listen)
		if err != nil {
			return err
		}
		page, show, err := c.openDashboard(ctx, dashboard.Config{Manager: m, Server: s, Name: id.Name, MAC: id.MAC, Version: cfg.Version})
		if err != nil {
			l.Close()
			return err
		}
		listening := jsonListening{"listening", l.Addr().String(), id.Name, id.MAC, keyFile, page}
		if a.JSON {
			a.out.json(listening)
		} else {
			a.out.printf("%s\n", listeningText(listening))
		}
		notifySystemd("READY=1")
		defer context.AfterFunc(ctx, func() { notifySystemd("STOPPING=1") })()
		defer keepWatchdog(ctx, func() { s.Stats() })()
		if !c.NoMDNS && !local {
			defer announceProxy(ctx, a, cfg, c.sameProxy(a, state), l)()
		}
		return serveBoth(ctx, func(ctx context.Context) error { return s.Serve(ctx, l) }, show)
	})
	if ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, context.Canceled)) {
		return nil // the usual end, which came before the proxy listened
	}
	return err
}

// sameProxy returns the command line that means the same proxy: its identity depends on the
// state directory, the adapters and the name.
func (c *proxyCmd) sameProxy(a *app, state string) string {
	words := []string{"moor", "--state", state}
	for _, adapter := range a.Adapters {
		words = append(words, "-a", adapter)
	}
	words = append(words, "proxy")
	if c.Name != "" {
		words = append(words, "--name", c.Name)
	}
	return strings.Join(append(words, "--listen", c.Listen), " ")
}

func listeningText(l jsonListening) string {
	security := "without encryption"
	if l.KeyFile != "" {
		security = "encrypted with the key in " + l.KeyFile
	}
	page := ""
	if l.Page != "" {
		page = "; its state is at " + l.Page
	}
	return fmt.Sprintf("%s (%s) listens at %s, %s%s; Ctrl-C ends", l.Name, l.MAC, l.Address, security, page)
}

// maxSocketPath is the longest path of a Unix socket, in octets, on the system with the
// shortest: macOS.
const maxSocketPath = 103

// checkListen checks the address to listen at, and reports whether only this machine
// reaches it.
func (c *proxyCmd) checkListen() (local bool, err error) {
	switch {
	case c.ShowKey && c.Plaintext:
		return false, usagef("--show-key: with --plaintext nothing is encrypted, and there is no key: leave one out")
	case c.ShowKey && strings.HasPrefix(c.Listen, "unix:"):
		return false, usagef("--show-key: clients at a Unix socket are not encrypted, and there is no key: leave --listen out")
	}
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok {
		if path == "" {
			return false, usagef("--listen: unix: names no socket: write unix:PATH")
		}
		if len(path) > maxSocketPath {
			return false, usagef("--listen: the path of a socket has at most %d octets, and this one has %d", maxSocketPath, len(path))
		}
		if c.Key != "" {
			return false, usagef("--key: clients at a Unix socket are not encrypted: leave it out")
		}
		return true, nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false, usagef("--listen: %q is no address: write HOST:PORT, :PORT or unix:PATH", c.Listen)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return false, usagef("--listen: %q is no port: write a number up to 65535", port)
	}
	if c.Plaintext && c.Key != "" {
		return false, usagef("--key: clients are not encrypted with --plaintext: leave one out")
	}
	ip := net.ParseIP(host)
	local = host == "localhost" || ip != nil && ip.IsLoopback()
	if c.Plaintext && !local && !c.Force {
		return false, usagef("--plaintext lets everybody who reaches %s use the adapters: listen at 127.0.0.1 or at a Unix socket, or add --force", c.Listen)
	}
	return local, nil
}

// readKey returns the key and the file that holds it.
func (c *proxyCmd) readKey(home *proxyHome) (esphome.Key, string, error) {
	if c.Key == "" {
		return home.key()
	}
	dir, err := ownfile.OpenNamed(filepath.Dir(c.Key))
	if err != nil {
		return esphome.Key{}, "", fmt.Errorf("--key %s: %w", c.Key, err)
	}
	defer dir.Close()
	b, err := dir.ReadFile(filepath.Base(c.Key), maxSmallFile)
	if err != nil {
		return esphome.Key{}, "", fmt.Errorf("--key %s: %w", c.Key, err)
	}
	k, err := esphome.ParseKey(string(b))
	if err != nil {
		return k, "", fmt.Errorf("--key %s: %w", c.Key, err)
	}
	return k, c.Key, nil
}

// jsonProxyKey is the output of proxy --json that shows the key.
type jsonProxyKey struct {
	Name    string  `json:"name"`
	MAC     hci.MAC `json:"mac"`
	Key     string  `json:"key"`
	KeyFile string  `json:"key_file"`
}

func (c *proxyCmd) printKey(a *app, id proxyIdentity, k esphome.Key, file string) {
	if a.JSON {
		a.out.json(jsonProxyKey{id.Name, id.MAC, k.String(), file})
		return
	}
	a.out.printf("%s\n", k)
	fmt.Fprintf(a.env.Stderr, "Type it where Home Assistant asks for the encryption key of %s. It is in %s.\n", id.Name, file)
}

// listenProxy listens at an address of the command line. A Unix socket that nobody listens
// at any more is replaced; it is for this user alone.
func listenProxy(ctx context.Context, address string) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		var lc net.ListenConfig
		return lc.Listen(ctx, "tcp", address)
	}
	l, err := ownsocket.Listen(ctx, path)
	switch {
	case errors.Is(err, ownsocket.ErrBusy):
		return nil, fmt.Errorf("%s: %w: end it, or choose another path", path, err)
	case errors.Is(err, ownsocket.ErrNoSocket):
		return nil, fmt.Errorf("%s: %w: remove it, or choose another path", path, err)
	}
	return l, err
}

// programVersion returns the version of the program for clients.
func programVersion() string { return newVersion().Version }
