//go:build kernel || peers

package moortest

import (
	"regexp"
	"slices"
	"testing"
)

// resolvable is a resolvable private address: its topmost bits are 01.
var resolvable = regexp.MustCompile(`^[4-7][0-9A-F]:.*/random$`)

// Private reads a value of a bonded partner several times with a moor that has
// --privacy. Each link must have another address of the host. ended waits until the
// partner has noticed the end of a link.
func Private(t *testing.T, m *Moor, address, guarded, value string, ended func()) {
	t.Helper()
	js := m.With(append(slices.Clone(m.Args), "--json")...)
	seen := map[string]bool{}
	for range 3 {
		ended()
		m.Run(t, "read", address, guarded).OK(t).Says(t, value)
		ended()
		type info struct {
			Own       string `json:"own_address"`
			Encrypted bool
		}
		got := JSON[info](t, js.Run(t, "info", address).OK(t))
		if len(got) != 1 || !resolvable.MatchString(got[0].Own) || seen[got[0].Own] || !got[0].Encrypted {
			t.Errorf("%+v, want an encrypted link under a new private address; known: %v", got, seen)
			return
		}
		seen[got[0].Own] = true
	}
}
