package hcisock

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/moor-ble/moor/hci"
)

// Kind is the form of an [Address].
type Kind uint8

const (
	KindIndex  Kind = iota // hci0
	KindMAC                // AA:BB:CC:DD:EE:FF
	KindTCP                // tcp:HOST:PORT
	KindUnix               // unix:PATH
	KindSerial             // serial:PATH?baud=N&flow=rtscts
	KindFD                 // fd:3, fd:NAME
	KindSim                // sim:SCENARIO, which package sim opens
)

// defaultBaud is the default speed of a serial address. Controllers start with it.
const defaultBaud = 115200

// maxIndex is the largest adapter index. 0xFFFF means no adapter.
const maxIndex = 0xFFFE

// forms is the remedy in every error about an address.
const forms = "use hci0, AA:BB:CC:DD:EE:FF, tcp:HOST:PORT, unix:PATH, " +
	"serial:/dev/ttyS0?baud=115200&flow=rtscts, fd:3, fd:NAME, esphome:HOST or sim:SCENARIO"

// Address identifies a controller to open. It is comparable. Fields that its Kind
// does not use are zero.
type Address struct {
	Kind  Kind
	Index int     // KindIndex: N of hciN; KindFD: the descriptor unless Name is set
	MAC   hci.MAC // KindMAC
	// Name is HOST:PORT (KindTCP), a path (KindUnix, KindSerial), systemd's
	// name of a descriptor (KindFD) or a scenario (KindSim).
	Name     string
	Baud     int  // KindSerial: bits per second; ParseAddress sets 115200 by default
	NoRTSCTS bool // KindSerial: no hardware flow control
}

// ParseAddress parses one of the forms in the package documentation, or
// sim:SCENARIO. Its error is an *OpenError that lists the forms.
func ParseAddress(s string) (Address, error) {
	a, err := parseAddress(s)
	if err != nil {
		return Address{}, &OpenError{Address: strconv.Quote(s), Op: "parse address", Err: err, Cause: CauseAddress, Remedy: forms}
	}
	return a, nil
}

func parseAddress(s string) (Address, error) {
	if digits, ok := strings.CutPrefix(s, "hci"); ok {
		n, err := parseNumber(digits, maxIndex)
		if err != nil {
			return Address{}, fmt.Errorf("adapter index %w", err)
		}
		return Address{Kind: KindIndex, Index: n}, nil
	}
	if mac, err := hci.ParseMAC(s); err == nil {
		return Address{Kind: KindMAC, MAC: mac}, nil
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Address{}, fmt.Errorf("not a known form")
	}
	switch scheme {
	case "tcp":
		return parseTCP(rest)
	case "unix":
		if rest == "" {
			return Address{}, fmt.Errorf("no path")
		}
		return Address{Kind: KindUnix, Name: rest}, nil
	case "serial":
		return parseSerial(rest)
	case "fd":
		return parseFD(rest)
	case "sim":
		return Address{Kind: KindSim, Name: rest}, nil
	default:
		return Address{}, fmt.Errorf("not a known form")
	}
}

// parseNumber parses a number from 0 to limit. It accepts no sign and no leading
// zero, so that String returns the same text.
func parseNumber(s string, limit int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > limit || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", s, limit)
	}
	return n, nil
}

func parseTCP(s string) (Address, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, err
	}
	if n, err := parseNumber(port, 0xFFFF); err != nil || n == 0 {
		return Address{}, fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	return Address{Kind: KindTCP, Name: net.JoinHostPort(host, port)}, nil
}

func parseSerial(s string) (Address, error) {
	path, query, _ := strings.Cut(s, "?")
	if path == "" {
		return Address{}, fmt.Errorf("no device path")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Address{}, err
	}
	a := Address{Kind: KindSerial, Name: path, Baud: defaultBaud}
	for key, v := range values {
		if len(v) != 1 {
			return Address{}, fmt.Errorf("%s is given %d times", key, len(v))
		}
		switch key {
		case "baud":
			if a.Baud, err = parseNumber(v[0], maxBaud); err != nil || a.Baud == 0 {
				return Address{}, fmt.Errorf("baud %q is not a speed from 1 to %d", v[0], maxBaud)
			}
		case "flow":
			switch v[0] {
			case "rtscts":
			case "none":
				a.NoRTSCTS = true
			default:
				return Address{}, fmt.Errorf("flow %q is neither rtscts nor none", v[0])
			}
		default:
			return Address{}, fmt.Errorf("unknown setting %q, the settings are baud and flow", key)
		}
	}
	return a, nil
}

func parseFD(s string) (Address, error) {
	if s == "" || strings.Contains(s, ":") {
		return Address{}, fmt.Errorf("%q is neither a descriptor number nor a name", s)
	}
	if strings.Trim(s, "0123456789") != "" {
		return Address{Kind: KindFD, Name: s}, nil
	}
	n, err := parseNumber(s, maxFD)
	if err != nil {
		return Address{}, fmt.Errorf("descriptor %w", err)
	}
	return Address{Kind: KindFD, Index: n}, nil
}

const (
	maxBaud = 4000000 // the fastest speed in the kernel's table
	maxFD   = 1 << 20 // the largest descriptor limit that Linux allows by default
)

// String returns the form for ParseAddress.
func (a Address) String() string {
	switch a.Kind {
	case KindIndex:
		return "hci" + strconv.Itoa(a.Index)
	case KindMAC:
		return a.MAC.String()
	case KindTCP:
		return "tcp:" + a.Name
	case KindUnix:
		return "unix:" + a.Name
	case KindSerial:
		flow := "rtscts"
		if a.NoRTSCTS {
			flow = "none"
		}
		return fmt.Sprintf("serial:%s?baud=%d&flow=%s", a.Name, a.Baud, flow)
	case KindFD:
		if a.Name != "" {
			return "fd:" + a.Name
		}
		return "fd:" + strconv.Itoa(a.Index)
	case KindSim:
		return "sim:" + a.Name
	default:
		return fmt.Sprintf("address kind 0x%02X", uint8(a.Kind))
	}
}

// indexName returns the name of the adapter with an index, such as "hci0".
func indexName(index int) string { return Address{Kind: KindIndex, Index: index}.String() }
