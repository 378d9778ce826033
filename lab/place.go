package lab

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// PlaceKind is the form of a Place.
type PlaceKind uint8

// The kinds of places.
const (
	PlaceTCP  PlaceKind = iota // tcp:HOST:PORT
	PlaceUnix                  // unix:PATH
	PlacePTY                   // pty
	PlaceVHCI                  // vhci
)

// Place is where other programs look for a controller.
type Place struct {
	Kind PlaceKind
	// Name is HOST:PORT or a path; empty for the other kinds. The port 0 is a free one.
	Name string
}

// ParsePlace parses vhci, pty, tcp:HOST:PORT or unix:PATH.
func ParsePlace(s string) (Place, error) {
	kind, rest, _ := strings.Cut(s, ":")
	switch {
	case s == "vhci":
		return Place{Kind: PlaceVHCI}, nil
	case s == "pty":
		return Place{Kind: PlacePTY}, nil
	case kind == "unix" && rest != "":
		return Place{PlaceUnix, rest}, nil
	case kind == "tcp":
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			break
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
			return Place{}, fmt.Errorf("lab: %q: port %q is not a number from 0 to 65535", s, port)
		}
		return Place{PlaceTCP, net.JoinHostPort(host, port)}, nil
	}
	return Place{}, fmt.Errorf("lab: %q is no place: write vhci, pty, tcp:HOST:PORT or unix:PATH", s)
}

// String returns the form for ParsePlace.
func (p Place) String() string {
	switch p.Kind {
	case PlaceTCP:
		return "tcp:" + p.Name
	case PlaceUnix:
		return "unix:" + p.Name
	case PlacePTY:
		return "pty"
	case PlaceVHCI:
		return "vhci"
	}
	return fmt.Sprintf("place kind 0x%02X", uint8(p.Kind))
}

// IsLocal reports whether only programs of this machine reach the place.
func (p Place) IsLocal() bool {
	if p.Kind != PlaceTCP {
		return true
	}
	host, _, _ := net.SplitHostPort(p.Name)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
