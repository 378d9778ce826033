package hci

import (
	"errors"
	"testing"
	"time"
)

// advertise asks for o and returns where the result will be.
func (h *harness) advertise(o *AdvertiseOptions) *error {
	res := new(error)
	*res = errPending
	h.do(func(time.Time) { h.c.adv.want(o, func(err error) { *res = err }) })
	return res
}

// takes expects commands and accepts them.
func (h *harness) takes(why string, ps ...Params) {
	h.t.Helper()
	for _, p := range ps {
		h.want(p, why)
		h.complete(p.Opcode(), StatusSuccess, 0)
	}
	h.idle(why)
}

func legacyAdv(typ AdvType) LESetAdvertisingParameters {
	const i = 100 * time.Millisecond
	return LESetAdvertisingParameters{IntervalMin: i, IntervalMax: i, Type: typ, ChannelMap: 7}
}

func extAdv(props AdvProperties) LESetExtendedAdvertisingParameters {
	const i = 100 * time.Millisecond
	return LESetExtendedAdvertisingParameters{
		Properties: props, IntervalMin: i, IntervalMax: i, ChannelMap: 7,
		TxPower: TxPowerUnknown, PrimaryPHY: PHY1M, SecondaryPHY: PHY1M,
	}
}

func TestAdvertiseThatFailsIsNotWantedAnyMore(t *testing.T) {
	h := newHarness(t, 4)
	l := h.link(1, peerB)
	got := h.advertise(&AdvertiseOptions{})
	h.want(legacyAdv(AdvInd), "set up")
	h.complete(OpLESetAdvertisingParameters, StatusUnsupportedFeature)
	if !errors.Is(*got, StatusUnsupportedFeature) {
		t.Errorf("got %v, want the status", *got)
	}
	h.event(&DisconnectionComplete{Handle: l.handle, Reason: StatusConnectionTimeout})
	h.idle("the caller was told that nothing is advertised")
}

func TestAdvertiseThatWaitsForALinkToEnd(t *testing.T) {
	h := newHarness(t, 4)
	peripheral := func(handle Handle) {
		h.event(&LEConnectionComplete{Handle: handle, Role: RolePeripheral, Peer: peerB, Params: ConnParamsInUse{Interval: 30e6, Timeout: 1e9}})
	}
	peripheral(1)
	peripheral(2)
	if got := h.advertise(&AdvertiseOptions{}); *got != nil {
		t.Errorf("got %v; it begins by itself", *got)
	}
	h.event(&DisconnectionComplete{Handle: 1, Reason: StatusConnectionTimeout})
	h.idle("one link is the most that was asked for")
	h.event(&DisconnectionComplete{Handle: 2, Reason: StatusConnectionTimeout})
	h.want(legacyAdv(AdvInd), "set up")
	h.complete(OpLESetAdvertisingParameters, StatusCommandDisallowed)
	h.idle("nobody waits to be told, so it is tried again when a link ends")
	h.event(&DisconnectionComplete{Handle: h.link(3, peerA).handle, Reason: StatusConnectionTimeout})
	h.takes("from the beginning", legacyAdv(AdvInd), LESetAdvertisingData{}, LESetScanResponseData{}, LESetAdvertisingEnable{Enable: true})
}

func TestAdvertiseReplacesOneThatFails(t *testing.T) {
	h := newHarness(t, 4)
	first := h.advertise(&AdvertiseOptions{})
	second := h.advertise(&AdvertiseOptions{NonConnectable: true})
	h.want(legacyAdv(AdvInd), "the first")
	h.complete(OpLESetAdvertisingParameters, StatusUnsupportedFeature)
	h.takes("the second", legacyAdv(AdvNonconnInd), LESetAdvertisingData{}, LESetScanResponseData{}, LESetAdvertisingEnable{Enable: true})
	if *first != nil || *second != nil {
		t.Errorf("got %v and %v; what is wanted now is advertised", *first, *second)
	}
}

func TestScanResponses(t *testing.T) {
	data, response := AdvData{2, 1, 6}, AdvData{2, 10, 0}
	t.Run("legacy", func(t *testing.T) {
		h := newHarness(t, 4)
		h.advertise(&AdvertiseOptions{NonConnectable: true, Data: data, Response: response})
		h.takes("scannable, for the response", legacyAdv(AdvScanInd),
			LESetAdvertisingData{Data: data}, LESetScanResponseData{Data: response}, LESetAdvertisingEnable{Enable: true})
	})
	t.Run("extended", func(t *testing.T) {
		h := newHarness(t, 4)
		h.c.info.Extended = true
		on := LESetExtendedAdvertisingEnable{Enable: true, Sets: []AdvertisingSet{{}}}
		off := LESetExtendedAdvertisingEnable{Sets: []AdvertisingSet{{}}}
		full := LESetExtendedScanResponseData{Operation: AdvDataComplete, Data: response}
		none := LESetExtendedScanResponseData{Operation: AdvDataComplete}
		body := LESetExtendedAdvertisingData{Operation: AdvDataComplete, Data: data}
		h.advertise(&AdvertiseOptions{Data: data, Response: response})
		h.takes("with a response", extAdv(AdvPropsLegacyConnectable), body, full, on)
		h.advertise(&AdvertiseOptions{Data: data})
		h.takes("without it", off, extAdv(AdvPropsLegacyConnectable), body, none, on)
		h.advertise(&AdvertiseOptions{NonConnectable: true, Data: data, Response: response})
		h.takes("scannable", off, extAdv(AdvPropsLegacyScannable), body, full, on)
		h.advertise(&AdvertiseOptions{NonConnectable: true, Data: data})
		h.takes("not scannable, so the response has to go first", off, none, extAdv(AdvPropsLegacyNonConnectable), body, on)
		h.advertise(&AdvertiseOptions{NonConnectable: true})
		h.takes("there is none", off, extAdv(AdvPropsLegacyNonConnectable),
			LESetExtendedAdvertisingData{Operation: AdvDataComplete}, on)
	})
}
