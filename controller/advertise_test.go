package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// advertise calls setWanted(o) and returns a pointer to its future result.
func (h *harness) advertise(o *AdvertiseOptions) *error {
	res := new(error)
	*res = errPending
	h.do(func(time.Time) { h.c.adv.setWanted(o, func(err error) { *res = err }) })
	return res
}

// takes expects commands and accepts them.
func (h *harness) takes(why string, ps ...hci.Params) {
	h.t.Helper()
	for _, p := range ps {
		h.want(p, why)
		h.complete(p.Opcode(), hci.StatusSuccess, 0)
	}
	h.idle(why)
}

func legacyAdv(typ hci.AdvType) hci.LESetAdvertisingParameters {
	const i = 100 * time.Millisecond
	return hci.LESetAdvertisingParameters{IntervalMin: i, IntervalMax: i, Type: typ, ChannelMap: 7}
}

func extAdv(props hci.AdvProperties) hci.LESetExtendedAdvertisingParameters {
	const i = 100 * time.Millisecond
	return hci.LESetExtendedAdvertisingParameters{
		Properties: props, IntervalMin: i, IntervalMax: i, ChannelMap: 7,
		TxPower: TxPowerUnknown, PrimaryPHY: hci.PHY1M, SecondaryPHY: hci.PHY1M,
	}
}

func TestAdvertiseThatFailsIsNotWantedAnyMore(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(1, peerB)
	got := h.advertise(&AdvertiseOptions{})
	h.want(legacyAdv(hci.AdvInd), "set up")
	h.complete(hci.OpLESetAdvertisingParameters, hci.StatusUnsupportedFeature)
	if !errors.Is(*got, hci.StatusUnsupportedFeature) {
		t.Errorf("got %v, want the status", *got)
	}
	h.event(&hci.DisconnectionComplete{Handle: l.handle, Reason: hci.StatusConnectionTimeout})
	h.idle("the caller was told that nothing is advertised")
}

func TestAdvertiseThatWaitsForALinkToEnd(t *testing.T) {
	h := newHarness(t, 4)
	peripheral := func(handle hci.Handle) {
		h.c.adv.main.running = true // of an earlier call
		h.event(&hci.LEConnectionComplete{Handle: handle, Role: hci.RolePeripheral, Peer: peerB, Params: hci.ConnParamsInUse{Interval: 30e6, Timeout: 1e9}})
	}
	peripheral(1)
	peripheral(2)
	if got := h.advertise(&AdvertiseOptions{}); *got != nil {
		t.Errorf("got %v; it begins by itself", *got)
	}
	h.event(&hci.DisconnectionComplete{Handle: 1, Reason: hci.StatusConnectionTimeout})
	h.idle("one link is the most that was asked for")
	h.event(&hci.DisconnectionComplete{Handle: 2, Reason: hci.StatusConnectionTimeout})
	h.want(legacyAdv(hci.AdvInd), "set up")
	h.complete(hci.OpLESetAdvertisingParameters, hci.StatusCommandDisallowed)
	h.idle("nobody waits to be told, so it is tried again when a link ends")
	h.event(&hci.DisconnectionComplete{Handle: h.link(3, peerA).handle, Reason: hci.StatusConnectionTimeout})
	h.takes("from the beginning", legacyAdv(hci.AdvInd), hci.LESetAdvertisingData{}, hci.LESetScanResponseData{}, hci.LESetAdvertisingEnable{Enable: true})
}

func TestAdvertiseReplacesOneThatFails(t *testing.T) {
	h := newHarness(t, 4)
	first := h.advertise(&AdvertiseOptions{})
	second := h.advertise(&AdvertiseOptions{NonConnectable: true})
	h.want(legacyAdv(hci.AdvInd), "the first")
	h.complete(hci.OpLESetAdvertisingParameters, hci.StatusUnsupportedFeature)
	h.takes("the second", legacyAdv(hci.AdvNonconnInd), hci.LESetAdvertisingData{}, hci.LESetScanResponseData{}, hci.LESetAdvertisingEnable{Enable: true})
	if *first != nil || *second != nil {
		t.Errorf("got %v and %v; what is wanted now is advertised", *first, *second)
	}
}

func TestScanResponses(t *testing.T) {
	data, response := hci.AdvData{2, 1, 6}, hci.AdvData{2, 10, 0}
	t.Run("legacy", func(t *testing.T) {
		h := newHarness(t, 4)
		h.advertise(&AdvertiseOptions{NonConnectable: true, Data: data, Response: response})
		h.takes("scannable, for the response", legacyAdv(hci.AdvScanInd),
			hci.LESetAdvertisingData{Data: data}, hci.LESetScanResponseData{Data: response}, hci.LESetAdvertisingEnable{Enable: true})
	})
	t.Run("extended", func(t *testing.T) {
		h := newHarness(t, 4)
		h.c.info.Extended = true
		on := hci.LESetExtendedAdvertisingEnable{Enable: true, Sets: []hci.AdvertisingSet{{}}}
		off := hci.LESetExtendedAdvertisingEnable{Sets: []hci.AdvertisingSet{{}}}
		full := hci.LESetExtendedScanResponseData{Operation: hci.AdvDataComplete, Data: response}
		none := hci.LESetExtendedScanResponseData{Operation: hci.AdvDataComplete}
		body := hci.LESetExtendedAdvertisingData{Operation: hci.AdvDataComplete, Data: data}
		h.advertise(&AdvertiseOptions{Data: data, Response: response})
		h.takes("with a response", extAdv(hci.AdvPropsLegacyConnectable), body, full, on)
		h.advertise(&AdvertiseOptions{Data: data})
		h.takes("without it", off, extAdv(hci.AdvPropsLegacyConnectable), body, none, on)
		h.advertise(&AdvertiseOptions{NonConnectable: true, Data: data, Response: response})
		h.takes("scannable", off, extAdv(hci.AdvPropsLegacyScannable), body, full, on)
		h.advertise(&AdvertiseOptions{NonConnectable: true, Data: data})
		h.takes("not scannable, so the response has to go first", off, none, extAdv(hci.AdvPropsLegacyNonConnectable), body, on)
		h.advertise(&AdvertiseOptions{NonConnectable: true})
		h.takes("there is none", off, extAdv(hci.AdvPropsLegacyNonConnectable),
			hci.LESetExtendedAdvertisingData{Operation: hci.AdvDataComplete}, on)
	})
}
