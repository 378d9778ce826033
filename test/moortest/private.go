package moortest

import (
	"slices"
	"testing"

	"github.com/moor-ble/moor/hci"
)

// Private reads a value of a bonded partner several times with a moor that has
// --privacy, which must come under another address each time.
func Private(t *testing.T, m *Moor, address, guarded, value string) {
	t.Helper()
	js := m.With(append(slices.Clone(m.Args), "--json")...)
	seen := map[hci.Addr]bool{}
	for range 3 {
		m.Run(t, "read", address, guarded).OK(t).Says(t, value)
		type info struct {
			Own       hci.Addr `json:"own_address"`
			Encrypted bool
		}
		got := JSON[info](t, js.Run(t, "info", address).OK(t))
		if len(got) != 1 || !got[0].Own.IsResolvable() || seen[got[0].Own] || !got[0].Encrypted {
			t.Errorf("%+v, want an encrypted link under a new private address; known: %v", got, seen)
			return
		}
		seen[got[0].Own] = true
	}
}
