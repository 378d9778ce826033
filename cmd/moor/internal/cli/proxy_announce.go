//go:build !minimal

package cli

import (
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/moor-ble/moor/internal/mdns"
	"github.com/moor-ble/moor/proxy"
)

// Where Avahi, the usual responder of Linux, has its socket and its service files.
const (
	avahiSocket   = "/run/avahi-daemon/socket"
	avahiServices = "/etc/avahi/services"
)

// announceProxy announces a proxy on the local network. The function that it returns takes
// leave. Where Avahi answers for the machine, the user learns how to make it known there;
// same is the command line of the proxy.
func announceProxy(ctx context.Context, a *app, cfg *proxy.Config, same string, l net.Listener) (stop func()) {
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return func() {}
	}
	if avahiAnswers(ctx) {
		if file := avahiFile(cfg.Name); !exists(file) {
			a.printError("Avahi answers for this machine, and does not know the proxy", same+" --avahi-service > "+file+" announces it")
		}
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		service := mdns.Service{Instance: cfg.Name, Type: proxy.ServiceType, Host: cfg.Name, Port: at.AddrPort().Port(), Text: cfg.Announcement()}
		if err := mdns.Announce(ctx, service, reachedAt(at)); err != nil {
			a.printError("the proxy is not announced on the local network: "+message(err)+"; type its address into the client, or add --no-mdns", "")
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// reachedAt returns the test whether a listener is reached at an address of this machine.
func reachedAt(l *net.TCPAddr) func(netip.Addr) bool {
	at := l.AddrPort().Addr().Unmap()
	return func(a netip.Addr) bool {
		switch {
		case !at.IsUnspecified():
			return a == at
		case at.Is4():
			return a.Is4()
		}
		return true
	}
}

// avahiAnswers reports whether Avahi runs.
func avahiAnswers(ctx context.Context) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", avahiSocket)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// avahiFile returns the name of the service file of a proxy.
func avahiFile(name string) string { return filepath.Join(avahiServices, name+".service") }

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// avahiGroup is a service file of Avahi.
type avahiGroup struct {
	XMLName xml.Name     `xml:"service-group"`
	Name    string       `xml:"name"`
	Service avahiService `xml:"service"`
}

type avahiService struct {
	Type string   `xml:"type"`
	Port int      `xml:"port"`
	Text []string `xml:"txt-record"`
}

// printAvahiService writes a service file for Avahi.
func (c *proxyCmd) printAvahiService(a *app, cfg *proxy.Config, local bool) error {
	_, text, err := net.SplitHostPort(c.Listen)
	if err != nil || local {
		return usagef("--avahi-service: other machines do not reach %s: there is nothing to announce", c.Listen)
	}
	port, err := net.LookupPort("tcp", text)
	if err != nil {
		return err
	}
	if port == 0 {
		return usagef("--avahi-service: the port %s changes with each run: name one with --listen", strconv.Quote(text))
	}
	b, err := xml.MarshalIndent(avahiGroup{Name: cfg.Name, Service: avahiService{Type: proxy.ServiceType, Port: port, Text: cfg.Announcement()}}, "", "  ")
	if err != nil {
		return err
	}
	a.out.printf("%s<!DOCTYPE service-group SYSTEM \"avahi-service.dtd\">\n%s\n", xml.Header, b)
	fmt.Fprintf(a.env.Stderr, "It belongs into %s.\n", avahiFile(cfg.Name))
	return nil
}
