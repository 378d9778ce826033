package connmgr_test

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/connmgr"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/host"
	"github.com/moor-ble/moor/sim"
	"github.com/moor-ble/moor/smp"
)

// guarded puts device 1 on air, whose battery is shown to encrypted links alone.
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
		info := l.m.Adapter("hci0").HCI().Info()
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
