package remote

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Prefix begins the addresses of adapters that are proxies.
const Prefix = "esphome:"

// defaultPort is the port at which proxies listen.
const defaultPort = "6053"

// forms is the remedy in every error about an address.
const forms = "write esphome:HOST, esphome:HOST:PORT or esphome:unix:PATH, and ?key-file=PATH after it where the key is in a file"

// Address is the place of a proxy, and the file with its key.
type Address struct {
	Network string // "tcp" or "unix"
	Target  string // HOST:PORT, or the path of a socket
	// Name is the name by which the key is looked up: the host without ".local". It is empty
	// for a Unix socket, whose clients are not encrypted.
	Name    string
	KeyFile string // empty if the address names none
}

// ParseAddress parses the address of a proxy: esphome:HOST, esphome:HOST:PORT or
// esphome:unix:PATH, with ?key-file=PATH after it where the key is in a file. An address
// never holds the key itself, since logs and lists of processes show addresses.
func ParseAddress(s string) (Address, error) {
	a, err := parseAddress(s)
	if err != nil {
		return Address{}, fmt.Errorf("remote: %q is no address of a proxy: %w", s, err)
	}
	return a, nil
}

func parseAddress(s string) (a Address, err error) {
	rest, ok := strings.CutPrefix(s, Prefix)
	if !ok {
		return a, fmt.Errorf("it does not begin with %s: %s", Prefix, forms)
	}
	place, options, _ := strings.Cut(rest, "?")
	if a.KeyFile, err = parseOptions(options); err != nil {
		return a, err
	}
	if path, ok := strings.CutPrefix(place, "unix:"); ok {
		if path == "" {
			return a, fmt.Errorf("unix: names no socket: %s", forms)
		}
		a.Network, a.Target = "unix", path
		return a, nil
	}
	host, port, err := net.SplitHostPort(place)
	if err != nil { // there is no port
		host, port = strings.TrimSuffix(strings.TrimPrefix(place, "["), "]"), defaultPort
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return a, fmt.Errorf("%w: %s", err, forms)
		}
	}
	if host == "" || strings.ContainsAny(host, "/ ") {
		return a, fmt.Errorf("%q is no host: %s", host, forms)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return a, fmt.Errorf("%q is no port: write a number up to 65535", port)
	}
	a.Network, a.Target = "tcp", net.JoinHostPort(host, port)
	a.Name = strings.TrimSuffix(strings.ToLower(host), ".local")
	return a, nil
}

// parseOptions returns the file of the key.
func parseOptions(s string) (keyFile string, err error) {
	for option := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "":
		case "key-file":
			if keyFile, err = url.PathUnescape(value); err != nil || keyFile == "" {
				return "", fmt.Errorf("%q names no file: write key-file=PATH", option)
			}
		case "key":
			return "", fmt.Errorf("logs and lists of processes would show the key: write it into a file and its path as key-file=PATH, or return it from Config.Key")
		default:
			return "", fmt.Errorf("the option %q does not exist: %s", name, forms)
		}
	}
	return keyFile, nil
}
