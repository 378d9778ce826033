package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/internal/text"
)

// Patterns of the text that a written report does not show. An address may be written
// with colons, hyphens, underscores (as the object paths of BlueZ) or without any.
var (
	addressPattern = regexp.MustCompile(`[0-9A-Fa-f]{2}(?:[:_-][0-9A-Fa-f]{2}){5}`)
	digitsPattern  = regexp.MustCompile(`[0-9A-Fa-f]{12,}`)
	hostPattern    = regexp.MustCompile(`\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b`)
	hostPattern6   = regexp.MustCompile(`[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*[0-9A-Fa-f]`)
	homePattern    = regexp.MustCompile(`/(home|Users)/[^/\s"':;,]+`)
)

// mask replaces the text of a report that could identify a person or a device. An address
// gets the same label wherever it occurs. Labels count in the order of occurrence: a hash
// of an address could be reversed by trying all addresses.
type mask struct {
	literals []string // in pairs: a text and its label
	labels   map[string]string
	counts   map[string]int
}

func newMask() *mask { return &mask{labels: map[string]string{}, counts: map[string]int{}} }

// hideAdapter hides the parts of an adapter's name that only its user knows: the host, the
// path, or the serial number in the name of a device file.
func (m *mask) hideAdapter(name string) {
	scheme, rest, ok := strings.Cut(name, ":")
	switch {
	case !ok || rest == "":
		return
	case scheme == "tcp":
		if i := strings.LastIndexByte(rest, ':'); i >= 0 {
			rest = rest[:i]
		}
		m.hideText(strings.Trim(rest, "[]"), "HOST")
	case scheme == "esphome":
		m.hideProxy(rest)
	case scheme == "unix", scheme == "sim" && strings.Contains(rest, "/"):
		m.literals = append(m.literals, rest, "PATH")
	case scheme == "serial" && strings.HasPrefix(rest, "/dev/serial/"):
		path, _, _ := strings.Cut(rest, "?")
		m.literals = append(m.literals, path, "/dev/serial/DEVICE")
	}
}

// hideProxy hides the host or the path of a Bluetooth proxy, and the file of its key.
func (m *mask) hideProxy(place string) {
	place, options, _ := strings.Cut(place, "?")
	for option := range strings.SplitSeq(options, "&") {
		_, value, _ := strings.Cut(option, "=")
		m.hideText(value, "PATH")
	}
	if path, ok := strings.CutPrefix(place, "unix:"); ok {
		m.hideText(path, "PATH")
		return
	}
	if host, _, err := net.SplitHostPort(place); err == nil {
		place = host
	}
	m.hideText(strings.Trim(place, "[]"), "HOST")
}

// hideText hides a text, if it is not empty.
func (m *mask) hideText(s, label string) {
	if s != "" {
		m.literals = append(m.literals, s, label)
	}
}

// hideHolders hides the names of the programs that use an adapter, but for bluetoothd's.
func (m *mask) hideHolders(a *hcisock.Adapter) {
	for _, h := range a.Holders {
		if h.Name != "" && h.Name != "bluetoothd" {
			m.literals = append(m.literals, h.Name, "PROGRAM")
		}
	}
}

// hide returns s on one line, without control characters, with labels for all that is to be
// hidden.
func (m *mask) hide(s string) string {
	s = strings.NewReplacer(m.literals...).Replace(s)
	s = hostPattern6.ReplaceAllStringFunc(s, m.hideHost6)
	s = digitsPattern.ReplaceAllStringFunc(s, m.hideDigits)
	s = addressPattern.ReplaceAllStringFunc(s, func(found string) string { return m.label("address", found) })
	s = hostPattern.ReplaceAllStringFunc(s, func(found string) string { return m.label("host", found) })
	s = homePattern.ReplaceAllString(s, "/$1/USER")
	return text.Clean(s)
}

// hideHost6 hides an address of IPv6.
func (m *mask) hideHost6(found string) string {
	if _, err := netip.ParseAddr(found); err != nil {
		return found
	}
	return m.label("host", found)
}

// placeholder stands for an address in remedies.
const placeholder = "AA:BB:CC:DD:EE:FF"

// octetsOfKey is the length of a key of SMP.
const octetsOfKey = 16

// hideDigits hides hexadecimal digits that may be an address or at least one key.
func (m *mask) hideDigits(found string) string {
	switch {
	case len(found) >= 2*octetsOfKey:
		return "[key]"
	case len(found) == 2*len(hci.MAC{}):
		return m.label("address", found)
	}
	return found
}

// label returns the label of found, which is of a kind.
func (m *mask) label(kind, found string) string {
	if found == placeholder {
		return found
	}
	same := kind + strings.ToUpper(strings.NewReplacer(":", "", "-", "", "_", "").Replace(found))
	if l, ok := m.labels[same]; ok {
		return l
	}
	m.counts[kind]++
	m.labels[same] = fmt.Sprintf("[%s %d]", kind, m.counts[kind])
	return m.labels[same]
}
