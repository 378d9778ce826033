package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

var (
	entryA = hci.LEAddDeviceToResolvingList{Peer: peerA, PeerIRK: [16]byte{0xA}}
	entryB = hci.LEAddDeviceToResolvingList{Peer: peerB, PeerIRK: [16]byte{0xB}}
)

// newResolver returns a core whose controller has a resolving list.
func newResolver(t *testing.T) *harness {
	h := newHarness(t, 4)
	h.c.info.ResolvingListSize = 2
	h.c.info.Commands.Add(hci.OpLEClearResolvingList, hci.OpLEAddDeviceToResolvingList, hci.OpLERemoveDeviceFromResolvingList,
		hci.OpLESetAddressResolutionEnable, hci.OpLESetPrivacyMode)
	return h
}

type resolved struct {
	n   int
	err error
}

func (h *harness) resolve(peers ...hci.LEAddDeviceToResolvingList) *resolved {
	res := &resolved{-1, errPending}
	h.do(func(time.Time) {
		h.c.resolving.setPeers(func() []hci.LEAddDeviceToResolvingList { return peers }, func(n int, err error) { *res = resolved{n, err} })
	})
	return res
}

func (h *harness) wantResolved(r *resolved, n int, err error) {
	h.t.Helper()
	if r.n != n || !errors.Is(r.err, err) {
		h.t.Errorf("resolving %d peers, %v; want %d, %v", r.n, r.err, n, err)
	}
}

func TestResolvingList(t *testing.T) {
	h := newResolver(t)
	h.wantResolved(h.resolve(), 0, nil)
	h.idle("after the reset the list is empty")
	off, on := hci.LESetAddressResolutionEnable{}, hci.LESetAddressResolutionEnable{Enable: true}
	modeA, modeB := hci.LESetPrivacyMode{Peer: peerA, Device: true}, hci.LESetPrivacyMode{Peer: peerB, Device: true}

	r := h.resolve(entryA)
	h.takes("one peer", off, hci.LEClearResolvingList{}, entryA, modeA, on)
	h.wantResolved(r, 1, nil)
	h.wantResolved(h.resolve(entryA), 1, nil)
	h.idle("nothing is new")

	h.scanOn(nil)
	r = h.resolve(entryA, entryB)
	h.want(hci.LESetScanEnable{}, "a scan has to stop for it")
	h.complete(hci.OpLESetScanEnable, hci.StatusSuccess)
	for _, p := range []hci.Params{off, hci.LEClearResolvingList{}, entryA, modeA, entryB, modeB, on} {
		h.want(p, "two peers")
		h.complete(p.Opcode(), hci.StatusSuccess)
	}
	h.wantResolved(r, 2, nil)
	h.scanStarts("and comes back")

	h.do(func(time.Time) { h.c.scan.removeScanner(h.c.scan.scanners[0]) })
	h.takes("the scan ends", hci.LESetScanEnable{})
	r = h.resolve()
	h.takes("no peer", off, hci.LEClearResolvingList{})
	h.wantResolved(r, 0, nil)
}

func TestResolvingListThatIsFull(t *testing.T) {
	h := newResolver(t)
	h.c.info.Commands = hci.SupportedCommands{}
	h.wantResolved(h.resolve(entryA), 0, nil)
	h.idle("the controller has no such list")

	h = newResolver(t)
	r := h.resolve(entryA, entryB)
	for _, p := range []hci.Params{hci.LESetAddressResolutionEnable{}, hci.LEClearResolvingList{}, entryA, hci.LESetPrivacyMode{Peer: peerA, Device: true}} {
		h.want(p, "the first peer")
		h.complete(p.Opcode(), hci.StatusSuccess)
	}
	h.want(entryB, "the second")
	h.complete(hci.OpLEAddDeviceToResolvingList, hci.StatusMemoryFull)
	h.takes("the first is better than none", hci.LESetAddressResolutionEnable{Enable: true})
	h.wantResolved(r, 1, nil)
	h.wantResolved(h.resolve(entryA, entryB), 1, nil)
	h.idle("the list is as full as it was")
}

// A controller refuses a key that it has already, and may refuse a privacy mode.
func TestResolvingListWithoutThoseRefused(t *testing.T) {
	h := newResolver(t)
	h.c.info.ResolvingListSize = 3
	entryC := hci.LEAddDeviceToResolvingList{Peer: hci.Addr{MAC: hci.MAC{0xC1}}, PeerIRK: [16]byte{0xC}}
	r := h.resolve(entryA, entryB, entryC)
	for _, p := range []hci.Params{hci.LESetAddressResolutionEnable{}, hci.LEClearResolvingList{}, entryA} {
		h.want(p, "the first peer")
		h.complete(p.Opcode(), hci.StatusSuccess)
	}
	h.want(hci.LESetPrivacyMode{Peer: peerA, Device: true}, "the first peer")
	h.complete(hci.OpLESetPrivacyMode, hci.StatusInvalidParameters)
	h.want(hci.LERemoveDeviceFromResolvingList{Peer: peerA}, "without that mode it would not be heard under its identity")
	h.complete(hci.OpLERemoveDeviceFromResolvingList, hci.StatusSuccess)
	h.want(entryB, "the second peer")
	h.complete(hci.OpLEAddDeviceToResolvingList, hci.StatusInvalidParameters)
	h.takes("the others", entryC, hci.LESetPrivacyMode{Peer: entryC.Peer, Device: true}, hci.LESetAddressResolutionEnable{Enable: true})
	h.wantResolved(r, 1, nil)
}

// A controller of Core 4.2 has the list, but no privacy modes: it would not hear a listed
// peer that uses its identity address.
func TestResolvingListWithoutPrivacyMode(t *testing.T) {
	h := newHarness(t, 4)
	h.c.info.ResolvingListSize = 2
	h.c.info.Commands.Add(hci.OpLEClearResolvingList, hci.OpLEAddDeviceToResolvingList, hci.OpLERemoveDeviceFromResolvingList,
		hci.OpLESetAddressResolutionEnable)
	h.wantResolved(h.resolve(entryA), 0, nil)
	h.idle("the host resolves alone")
}

func TestResolvingListRefused(t *testing.T) {
	h := newResolver(t)
	r := h.resolve(entryA)
	h.want(hci.LESetAddressResolutionEnable{}, "off")
	h.complete(hci.OpLESetAddressResolutionEnable, hci.StatusCommandDisallowed)
	h.wantResolved(r, 0, hci.StatusCommandDisallowed)
	h.idle("nothing more is sent")
	r = h.resolve(entryA)
	h.takes("once more, for what the controller has is not known",
		hci.LESetAddressResolutionEnable{}, hci.LEClearResolvingList{}, entryA, hci.LESetPrivacyMode{Peer: peerA, Device: true}, hci.LESetAddressResolutionEnable{Enable: true})
	h.wantResolved(r, 1, nil)
}
