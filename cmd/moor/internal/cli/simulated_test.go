package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// home is a machine without Bluetooth, on which each command line makes the
// simulated air anew.
type home struct {
	t     *testing.T
	state string // the default state directory
	out   printed
}

// moor runs a command line, with a user who types the passkeys that are shown.
func (h *home) moor(args ...string) result {
	h.t.Helper()
	h.out = printed{}
	code := runChecked(h.t.Context(), args, &Env{Stdin: h, Stdout: &h.out.stdout, Stderr: &h.out.stderr, State: h.state})
	return result{code: code, stdout: h.out.stdout.String(), stderr: h.out.stderr.String()}
}

// Read types the passkey that the device shows.
func (h *home) Read(b []byte) (int, error) {
	_, text, ok := strings.Cut(h.out.stderr.String(), " shows ")
	if !ok {
		return 0, io.EOF
	}
	return copy(b, text[:6]+"\n"), nil
}

func (h *home) entries(dir ...string) string {
	h.t.Helper()
	list, err := os.ReadDir(filepath.Join(append([]string{h.state}, dir...)...))
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestPairingOnSimulatedAir(t *testing.T) {
	inAir(t, "passkey", func(t *testing.T) {
		h := &home{t: t, state: t.TempDir()}
		const control = "2a39"
		if r := h.moor("-a", "sim:", "write", belt, control, "01"); r.code != 1 || !strings.Contains(r.stderr, "pair with it first (moor pair), or add --pair") {
			t.Errorf("unpaired: exit code %d, stderr %q", r.code, r.stderr)
		}
		paired := belt + " paired by Passkey Entry, responder displays: LE Secure Connections, authenticated, key of 16 octets\n"
		r := h.moor("-a", "sim:", "pair", belt)
		shown, asked, _ := strings.Cut(r.stderr, "\n")
		if r.code != 0 || r.stdout != paired || !strings.HasPrefix(shown, "The simulated Heart rate belt shows ") || asked != "Type the six digits that "+belt+" shows: \n" {
			t.Errorf("pair: exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
		// Both sides keep the bond.
		for range 2 {
			r := h.moor("-a", "sim:", "write", belt, control, "01")
			if r.code != 0 || r.stderr != "" {
				t.Errorf("paired: exit code %d, stderr %q", r.code, r.stderr)
			}
		}
		if r := h.moor("-a", "sim:", "bonds"); r.code != 0 || !strings.HasPrefix(r.stdout, belt+"  LE Secure Connections, authenticated") {
			t.Errorf("bonds: exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
		if r := h.moor("-a", "sim:", "unpair", belt); r.code != 0 {
			t.Errorf("unpair: exit code %d, stderr %q", r.code, r.stderr)
		}
		if r := h.moor("-a", "sim:", "pair", belt); r.code != 0 || r.stdout != paired {
			t.Errorf("pair again: exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
	})
	inAir(t, "just works", func(t *testing.T) {
		h := &home{t: t, state: t.TempDir()}
		h.moor("-a", "sim:", "pair", lamp).want(t, 0,
			lamp+" paired by Just Works: LE Secure Connections, not protected against a man in the middle, key of 16 octets\n", "")
		// Without a place to keep bonds there are none on either side.
		h.moor("-a", "sim:", "--state", "none", "write", lamp, lampSwitch, "01", "--pair").want(t, 0,
			"handle 0x0017, "+lampSwitch+": 1 octet written, confirmed by the device\n", "")
	})
	inAir(t, "no pairing", func(t *testing.T) {
		h := &home{t: t, state: t.TempDir()}
		h.moor("-a", "sim:", "pair", thermometer+"/random").want(t, exitPairing, "",
			"moor: "+thermometer+": not paired after 1 attempt: pairing refused by the peer: pairing not supported\n      the device does not pair: connect without pairing; or it still has a bond with this host: remove that on the device\n")
	})
}

// TestSimulatedState: the state of simulated air does not mix with that of real
// devices.
func TestSimulatedState(t *testing.T) {
	inAir(t, "state", func(t *testing.T) {
		h := &home{t: t, state: t.TempDir()}
		h.moor("-a", "sim:", "read", strings.TrimSuffix(belt, "/random"), "2a38").want(t, 0, "01  chest\n", "")
		if got := h.entries(); got != "sim" {
			t.Errorf("%q is kept, want all of it under sim", got)
		}
		if got := h.entries("sim", "tables"); got == "" {
			t.Error("no table is kept under sim")
		}
		if r := h.moor("-a", "sim:", "devices", "--duration", "0"); r.code != 0 || !strings.Contains(r.stdout, belt) {
			t.Errorf("exit code %d, stderr %q, no belt in:\n%s", r.code, r.stderr, r.stdout)
		}
		h.moor("devices", "--duration", "0").want(t, 0, "", "")
		h.moor("cache", "list").want(t, 0, "", "")
	})
}
