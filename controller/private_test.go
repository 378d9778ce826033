package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// rotating makes the core use private addresses with the last octet 0x41, 0x42 and
// so on, for a minute each, and returns a pointer to the future result.
func (h *harness) rotating() *error {
	res := new(error)
	*res = errPending
	n := byte(0)
	next := func() hci.MAC { n++; return hci.MAC{n, 0, 0, 0, 0, 0x40 | n} }
	h.do(func(time.Time) { h.c.private.useNextAddress(next, time.Minute, func(err error) { *res = err }) })
	return res
}

// privateMAC is the n-th address of rotating.
func privateMAC(n byte) hci.MAC { return hci.MAC{n, 0, 0, 0, 0, 0x40 | n} }

func createPrivately(peer hci.Addr) hci.LECreateConnection {
	p := create(peer)
	p.OwnAddrKind = hci.AddrRandom
	return p
}

func TestPrivateAddressesWhileScanning(t *testing.T) {
	h := newHarness(t, 4)
	res := h.rotating()
	h.takes("nothing has to be stopped", hci.LESetRandomAddress{Addr: privateMAC(1)})
	if *res != nil || h.c.own != (hci.Addr{MAC: privateMAC(1), Kind: hci.AddrRandom}) {
		t.Fatalf("result %v, address %v", *res, h.c.own)
	}
	h.scanner(nil)
	private := hci.LESetScanParameters{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond, OwnAddrKind: hci.AddrRandom}
	on := hci.LESetScanEnable{Enable: true}
	h.takes("scan requests have the private address", private, on)
	h.pass(time.Minute)
	h.takes("the next address", hci.LESetScanEnable{}, hci.LESetRandomAddress{Addr: privateMAC(2)}, private, on)
	h.pass(time.Minute - time.Nanosecond)
	h.idle("its time is not up")
	h.pass(time.Nanosecond)
	h.want(hci.LESetScanEnable{}, "the third address")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	h.want(hci.LESetRandomAddress{Addr: privateMAC(3)}, "the third address")
	h.complete(hci.OpLESetRandomAddress, hci.StatusCommandDisallowed)
	if h.c.own.MAC != privateMAC(2) {
		t.Errorf("address %v after a refused change", h.c.own)
	}
	h.takes("the scan goes on all the same", private, on)
	h.pass(time.Minute)
	h.takes("and later it is tried again", hci.LESetScanEnable{}, hci.LESetRandomAddress{Addr: privateMAC(4)}, private, on)
}

func TestPrivateAddressesWhileDialing(t *testing.T) {
	h := newHarness(t, 4)
	h.rotating()
	h.takes("the first address", hci.LESetRandomAddress{Addr: privateMAC(1)})
	h.pass(time.Minute - time.Second)
	r := h.dial(&ConnectOptions{Timeout: -1}, peerA)
	h.want(createPrivately(peerA), "under the private address")
	h.pass(time.Second)
	h.idle("what has not begun cannot be canceled")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.regroup("the initiation ends for the next address")
	h.want(hci.LESetRandomAddress{Addr: privateMAC(2)}, "the next address")
	h.complete(hci.OpLESetRandomAddress, hci.StatusSuccess)
	h.want(createPrivately(peerA), "the dial goes on")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.pass(time.Minute)
	h.takes("a link does not hold it up", hci.LESetRandomAddress{Addr: privateMAC(3)})
	if own, _ := r.l.OnAir(); own != (hci.Addr{MAC: privateMAC(2), Kind: hci.AddrRandom}) {
		t.Errorf("the link was made as %v, want the address of that time", own)
	}
}

// TestConnectionAtTheChangeOfTheAddress completes the connection while its
// initiation is being canceled for the next address.
func TestConnectionAtTheChangeOfTheAddress(t *testing.T) {
	h := newHarness(t, 4)
	h.rotating()
	h.takes("the first address", hci.LESetRandomAddress{Addr: privateMAC(1)})
	r := h.dial(&ConnectOptions{Timeout: -1}, peerA)
	h.want(createPrivately(peerA), "the dial")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.pass(time.Minute)
	h.want(hci.LECreateConnectionCancel{}, "the next address is due")
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	if own, _ := r.l.OnAir(); own.MAC != privateMAC(1) {
		t.Errorf("the link was made as %v, want the address before", own)
	}
	h.complete(hci.OpLECreateConnectionCancel, hci.StatusCommandDisallowed)
	h.takes("then it comes", hci.LESetRandomAddress{Addr: privateMAC(2)})
}

func TestPrivateAddressesWhileAdvertising(t *testing.T) {
	for name, extended := range map[string]bool{"legacy": false, "extended": true} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, 4)
			h.c.info.Extended = extended
			setup := func(n byte) []hci.Params {
				if !extended {
					p := legacyAdv(hci.AdvInd)
					p.OwnAddrKind = hci.AddrRandom
					return []hci.Params{p, hci.LESetAdvertisingData{}, hci.LESetScanResponseData{}, hci.LESetAdvertisingEnable{Enable: true}}
				}
				p := extAdv(hci.AdvPropsLegacyConnectable)
				p.OwnAddrKind = hci.AddrRandom
				return []hci.Params{
					p, hci.LESetAdvertisingSetRandomAddress{Addr: privateMAC(n)},
					hci.LESetExtendedAdvertisingData{Operation: hci.AdvDataComplete}, hci.LESetExtendedScanResponseData{Operation: hci.AdvDataComplete},
					hci.LESetExtendedAdvertisingEnable{Enable: true, Sets: []hci.AdvertisingSet{{}}},
				}
			}
			var off hci.Params = hci.LESetAdvertisingEnable{}
			if extended {
				off = hci.LESetExtendedAdvertisingEnable{Sets: []hci.AdvertisingSet{{}}}
			}
			h.rotating()
			res := h.advertise(&AdvertiseOptions{})
			h.want(hci.LESetRandomAddress{Addr: privateMAC(1)}, "the address goes first")
			h.complete(hci.OpLESetRandomAddress, hci.StatusSuccess)
			if *res != errPending {
				t.Errorf("advertising has not begun, but its caller was told %v", *res)
			}
			h.takes("then the advertising begins", setup(1)...)
			if *res != nil {
				t.Errorf("advertise: %v", *res)
			}
			h.pass(time.Minute)
			h.takes("the next address", append([]hci.Params{off, hci.LESetRandomAddress{Addr: privateMAC(2)}}, setup(2)...)...)
		})
	}
}

// TestLateConnectionOfAnAdvertiser reports the connection after advertising has
// ended and the address has changed.
func TestLateConnectionOfAnAdvertiser(t *testing.T) {
	h := newHarness(t, 4)
	h.rotating()
	h.takes("the first address", hci.LESetRandomAddress{Addr: privateMAC(1)})
	h.advertise(&AdvertiseOptions{})
	private := legacyAdv(hci.AdvInd)
	private.OwnAddrKind = hci.AddrRandom
	h.takes("advertising", private, hci.LESetAdvertisingData{}, hci.LESetScanResponseData{}, hci.LESetAdvertisingEnable{Enable: true})
	h.pass(time.Minute)
	h.want(hci.LESetAdvertisingEnable{}, "the next address is due")
	h.complete(hci.OpLESetAdvertisingEnable, hci.StatusSuccess)
	h.want(hci.LESetRandomAddress{Addr: privateMAC(2)}, "the next address")
	h.complete(hci.OpLESetRandomAddress, hci.StatusSuccess)
	h.event(&hci.LEConnectionComplete{Handle: 1, Role: hci.RolePeripheral, Peer: peerB, Params: hci.ConnParamsInUse{Interval: 30e6, Timeout: 1e9}})
	if own, _ := h.c.links[1].OnAir(); own.MAC != privateMAC(1) {
		t.Errorf("the link was made as %v, want the address that was advertised", own)
	}
}

// If the controller does not end a canceled initiation, a dial takes precedence
// over a change of the address.
func TestPrivateAddressWithoutEndOfADial(t *testing.T) {
	h := newHarness(t, 4)
	h.c.dial.mute = true
	h.rotating()
	h.takes("the first address", hci.LESetRandomAddress{Addr: privateMAC(1)})
	r := h.dial(&ConnectOptions{Timeout: -1}, peerA)
	h.want(createPrivately(peerA), "the dial")
	h.status(hci.OpLECreateConnection, hci.StatusSuccess)
	h.pass(time.Minute)
	h.idle("the dial goes on")
	h.connected(hci.StatusSuccess, 1, peerA)
	h.wantDialed(r, nil)
	h.takes("now the address may change", hci.LESetRandomAddress{Addr: privateMAC(2)})
}

func TestPrivateAddressRefused(t *testing.T) {
	h := newHarness(t, 4)
	res := h.rotating()
	h.want(hci.LESetRandomAddress{Addr: privateMAC(1)}, "the first one")
	h.complete(hci.OpLESetRandomAddress, hci.StatusUnknownCommand)
	if !errors.Is(*res, hci.StatusUnknownCommand) || h.c.own != (hci.Addr{}) {
		t.Errorf("got %v, address %v", *res, h.c.own)
	}
	h.pass(time.Hour)
	h.idle("it was refused, so the address stays")

	var err error
	h.do(func(time.Time) {
		h.c.private.useNextAddress(func() hci.MAC { return hci.MAC{5: 0xC0} }, time.Minute, func(e error) { err = e })
	})
	h.idle("a static address is not sent")
	if err == nil {
		t.Error("a static address was taken as a private one")
	}
}

func TestDeviceEndsBeforeThePrivateAddress(t *testing.T) {
	h := newHarness(t, 4)
	h.scanOn(nil)
	first, second := h.rotating(), h.rotating()
	h.want(hci.LESetScanEnable{}, "the scan stops first")
	fault := errors.New("fault")
	h.do(func(time.Time) { h.c.failController(fault) })
	for _, res := range []error{*first, *second, *h.rotating()} {
		if !errors.Is(res, fault) {
			t.Errorf("got %v, want the error that ended the Controller", res)
		}
	}
	h.idle("the Controller has ended")
}
