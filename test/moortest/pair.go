//go:build kernel || peers

package moortest

import "testing"

// Partner is a peripheral for the binary to pair with. Its functions are the actions
// of its user.
type Partner struct {
	Address string // with the kind
	Guarded string // a characteristic that requires an encrypted link
	Initial string // its value, hexadecimal
	Legacy  bool   // it lacks LE Secure Connections

	Can     func(t *testing.T, io string)  // sets its IO capability, by the name in the specification
	Accepts func(t *testing.T)             // allows Just Works, if it asks
	Shows   func(t *testing.T) string      // the passkey, or the number to compare
	Types   func(t *testing.T, key string) // types a passkey
	Agrees  func(t *testing.T)             // says that the numbers are the same
	Forgets func(t *testing.T)             // loses the bond

	// Bonded checks the capture of a link to a bonded partner.
	Bonded func(t *testing.T, capture string)
}

// Pairing pairs with the partner in every way, uses the bond, loses it, and
// pairs again.
func Pairing(t *testing.T, m *Moor, p *Partner) {
	pair := []string{"pair", p.Address}
	made := "LE Secure Connections"
	if p.Legacy {
		pair, made = append(pair, "--legacy"), "legacy pairing"
	}
	anew := func(t *testing.T, io string) *Process {
		t.Helper()
		m.Run(t, "unpair", p.Address).OK(t)
		p.Forgets(t)
		p.Can(t, io)
		return m.Start(t, pair...)
	}
	reconnect := func(t *testing.T) {
		t.Helper()
		r := m.Run(t, "read", p.Address, p.Guarded).OK(t).Says(t, p.Initial)
		p.Bonded(t, r.Capture)
	}

	t.Run("Just Works", func(t *testing.T) {
		p.Can(t, "NoInputNoOutput")
		m.Run(t, "read", p.Address, p.Guarded).Fails(t, "moor pair")
		run := m.Start(t, pair...)
		p.Accepts(t)
		run.Wait(t).OK(t).Says(t, "paired by Just Works", made, "not protected")
		reconnect(t)
	})
	t.Run("the partner has lost the bond", func(t *testing.T) {
		p.Forgets(t)
		m.Run(t, "read", p.Address, p.Guarded).FailsWith(t, 7, "lost the bond", "--repair")
		m.Run(t, pair...).FailsWith(t, 7, "lost the bond", "--replace")
		run := m.Start(t, append(pair, "--replace")...)
		p.Accepts(t)
		run.Wait(t).OK(t).Says(t, "paired by Just Works")
		reconnect(t)
	})
	t.Run("passkey typed here", func(t *testing.T) {
		run := anew(t, "DisplayOnly")
		run.Asks(t, "(Type the six digits that .* shows: )")
		run.Type(t, p.Shows(t))
		run.Wait(t).OK(t).Says(t, "responder displays", made, "authenticated")
		reconnect(t)
	})
	t.Run("passkey typed there", func(t *testing.T) {
		run := anew(t, "KeyboardOnly")
		p.Types(t, run.Asks(t, `Type (\d{6}) at`))
		run.Wait(t).OK(t).Says(t, "initiator displays", made, "authenticated")
	})
	t.Run("wrong passkey", func(t *testing.T) {
		run := anew(t, "KeyboardOnly")
		key := []byte(run.Asks(t, `Type (\d{6}) at`))
		key[5] ^= 1
		p.Types(t, string(key))
		if r := run.Wait(t).Says(t, "confirm value failed"); r.Exit != 8 || r.Stdout != "" {
			t.Errorf("exit %d, want 8; stdout: %s", r.Exit, r.Stdout)
		}
		if out := m.Run(t, "bonds").OK(t).Stdout; out != "" {
			t.Errorf("a pairing that failed has left %s", out)
		}
	})
	if p.Legacy {
		return
	}
	t.Run("numeric comparison", func(t *testing.T) {
		p.Forgets(t)
		p.Can(t, "DisplayYesNo")
		run := m.Start(t, pair...)
		number := run.Asks(t, `Does .* show (\d{6})\?`)
		if shown := p.Shows(t); shown != number {
			t.Errorf("the partner shows %s, moor %s", shown, number)
		}
		p.Agrees(t)
		run.Type(t, "yes")
		run.Wait(t).OK(t).Says(t, "paired by Numeric Comparison", made, "authenticated")
		reconnect(t)
	})
}
