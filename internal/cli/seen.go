package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"github.com/moor-ble/moor/hci"
)

// seenLimit bounds how many devices are remembered; the oldest go first.
const seenLimit = 1024

// seen remembers which kind of address each device had on air, so that a
// command on a device need not search for it. It is a text file in the
// directory of --state, an address with its kind on each line, the one added
// last at the end. Without --state nothing is kept.
type seen struct {
	path  string
	addrs []hci.Addr
}

func (a *app) openSeen() (*seen, error) {
	if a.State == "" {
		return &seen{}, nil
	}
	s := &seen{path: filepath.Join(a.State, "seen")}
	b, err := os.ReadFile(s.path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("state: %w", err)
	}
	for line := range bytes.Lines(b) {
		// A line that cannot be read is dropped with the next write: the device
		// is searched for again.
		if addr, known, err := hci.ParseAddrKind(string(bytes.TrimSpace(line))); err == nil && known {
			s.addrs = append(s.addrs, addr)
		}
	}
	return s, nil
}

// find returns the address with this MAC that was added last.
func (s *seen) find(mac hci.MAC) (hci.Addr, bool) {
	for _, addr := range slices.Backward(s.addrs) {
		if addr.MAC == mac {
			return addr, true
		}
	}
	return hci.Addr{}, false
}

// add remembers addrs and writes the file, if they are news.
func (s *seen) add(addrs ...hci.Addr) error {
	if s.path == "" {
		return nil
	}
	news := false
	for _, addr := range addrs {
		// A private address changes within minutes: it would only fill the file.
		if addr.IsResolvable() || addr.IsNonResolvable() || addr.Kind == hci.AddrAnonymous {
			continue
		}
		if old, ok := s.find(addr.MAC); ok && old == addr {
			continue
		}
		s.addrs = append(slices.DeleteFunc(s.addrs, func(o hci.Addr) bool { return o.MAC == addr.MAC }), addr)
		news = true
	}
	if !news {
		return nil
	}
	s.addrs = s.addrs[max(0, len(s.addrs)-seenLimit):]
	var b bytes.Buffer
	for _, addr := range s.addrs {
		fmt.Fprintln(&b, addr)
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if err := renameio.WriteFile(s.path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}
