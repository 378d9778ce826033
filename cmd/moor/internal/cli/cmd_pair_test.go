package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/hci/hcisock"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

const lock = "C0:FF:EE:00:00:09/random"

// user is the person at the device.
type user struct {
	io    smp.IOCapability
	shown chan smp.Passkey       // the passkeys that the device shows
	enter func() smp.Passkey     // returns the passkey to type at the device
	yes   func(smp.Passkey) bool // nil says yes
}

func newUser(c smp.IOCapability) *user { return &user{io: c, shown: make(chan smp.Passkey, 1)} }

func (u *user) IO() smp.IOCapability { return u.io }

func (u *user) Display(_ context.Context, _ hci.Addr, p smp.Passkey) error {
	u.shown <- p
	return nil
}

func (u *user) Confirm(_ context.Context, _ hci.Addr, p smp.Passkey) (bool, error) {
	u.shown <- p
	return u.yes == nil || u.yes(p), nil
}

func (u *user) Enter(context.Context, hci.Addr) (smp.Passkey, error) { return u.enter(), nil }

func (u *user) Ended(hci.Addr, error) {}

// house has a lock with a battery level that requires an encrypted link.
type house struct {
	*room
	state   string
	machine []hcisock.Adapter // the adapters of the machine
	out     printed
}

func newHouse(t *testing.T, state string, device *smp.Config) *house {
	t.Helper()
	air := sim.New(&sim.Config{Seed: 1})
	address, err := hci.ParseAddr(lock)
	if err != nil {
		t.Fatal(err)
	}
	p, err := air.NewPeripheral(t.Context(), &sim.PeripheralConfig{
		Name: "Lock", Address: address, Host: host.Config{SMP: device},
		Services: []gatt.ServiceDef{{UUID: gatt.UUID16(0x180F), Characteristics: []gatt.CharDef{{
			UUID: gatt.UUID16(0x2A19), Properties: gatt.PropRead, Value: []byte{87},
			Permissions: gatt.Permissions{Read: gatt.Require{Encryption: true}},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{room: &room{t: t, air: air, adapters: []*sim.Controller{air.NewController(nil)}, device: p}, state: state}
	t.Cleanup(func() {
		if s := h.adapters[0].Stats(); s.Links != 0 {
			t.Errorf("%d links left", s.Links)
		}
		p.Close()
		air.Close()
	})
	return h
}

// moor runs a command line, with a user who answers questions; nil has no user.
func (h *house) moor(answer func(asked string) string, args ...string) result {
	h.out = printed{}
	var in io.Reader = strings.NewReader("")
	if answer != nil {
		in = answerer{h, answer}
	}
	start := time.Now()
	code := runChecked(h.t.Context(), append([]string{"-a", "a0", "--state", h.state}, args...), &Env{
		Stdin: in, Stdout: &h.out.stdout, Stderr: &h.out.stderr,
		Open:     func(context.Context, string) (hci.Transport, error) { return h.adapters[0].Plug(), nil },
		Adapters: func() ([]hcisock.Adapter, error) { return h.machine, nil },
	})
	return result{code, h.out.stdout.String(), h.out.stderr.String(), time.Since(start)}
}

// answerer is standard input: read only when there is a question.
type answerer struct {
	h      *house
	answer func(asked string) string
}

func (a answerer) Read(b []byte) (int, error) {
	return copy(b, a.answer(a.h.out.stderr.String())+"\n"), nil
}

// forget makes the device lose the bond.
func (h *house) forget() {
	h.t.Helper()
	all := h.device.Host().SMP().Store().All()
	if len(all) != 1 {
		h.t.Fatalf("the device has the bonds %v", all)
	}
	if err := h.device.Host().SMP().Store().Remove(all[0].Peer); err != nil {
		h.t.Fatal(err)
	}
}

func TestPairMethods(t *testing.T) {
	const bonded = ", LE Secure Connections, authenticated, key of 16 octets\n"
	paired := func(by string) string { return lock + " paired by " + by }
	inAir(t, "numeric comparison", func(t *testing.T) {
		u := newUser(smp.DisplayYesNo)
		h := newHouse(t, t.TempDir(), &smp.Config{Delegate: u})
		r := h.moor(func(asked string) string {
			if n := (<-u.shown).String(); strings.Contains(asked, "Does "+lock+" show "+n+"? [yes/no]") {
				return "yes"
			}
			return "no"
		}, "pair", lock)
		if want := paired("Numeric Comparison") + strings.Replace(bonded, ", ", ": ", 1); r.code != 0 || r.stdout != want {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
		h.moor(nil, "read", lock, "2a19").want(t, 0, "57  87 %\n", "")
	})
	inAir(t, "numbers differ", func(t *testing.T) {
		h := newHouse(t, t.TempDir(), &smp.Config{Delegate: newUser(smp.DisplayYesNo)})
		r := h.moor(func(string) string { return "no" }, "pair", lock)
		if r.code != exitPairing || r.stdout != "" || !strings.Contains(r.stderr, "numeric comparison failed") || !strings.Contains(r.stderr, "the passkeys were not the same") {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
		h.moor(nil, "bonds").want(t, 0, "", "")
	})
	inAir(t, "passkey typed here", func(t *testing.T) {
		u := newUser(smp.DisplayOnly)
		h := newHouse(t, t.TempDir(), &smp.Config{Delegate: u})
		r := h.moor(func(string) string { return (<-u.shown).String() }, "pair", lock, "--mitm")
		if want := paired("Passkey Entry, responder displays") + strings.Replace(bonded, ", ", ": ", 1); r.code != 0 || r.stdout != want || !strings.Contains(r.stderr, "Type the six digits that "+lock+" shows: ") {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
	})
	inAir(t, "passkey typed at the device", func(t *testing.T) {
		u := newUser(smp.KeyboardOnly)
		h := newHouse(t, t.TempDir(), &smp.Config{Delegate: u})
		u.enter = func() smp.Passkey {
			for {
				if _, text, ok := strings.Cut(h.out.stderr.String(), "Type "); ok {
					p, err := smp.ParsePasskey(text[:6])
					if err != nil {
						t.Error(err)
					}
					return p
				}
				time.Sleep(time.Millisecond)
			}
		}
		r := h.moor(nil, "pair", lock, "--json")
		if r.code != 0 || r.stdout != `{"address":"`+lock+`","paired":true,"method":"Passkey Entry, initiator displays","level":"secure",`+
			`"authenticated":true,"secure_connections":true,"key_size":16,"bonded":true}`+"\n" {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
	})
	inAir(t, "just works", func(t *testing.T) {
		h := newHouse(t, t.TempDir(), &smp.Config{Delegate: newUser(smp.DisplayYesNo)})
		r := h.moor(nil, "pair", lock)
		if r.code != exitPairing || !strings.Contains(r.stderr, "EOF") || !strings.Contains(r.stderr, "there was nobody to ask") {
			t.Errorf("with nobody to ask: exit code %d, stderr %q", r.code, r.stderr)
		}
		time.Sleep(time.Minute) // the device wants a pause after a failure
		h.moor(nil, "pair", lock, "--just-works").want(t, 0,
			paired("Just Works: LE Secure Connections, not protected against a man in the middle, key of 16 octets\n"), "")
		h.moor(nil, "pair", lock, "--mitm").want(t, 6, "",
			"moor: "+strings.TrimSuffix(lock, "/random")+": no connection after 1 attempt: "+lock+": the bond is not protected against a man in the middle: pair again and replace it\n"+
				"      moor pair ADDR --replace pairs again, moor unpair ADDR removes the bond\n")
	})
	inAir(t, "no protection to be had", func(t *testing.T) {
		h := newHouse(t, t.TempDir(), &smp.Config{})
		r := h.moor(nil, "pair", lock, "--mitm")
		if r.code != exitPairing || !strings.Contains(r.stderr, "authentication requirements") || !strings.Contains(r.stderr, "see --legacy, --key-size and --mitm") {
			t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
		}
	})
	inAir(t, "legacy", func(t *testing.T) {
		h := newHouse(t, t.TempDir(), &smp.Config{AllowLegacy: true, DisableSecureConnections: true})
		if r := h.moor(nil, "pair", lock); r.code != exitPairing || !strings.Contains(r.stderr, "see --legacy") {
			t.Errorf("unasked: exit code %d, stderr %q", r.code, r.stderr)
		}
		time.Sleep(time.Minute)
		h.moor(nil, "pair", lock, "--legacy", "--key-size", "7").want(t, 0,
			paired("Just Works: legacy pairing, not protected against a man in the middle, key of 16 octets\n"), "")
		h.moor(nil, "read", lock, "2a19").want(t, 0, "57  87 %\n", "")
	})
}

func TestPairOnDemand(t *testing.T) {
	inAir(t, "read", func(t *testing.T) {
		h := newHouse(t, t.TempDir(), &smp.Config{})
		if r := h.moor(nil, "read", lock, "2a19"); r.code != 1 || !strings.Contains(r.stderr, "(moor pair), or add --pair") {
			t.Errorf("without a bond: exit code %d, stderr %q", r.code, r.stderr)
		}
		h.moor(nil, "read", lock, "2a19", "--pair").want(t, 0, "57  87 %\n", "")
		h.moor(nil, "read", lock, "2a19").want(t, 0, "57  87 %\n", "")
		r := h.moor(nil, "info", lock)
		if r.code != 0 || !strings.Contains(r.stdout, "encrypted    yes") {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", r.code, r.stderr, r.stdout)
		}
	})
}

func TestPairAgain(t *testing.T) {
	inAir(t, "bond lost", func(t *testing.T) {
		h := newHouse(t, t.TempDir(), &smp.Config{})
		want := lock + " paired by Just Works: LE Secure Connections, not protected against a man in the middle, key of 16 octets\n"
		h.moor(nil, "pair", lock).want(t, 0, want, "")
		h.moor(nil, "pair", lock).want(t, 0,
			lock+" is paired already, and its keys work: LE Secure Connections, not protected against a man in the middle, key of 16 octets\n", "")
		h.moor(nil, "pair", lock, "--replace").want(t, 0, want, "")
		before := h.moor(nil, "bonds", "show", lock, "--keys").stdout
		h.forget()
		for _, args := range [][]string{{"read", lock, "2a19"}, {"read", lock, "2a19", "--pair"}, {"pair", lock}} {
			r := h.moor(nil, args...)
			if r.code != 7 || r.stdout != "" || !strings.Contains(r.stderr, "has lost the bond") || !strings.Contains(r.stderr, "moor pair ADDR --replace, or add --repair") {
				t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, r.code, r.stdout, r.stderr)
			}
		}
		if after := h.moor(nil, "bonds", "show", lock, "--keys").stdout; after != before {
			t.Errorf("the bond has changed from\n%sto\n%s", before, after)
		}
		h.moor(nil, "read", lock, "2a19", "--repair").want(t, 0, "57  87 %\n", "")
		h.forget()
		h.moor(nil, "pair", lock, "--replace").want(t, 0, want, "")
		h.moor(nil, "read", lock, "2a19").want(t, 0, "57  87 %\n", "")
	})
}

func TestPairWrongCommandLines(t *testing.T) {
	for args, want := range map[string]string{
		"pair " + lock + " --mitm --just-works": "give one of them",
		"pair " + lock + " --key-size 6":        "from 7 to 16",
		"bonds show":                            "ADDR is missing",
		"bonds list " + lock:                    "unexpected argument",
		"bonds import " + lock:                  "unexpected argument",
		"bonds list --keys":                     "--keys is for bonds show ADDR",
		"bonds --file x":                        "--file is for bonds export and bonds import",
		"bonds burn":                            "write one of list, show, export, import",
		"unpair":                                "ADDR is missing",
	} {
		r := moor(t.Context(), append([]string{"--state", t.TempDir()}, strings.Fields(args)...)...)
		if r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q, want 2 and %q", args, r.code, r.stdout, r.stderr, want)
		}
	}
	moor(t.Context(), "pair", lock).want(t, 1, "", "moor: there is no state directory: this user has no home directory\n      name one with --state DIR\n")
	for _, args := range [][]string{{"bonds"}, {"unpair", lock}} {
		moor(t.Context(), args...).want(t, 1, "", "moor: there is no state directory: this user has no home directory\n      name one with --state DIR\n")
	}
}

func TestBonds(t *testing.T) {
	state, mac := t.TempDir(), strings.TrimSuffix(lock, "/random")
	file := filepath.Join(t.TempDir(), "bonds")
	inAir(t, "bonds", func(t *testing.T) {
		h := newHouse(t, state, &smp.Config{})
		h.moor(nil, "bonds").want(t, 0, "", "")
		h.moor(nil, "unpair", lock).want(t, 1, "", "moor: "+lock+": there is no bond with this device\n")
		if r := h.moor(nil, "pair", lock); r.code != 0 {
			t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
		}
		local := h.adapters[0].Address().String()
		h.moor(nil, "bonds", "list").want(t, 0,
			lock+"  LE Secure Connections, not protected against a man in the middle, key of 16 octets  made 0s ago  by "+local+"\n", "")
		type bond struct {
			Address, Local, Level string
			KeySize               int               `json:"key_size"`
			Kinds                 []string          `json:"keys"`
			Secret                map[string]string `json:"secret_keys"`
		}
		got := objects[bond](t, h.moor(nil, "bonds", "--json"))
		if len(got) != 1 || got[0].Address != lock || got[0].Local != local || got[0].Level != "encrypted" || got[0].KeySize != 16 ||
			fmt.Sprint(got[0].Kinds) != "[ltk]" || got[0].Secret != nil {
			t.Errorf("%+v", got)
		}
		b, ok := h.device.Host().SMP().Find(h.adapters[0].Address())
		if !ok {
			t.Fatal("the device has no bond")
		}
		octets := [16]byte(b.Peripheral.Key)
		for i := range 8 {
			octets[i], octets[15-i] = octets[15-i], octets[i]
		}
		key := fmt.Sprintf("%x", octets)
		shown := h.moor(nil, "bonds", "show", mac)
		if shown.code != 0 || !strings.Contains(shown.stdout, "level     encrypted\n") || strings.Contains(shown.stdout, key) {
			t.Errorf("exit code %d, stderr %q, stdout:\n%s", shown.code, shown.stderr, shown.stdout)
		}
		if r := h.moor(nil, "bonds", "show", mac, "--keys"); r.code != 0 || !strings.Contains(r.stdout, "central ltk     "+key+"\n") {
			t.Errorf("exit code %d, stderr %q, no key in:\n%s", r.code, r.stderr, r.stdout)
		}
		if got := objects[bond](t, h.moor(nil, "bonds", "show", mac, "--json", "--keys")); got[0].Secret["peripheral ltk"] != key {
			t.Errorf("%+v", got)
		}
		h.moor(nil, "bonds", "export", mac, "--file", file).want(t, 0, "1 bond exported\n", "")
		if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
		exported, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(exported, []byte(key)) {
			t.Errorf("%s, %v", exported, err)
		}
		h.moor(nil, "bonds", "export", "--file", "/nonexist/x").want(t, 1, "", "moor: export: write /nonexist/x: no such file or directory\n      check the name, and that its directory exists\n")
		h.moor(nil, "bonds", "export").want(t, 0, string(exported), "")
		h.moor(nil, "bonds", "export", belt).want(t, 1, "", "moor: "+belt+": there is no bond with this device\n")
		h.moor(nil, "unpair", mac, "--json").want(t, 0, `{"address":"`+lock+`","local":"`+local+`"}`+"\n", "")
		h.moor(nil, "bonds").want(t, 0, "", "")
		if r := h.moor(nil, "read", lock, "2a19"); r.code != 1 {
			t.Errorf("read without the bond: exit code %d", r.code)
		}
		h.moor(nil, "bonds", "import", "--file", file).want(t, 0, "1 bond imported\n", "")
		h.moor(nil, "read", lock, "2a19").want(t, 0, "57  87 %\n", "")
		h.moor(nil, "unpair", mac).want(t, 0, "bond with "+lock+" removed, of adapter "+local+"\n", "")
		h.moor(nil, "bonds", "import").want(t, 1, "", "moor: import: the input is empty: give it what bonds export writes\n")
		// On another machine, the adapter is not known.
		other := moor(t.Context(), "--state", t.TempDir(), "bonds", "import", "--file", file)
		if other.code != 1 || !strings.Contains(other.stderr, "the adapter "+local+", which has not been used with this state") {
			t.Errorf("exit code %d, stderr %q", other.code, other.stderr)
		}
	})
}

func TestDamagedBond(t *testing.T) {
	state := t.TempDir()
	inAir(t, "damaged bond", func(t *testing.T) {
		h := newHouse(t, state, &smp.Config{})
		if r := h.moor(nil, "pair", lock); r.code != 0 {
			t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
		}
		files, err := filepath.Glob(filepath.Join(state, "bonds", "*", "*-random.json"))
		if err != nil || len(files) != 1 {
			t.Fatalf("files %v, %v", files, err)
		}
		if err := os.WriteFile(files[0], nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r := h.moor(nil, "read", lock, "2a19")
		for _, want := range []string{files[0], "the bond is damaged", "moor unpair ADDR"} {
			if said := strings.Join(strings.Fields(r.stderr), " "); r.code != exitBondLost || !strings.Contains(said, want) {
				t.Errorf("exit code %d, stderr %q, want %d and %q", r.code, said, exitBondLost, want)
			}
		}
		for _, args := range [][]string{{"bonds"}, {"bonds", "export"}, {"bonds", "export", "--file", filepath.Join(t.TempDir(), "x")}} {
			r := h.moor(nil, args...)
			if r.code != 1 || strings.Count(r.stderr, "moor: ") != 1 || !strings.HasPrefix(r.stderr, "moor: bond "+files[0]+": ") {
				t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, r.code, r.stdout, r.stderr)
			}
		}
		if r := h.moor(nil, "unpair", lock); r.code != 0 || !strings.HasPrefix(r.stdout, "bond with "+lock+" removed") {
			t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
		}
		h.moor(nil, "bonds").want(t, 0, "", "")
	})
}

// TestBondOfAnotherAdapter uses a device that has a bond with an adapter that the command
// does not use.
func TestBondOfAnotherAdapter(t *testing.T) {
	inAir(t, "read", func(t *testing.T) {
		h := newHouse(t, t.TempDir(), &smp.Config{})
		if r := h.moor(nil, "pair", lock); r.code != 0 {
			t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
		}
		first := h.adapters[0]
		h.adapters[0] = h.air.NewController(nil)
		h.machine = []hcisock.Adapter{{Name: "hci0", MAC: h.adapters[0].Address().MAC}}
		told := "the bond with the device was made by another adapter, " + first.Address().String() +
			": use that adapter (--adapter), or pair with this one too (moor pair, or --pair)\n"
		const refused = "moor: read handle 0x0012, 2a19 (Battery Level): read request of handle 0x0012: insufficient authentication (0x05)\n      "
		h.moor(nil, "read", lock, "2a19").want(t, 1, "", refused+told)
		h.machine = append(h.machine, hcisock.Adapter{Name: "hci1", MAC: first.Address().MAC})
		h.moor(nil, "read", lock, "2a19").want(t, 1, "", refused+strings.Replace(told, "(--adapter)", "(--adapter hci1)", 1))
		h.moor(nil, "read", lock, "2a19", "--pair").want(t, 0, "57  87 %\n", "")
	})
	inAir(t, "connect", func(t *testing.T) { // the device ends a link without a bond
		h := newHouse(t, t.TempDir(), &smp.Config{})
		if r := h.moor(nil, "pair", lock); r.code != 0 {
			t.Fatalf("exit code %d, stderr %q", r.code, r.stderr)
		}
		first := h.adapters[0]
		h.adapters[0] = h.air.NewController(nil)
		h.device.Close()
		p, err := h.air.NewPeripheral(t.Context(), &sim.PeripheralConfig{
			Name: "Lock", Address: h.device.Address(), Temper: sim.Temper{
				SecurityRequests: []sim.SecurityRequest{{AuthReq: 0x0D}},
				Rules:            []sim.Rule{{On: sim.OnSecurityRefused, Do: sim.HangUp, Status: 0x05}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for _, command := range []string{"connect", "info"} {
			r := h.moor(nil, command, lock)
			if r.code != 6 || !strings.HasSuffix(r.stderr, "\n      the bond with the device was made by another adapter, "+first.Address().String()+
				": use that adapter (--adapter), or pair with this one too (moor pair, or --pair)\n") {
				t.Errorf("%s: exit code %d, stderr %q", command, r.code, r.stderr)
			}
		}
		h.moor(nil, "unpair", lock)
		h.moor(nil, "info", lock).want(t, 6, "", "moor: "+strings.TrimSuffix(lock, "/random")+" (Lock): no connection after 1 attempt: link to "+lock+" ended: authentication failure (0x05)\n"+
			"      the device wants a paired connection: pair with it first\n")
	})
}
