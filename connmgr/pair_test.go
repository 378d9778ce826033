package connmgr_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/errclass"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// guarded puts device 1 on air, which shows its battery level on encrypted links only.
func (l *lab) guarded(s *smp.Config) *sim.Peripheral {
	l.t.Helper()
	return l.put(&sim.PeripheralConfig{
		Name: "lock", Address: address(1), Host: host.Config{SMP: s},
		Services: []gatt.ServiceDef{{UUID: battery, Characteristics: []gatt.CharDef{
			{UUID: level, Properties: gatt.PropRead, Value: []byte{1}, Permissions: gatt.Permissions{Read: gatt.Require{Encryption: true}}},
		}}},
	})
}

func TestPairAndEncryptWithTheBond(t *testing.T) { inBubble(t, testPairAndEncryptWithTheBond) }

func testPairAndEncryptWithTheBond(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.guarded(&smp.Config{})
	c := l.establish(1, nil)
	if _, err := c.Read(t.Context(), battery, level); err == nil {
		t.Error("read without encryption")
	}
	c.Close()
	c = l.establish(1, &connmgr.Options{Pair: true})
	if s := c.Security(); !s.Encrypted || !s.Bonded {
		t.Errorf("security %+v", s)
	}
	if r := c.Paired(); r == nil || r.Method != smp.JustWorks || r.Bond == nil || r.Bond.Peer != address(1) {
		t.Errorf("paired %+v", r)
	}
	l.wantLevel(c, 1)
	time.Sleep(3 * second) // Service Changed is subscribed to
	c.Close()
	l.requests.Store(0)
	c = l.establish(1, nil)
	if s := c.Security(); !s.Encrypted || c.Paired() != nil {
		t.Errorf("with the bond, security %+v, paired %+v", s, c.Paired())
	}
	if n := l.requests.Load(); n != 1 {
		t.Errorf("%d requests on a bonded and subscribed device; want the MTU alone", n)
	}
	l.wantLevel(c, 1)
	c.Close()
}

func TestReadRaisesSecurity(t *testing.T) { inBubble(t, testReadRaisesSecurity) }

func testReadRaisesSecurity(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.guarded(&smp.Config{})
	o := &connmgr.Options{}
	c := l.establish(1, o)
	o2 := &connmgr.Options{Pair: true}
	shared := l.establish(1, o2)
	l.wantLevel(shared, 1)
	if !c.Security().Encrypted {
		t.Error("the link is not encrypted")
	}
	shared.Close()
	c.Close()
}

func TestBondLost(t *testing.T) { inBubble(t, testBondLost) }

func testBondLost(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.guarded(&smp.Config{AllowRepair: true})
	c := l.establish(1, &connmgr.Options{Pair: true})
	c.Close()
	mine := l.adapters[0].Address()
	if err := p.Host().SMP().Store().Remove(mine); err != nil {
		t.Fatal(err)
	}
	_, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{Pair: true})
	if !errors.Is(err, connmgr.ErrBondLost) || !errors.Is(err, hci.StatusKeyMissing) {
		t.Fatalf("got %v", err)
	}
	if _, ok := l.m.Adapter("hci0").Bonds().Find(address(1)); !ok {
		t.Error("the bond was removed unasked")
	}
	c = l.establish(1, &connmgr.Options{Pair: true, Repair: true})
	l.wantLevel(c, 1)
	c.Close()
	c = l.establish(1, nil)
	l.wantLevel(c, 1)
	c.Close()
	l.wantNoSlots()
}

// TestBondsOfAControllerWithoutAddress: the own address is kept with the bonds.
func TestBondsOfAControllerWithoutAddress(t *testing.T) {
	inBubble(t, testBondsOfAControllerWithoutAddress)
}

func testBondsOfAControllerWithoutAddress(t *testing.T) {
	dir := t.TempDir()
	var own hci.Addr
	for range 2 {
		l := newLab(t, connmgr.Config{StateDir: dir}, &sim.ControllerConfig{NoAddress: true})
		info := l.m.Adapter("hci0").Controller().Info()
		if info.Address.Kind != hci.AddrRandom || own != (hci.Addr{}) && info.Address != own {
			t.Errorf("own address %v, before %v", info.Address, own)
		}
		own = info.Address
		l.m.Close()
	}
}

func TestBondsAreKeptOnDisk(t *testing.T) { inBubble(t, testBondsAreKeptOnDisk) }

func testBondsAreKeptOnDisk(t *testing.T) {
	dir := t.TempDir()
	l := newLab(t, connmgr.Config{StateDir: dir})
	l.guarded(&smp.Config{})
	c := l.establish(1, &connmgr.Options{Pair: true})
	c.Close()
	l.adapters[0].Unplug()
	time.Sleep(5 * second)
	c = l.establish(1, nil)
	l.wantLevel(c, 1)
	c.Close()
}

// TestSharedLinkIsSecured pairs on a link that another Establish has made without
// pairing.
func TestSharedLinkIsSecured(t *testing.T) { inBubble(t, testSharedLinkIsSecured) }

func testSharedLinkIsSecured(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.guarded(&smp.Config{})
	plain := l.establish(1, nil)
	c := l.establish(1, &connmgr.Options{Pair: true})
	if s := c.Security(); !s.Encrypted || !s.Bonded {
		t.Errorf("security %+v", s)
	}
	c.Close()
	plain.Close()
}

// TestNothingIsSaidBeforeEncryption shares a link that is being made to a bonded device
// which has lost its key, or is another device.
func TestNothingIsSaidBeforeEncryption(t *testing.T) { inBubble(t, testNothingIsSaidBeforeEncryption) }

func testNothingIsSaidBeforeEncryption(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.guarded(&smp.Config{})
	c := l.establish(1, &connmgr.Options{Pair: true})
	c.Close()
	if err := p.Host().SMP().Store().Remove(l.adapters[0].Address()); err != nil {
		t.Fatal(err)
	}
	l.requests.Store(0)
	var wg sync.WaitGroup
	for i := range 150 {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 2 * time.Millisecond)
			if c, err := l.m.Establish(t.Context(), address(1).String(), nil); !errors.Is(err, connmgr.ErrBondLost) {
				t.Errorf("got %v, %v", c, err)
			}
		})
	}
	wg.Wait()
	if n := l.requests.Load(); n != 0 {
		t.Errorf("%d requests in plain text", n)
	}
}

// TestBondKeepsItsAdapter: over an adapter without the bond, the link would not be
// encrypted.
func TestBondKeepsItsAdapter(t *testing.T) { inBubble(t, testBondKeepsItsAdapter) }

func testBondKeepsItsAdapter(t *testing.T) {
	l := newLab(t, connmgr.Config{}, nil, nil)
	l.guarded(&smp.Config{})
	time.Sleep(second)
	c := l.establish(1, &connmgr.Options{Pair: true, Adapter: "hci0"})
	c.Close()
	p := connmgr.DefaultPolicy()
	p.MaxAttempts = 1
	if _, err := l.m.Establish(t.Context(), address(1).String(), &connmgr.Options{Adapter: "hci1", Policy: &p}); !errors.Is(err, connmgr.ErrNoAdapter) {
		t.Errorf("over the adapter without the bond: %v", err)
	}
	c = l.establish(1, nil)
	if c.Adapter() != "hci0" || !c.Security().Encrypted {
		t.Errorf("on %s, %+v", c.Adapter(), c.Security())
	}
	c.Close()
}

// TestTableIsReadAfterPairingAgain: the table of the old bond does not count under the
// new one.
func TestTableIsReadAfterPairingAgain(t *testing.T) {
	inBubble(t, testTableIsReadAfterPairingAgain)
}

func testTableIsReadAfterPairingAgain(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.guarded(&smp.Config{AllowRepair: true})
	c := l.establish(1, &connmgr.Options{Pair: true})
	time.Sleep(3 * second) // Service Changed is subscribed to
	c.Close()
	if err := p.Host().SMP().Store().Remove(l.adapters[0].Address()); err != nil {
		t.Fatal(err)
	}
	c = l.establish(1, &connmgr.Options{Pair: true, Repair: true})
	if c.Cached() {
		t.Error("the table of the old bond is in use")
	}
	c.Close()
	l.requests.Store(0)
	c = l.establish(1, nil)
	if n := l.requests.Load(); n != 2 || !c.Cached() {
		t.Errorf("%d requests, cached %v; want MTU and hash", n, c.Cached())
	}
	c.Close()
}

// TestBondThatCannotBeUsed has a bond with a device whose file is damaged, and
// one without the key for a central, as a legacy device leaves that gives none.
func TestBondThatCannotBeUsed(t *testing.T) { inBubble(t, testBondThatCannotBeUsed) }

func testBondThatCannotBeUsed(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, file string)
		says  string
		want  error
		pair  bool // suffices to pair again
	}{
		"damaged file": {func(t *testing.T, file string) {
			if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "C0FE00000001-random.json: unexpected EOF", smp.ErrBondDamaged, false},
		"no key": {func(t *testing.T, file string) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, bytes.Replace(b, []byte("central_key"), []byte("other_key"), 1), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "C0:FE:00:00:00:01/random: the bond has no key for this host's role", smp.ErrNoKey, true},
	} {
		dir := t.TempDir()
		l := newLab(t, connmgr.Config{StateDir: dir})
		l.guarded(&smp.Config{AllowRepair: true})
		l.establish(1, &connmgr.Options{Pair: true}).Close()
		l.adapters[0].Unplug()
		files, err := filepath.Glob(filepath.Join(connmgr.BondDir(dir), "*", "C0FE00000001-random.json"))
		if err != nil || len(files) != 1 {
			t.Fatalf("files %v, %v", files, err)
		}
		tt.spoil(t, files[0])
		time.Sleep(5 * second) // the adapter comes back
		l.requests.Store(0)
		refused := func(o *connmgr.Options) {
			t.Helper()
			_, err := l.m.Establish(t.Context(), address(1).String(), o)
			if !errors.Is(err, tt.want) || !errors.Is(err, connmgr.ErrBondLost) || !strings.Contains(err.Error(), tt.says) ||
				!strings.Contains(err.Error(), "pair again and replace it") || strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("%s: got %v", name, err)
			}
			if n := l.requests.Load(); n != 0 {
				t.Errorf("%s: %d requests in plain text", name, n)
			}
		}
		refused(nil)
		again := &connmgr.Options{Repair: true}
		if tt.pair {
			again = &connmgr.Options{Pair: true}
		} else {
			refused(&connmgr.Options{Pair: true})
		}
		for _, o := range []*connmgr.Options{again, nil} {
			c := l.establish(1, o)
			if s := c.Security(); !s.Encrypted || !s.Bonded {
				t.Errorf("%s: security %+v", name, s)
			}
			l.wantLevel(c, 1)
			c.Close()
		}
		l.m.Close()
	}
}

// agreeable is a user who confirms every number.
type agreeable struct{ smp.NoInput }

func (agreeable) IO() smp.IOCapability { return smp.DisplayYesNo }

func (agreeable) Confirm(context.Context, hci.Addr, smp.Passkey) (bool, error) { return true, nil }

func TestWeakBond(t *testing.T) { inBubble(t, testWeakBond) }

// testWeakBond requires protection against a man in the middle that the bond does not
// have.
func testWeakBond(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.guarded(&smp.Config{Delegate: agreeable{}, AllowRepair: true})
	l.establish(1, &connmgr.Options{Pair: true, Pairing: &smp.PairOptions{Delegate: smp.NoInput{}}}).Close()
	mitm := connmgr.Options{Pair: true, Pairing: &smp.PairOptions{Delegate: agreeable{}, MITM: true}}
	time.Sleep(3 * second)
	l.requests.Store(0)
	if _, err := l.m.Establish(t.Context(), address(1).String(), &mitm); !errors.Is(err, smp.ErrWeakBond) {
		t.Errorf("got %v, want ErrWeakBond", err)
	}
	if n := l.requests.Load(); n != 0 {
		t.Errorf("%d requests on a link that is not what was asked for", n)
	}
	mitm.Repair = true
	for range 2 { // the first replaces the bond, the second uses it
		c := l.establish(1, &mitm)
		if s := c.Security(); !s.Authenticated || !s.Bonded {
			t.Errorf("security %+v", s)
		}
		c.Close()
		mitm.Repair = false
	}
}

// counting is an agreeable user who counts the questions.
type counting struct {
	agreeable
	asked *atomic.Int32
}

func (u counting) Confirm(context.Context, hci.Addr, smp.Passkey) (bool, error) {
	u.asked.Add(1)
	return true, nil
}

// TestManyRaiseSecurityAtOnce runs operations on one link that fail for lack of security
// at the same time: one of them pairs.
func TestManyRaiseSecurityAtOnce(t *testing.T) { inBubble(t, testManyRaiseSecurityAtOnce) }

func testManyRaiseSecurityAtOnce(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	p := l.put(&sim.PeripheralConfig{
		Name: "safe", Address: address(1), Host: host.Config{SMP: &smp.Config{Delegate: agreeable{}, AllowRepair: true}},
		Services: []gatt.ServiceDef{{UUID: battery, Characteristics: []gatt.CharDef{
			{UUID: level, Properties: gatt.PropRead, Value: []byte{1}, Permissions: gatt.Permissions{Read: gatt.Require{Authentication: true}}},
		}}},
	})
	user := counting{asked: new(atomic.Int32)}
	asked := func(what string) {
		t.Helper()
		if n := user.asked.Swap(0); n != 1 {
			t.Errorf("%s: the user was asked %d times, want once", what, n)
		}
	}
	many := func(f func()) {
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(f)
		}
		wg.Wait()
	}
	o := &connmgr.Options{Pair: true, Pairing: &smp.PairOptions{Delegate: user}}
	plain := l.establish(1, nil)
	many(func() { l.establish(1, o).Close() })
	plain.Close()
	asked("Establish")

	if err := errors.Join(l.m.Adapter("hci0").Bonds().Store().Remove(address(1)), p.Host().SMP().Store().Remove(l.adapters[0].Address())); err != nil {
		t.Fatal(err)
	}
	l.establish(1, &connmgr.Options{Pair: true, Pairing: &smp.PairOptions{Delegate: smp.NoInput{}}}).Close()
	c := l.establish(1, o)
	many(func() { l.wantLevel(c, 1) })
	c.Close()
	asked("Read")
}

// slow is a user who does something before confirming.
type slow struct {
	agreeable
	first func(ctx context.Context)
}

func (u slow) Confirm(ctx context.Context, _ hci.Addr, _ smp.Passkey) (bool, error) {
	u.first(ctx)
	return true, nil
}

func TestPairingHoldsUpNobodyElse(t *testing.T) { inBubble(t, testPairingHoldsUpNobodyElse) }

// testPairingHoldsUpNobodyElse pairs with a slow user on a link that other Clients share
// without pairing.
func testPairingHoldsUpNobodyElse(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.guarded(&smp.Config{Delegate: agreeable{}})
	defer l.establish(1, nil).Close()
	u := slow{first: func(ctx context.Context) {
		begin := time.Now()
		c, err := l.m.Establish(ctx, address(1).String(), nil)
		if d := time.Since(begin); err != nil || d > second {
			t.Errorf("connected after %v: %v", d, err)
			return
		}
		c.Close()
		time.Sleep(20 * second)
	}}
	c := l.establish(1, &connmgr.Options{MaxAttempts: -1, Pair: true, Pairing: &smp.PairOptions{Delegate: u}})
	if !c.Security().Authenticated {
		t.Errorf("security %+v", c.Security())
	}
	c.Close()
}

// The key of a pairing does not encrypt the link: the two sides have derived different ones.
// The error says so, and the advice is about the keys.
func TestPairedKeysDiffer(t *testing.T) { inBubble(t, testPairedKeysDiffer) }

func testPairedKeysDiffer(t *testing.T) {
	l := newLab(t, connmgr.Config{})
	l.guarded(&smp.Config{})
	c := l.establish(1, nil)
	defer c.Close()
	l.adapters[0].Fault(sim.CommandFault{Opcode: hci.OpLEEnableEncryption, Status: hci.StatusAuthenticationFailure})
	_, err := c.Pair(t.Context(), nil)
	if !errors.Is(err, smp.ErrKeysDiffer) || !strings.HasPrefix(errclass.Of(err).Advice, "the two sides do not have the same key") {
		t.Errorf("%v, advice %q", err, errclass.Of(err).Advice)
	}
}
