package sim

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/hci"
)

// pair links two controllers, the first as central.
func pair(t *testing.T, a *Air, cc, pc *ControllerConfig) (ch, ph *rawHost) {
	t.Helper()
	c, p := a.NewController(cc), a.NewController(pc)
	ch, ph = newHost(t, c).up(), newHost(t, p).up()
	ph.do(hci.LESetAdvertisingParameters{IntervalMin: 100 * time.Millisecond, IntervalMax: 100 * time.Millisecond, ChannelMap: 7})
	ph.do(hci.LESetAdvertisingEnable{Enable: true})
	ch.do(create(p.Address()))
	ch.connected()
	ph.connected()
	return ch, ph
}

const only hci.Handle = 0x40

func TestConnectionUpdate(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		ch, ph := pair(t, a, nil, nil)
		ch.do(hci.LEConnectionUpdate{Handle: only, Params: hci.ConnParams{
			IntervalMin: 100 * time.Millisecond, IntervalMax: 100 * time.Millisecond, Latency: 4, Timeout: 6 * time.Second,
		}})
		at := time.Now()
		want := &hci.LEConnectionUpdateComplete{Handle: only, Params: hci.ConnParamsInUse{Interval: 100 * time.Millisecond, Latency: 4, Timeout: 6 * time.Second}}
		ch.want(want)
		ph.want(want)
		// The first event is still to come, and the instant is six later.
		if d := time.Since(at); d < 6*30*time.Millisecond || d > 7*30*time.Millisecond {
			t.Errorf("took %v, want between six and seven intervals of 30 ms", d)
		}
		// With latency 4 the peripheral hears every fifth event.
		ch.data(only, true, frame(4, 1))
		at = time.Now()
		ph.wantData(only, true, frame(4, 1))
		if d := time.Since(at); d > 500*time.Millisecond || d < 100*time.Millisecond {
			t.Errorf("data took %v, want up to five intervals of 100 ms", d)
		}
		next[*hci.NumberOfCompletedPackets](ch)
		at = time.Now()
		ph.data(only, true, frame(4, 2))
		ch.wantData(only, true, frame(4, 2))
		if d := time.Since(at); d > 101*time.Millisecond {
			t.Errorf("data from the peripheral took %v, want one interval of 100 ms at most", d)
		}
	})
}

func TestParameterRequest(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		ch, ph := pair(t, a, nil, nil)
		wish := hci.ConnParams{IntervalMin: 20 * time.Millisecond, IntervalMax: 40 * time.Millisecond, Timeout: 5 * time.Second}
		ph.do(hci.LEConnectionUpdate{Handle: only, Params: wish})
		ch.want(&hci.LERemoteConnectionParameterRequest{Handle: only, Params: wish})
		ch.do(hci.LERemoteConnectionParameterRequestReply{Handle: only, Params: wish})
		want := &hci.LEConnectionUpdateComplete{Handle: only, Params: hci.ConnParamsInUse{Interval: 40 * time.Millisecond, Timeout: 5 * time.Second}}
		ch.want(want)
		ph.want(want)
		ch.doStatus(hci.LERemoteConnectionParameterRequestReply{Handle: only, Params: wish}, hci.StatusCommandDisallowed)

		ph.do(hci.LEConnectionUpdate{Handle: only, Params: wish})
		next[*hci.LERemoteConnectionParameterRequest](ch)
		ch.do(hci.LERemoteConnectionParameterRequestNegativeReply{Handle: only, Reason: hci.StatusUnacceptableParameters})
		if ev := next[*hci.LEConnectionUpdateComplete](ph); ev.Status != hci.StatusUnacceptableParameters {
			t.Errorf("refused with %v", ev.Status)
		}
		ch.do(hci.LESetEventMask{Mask: 0x1F})
		ph.do(hci.LEConnectionUpdate{Handle: only, Params: wish})
		if ev := next[*hci.LEConnectionUpdateComplete](ph); ev.Status != hci.StatusUnsupportedRemoteFeature {
			t.Errorf("a central that has masked the event answered %v", ev.Status)
		}
		ch.idle(time.Second)
	})
}

func TestUpdateWithoutFeature(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		ch, ph := pair(t, a, &ControllerConfig{Features: hci.FeatureEncryption | hci.FeatureCSA2}, nil)
		ph.do(hci.LEConnectionUpdate{Handle: only, Params: params})
		if ev := next[*hci.LEConnectionUpdateComplete](ph); ev.Status != hci.StatusUnsupportedRemoteFeature {
			t.Errorf("status %v", ev.Status)
		}
		ph.do(hci.LESetPHY{Handle: only, TX: hci.PHYs2M, RX: hci.PHYs2M})
		ph.want(&hci.LEPHYUpdateComplete{Status: hci.StatusUnsupportedRemoteFeature, Handle: only, TX: hci.PHY1M, RX: hci.PHY1M})
		ph.do(hci.LEReadRemoteFeatures{Handle: only})
		if ev := next[*hci.LEReadRemoteFeaturesComplete](ph); ev.Status != hci.StatusUnsupportedRemoteFeature {
			t.Errorf("status %v", ev.Status)
		}
		ch.doStatus(hci.LESetPHY{Handle: only}, hci.StatusUnknownCommand)
	})
}

func TestRemoteInformation(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		ch, ph := pair(t, a, &ControllerConfig{Manufacturer: 7}, &ControllerConfig{Version: 9, Manufacturer: 0x59, Subversion: 0x102, Features: 0x3F | hci.FeatureCSA2})
		version := &hci.ReadRemoteVersionInformationComplete{Handle: only, Version: 9, Manufacturer: 0x59, Subversion: 0x102}
		at := time.Now()
		ch.do(hci.ReadRemoteVersionInformation{Handle: only})
		ch.want(version)
		if d := time.Since(at); d > 40*time.Millisecond {
			t.Errorf("version after %v, want in the first event or the second", d)
		}
		at = time.Now()
		ch.do(hci.ReadRemoteVersionInformation{Handle: only})
		ch.want(version)
		if d := time.Since(at); d != 100*time.Microsecond {
			t.Errorf("known version after %v, want at once", d)
		}
		ph.do(hci.ReadRemoteVersionInformation{Handle: only})
		ph.want(&hci.ReadRemoteVersionInformationComplete{Handle: only, Version: 0x0C, Manufacturer: 7})
		ch.do(hci.LEReadRemoteFeatures{Handle: only})
		ch.want(&hci.LEReadRemoteFeaturesComplete{Handle: only, Features: 0x3F | hci.FeatureCSA2})
		ph.do(hci.LEReadRemoteFeatures{Handle: only})
		ph.want(&hci.LEReadRemoteFeaturesComplete{Handle: only, Features: DefaultFeatures})
	})
}

func TestDataLengthAndPHY(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		ch, ph := pair(t, a, nil, &ControllerConfig{MaxOctets: 100})
		long := frame(4, bytes.Repeat([]byte{7}, 60)...)
		ch.data(only, true, long)
		ph.wantData(only, true, long[:27])
		ph.wantData(only, false, long[27:54])
		ph.wantData(only, false, long[54:])
		next[*hci.NumberOfCompletedPackets](ch)

		ch.do(hci.LESetDataLength{Handle: only, TXOctets: 251, TXTime: 2120 * time.Microsecond})
		// The peripheral takes 100 octets and sends what its host has asked for.
		ph.want(&hci.LEDataLengthChange{Handle: only, MaxTXOctets: 27, MaxTXTime: 328 * time.Microsecond, MaxRXOctets: 100, MaxRXTime: 912 * time.Microsecond})
		ch.want(&hci.LEDataLengthChange{Handle: only, MaxTXOctets: 100, MaxTXTime: 912 * time.Microsecond, MaxRXOctets: 27, MaxRXTime: 328 * time.Microsecond})
		ch.data(only, true, long)
		ph.wantData(only, true, long)
		next[*hci.NumberOfCompletedPackets](ch)

		ph.do(hci.LESetPHY{Handle: only, TX: hci.PHYs2M})
		ph.want(&hci.LEPHYUpdateComplete{Handle: only, TX: hci.PHY2M, RX: hci.PHY2M})
		ch.want(&hci.LEPHYUpdateComplete{Handle: only, TX: hci.PHY2M, RX: hci.PHY2M})
		ch.do(hci.LESetPHY{Handle: only, TX: hci.PHYs1M, RX: hci.PHYs2M})
		ch.want(&hci.LEPHYUpdateComplete{Handle: only, TX: hci.PHY1M, RX: hci.PHY2M})
		ph.want(&hci.LEPHYUpdateComplete{Handle: only, TX: hci.PHY2M, RX: hci.PHY1M})
		ch.do(hci.LESetPHY{Handle: only, TX: hci.PHYs1M, RX: hci.PHYs2M}) // no change: only who asked hears of it
		ch.want(&hci.LEPHYUpdateComplete{Handle: only, TX: hci.PHY1M, RX: hci.PHY2M})
		ph.idle(time.Second)
	})
}

// TestSuggestedDataLength has new links ask by themselves.
func TestSuggestedDataLength(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		h.do(hci.LEWriteSuggestedDefaultDataLength{TXOctets: 200, TXTime: 2120 * time.Microsecond})
		handle, _ := h.connect(a.NewRawPeer(nil))
		h.want(&hci.LEDataLengthChange{Handle: handle, MaxTXOctets: 200, MaxTXTime: 2120 * time.Microsecond, MaxRXOctets: 251, MaxRXTime: 2120 * time.Microsecond})
	})
}

func TestChannelMap(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		ch, ph := pair(t, a, nil, nil)
		m := hci.ChannelMap{0xFF, 0, 0, 0, 0}
		ch.do(hci.LESetHostChannelClassification{Map: m})
		ch.idle(time.Second)
		for _, h := range []*rawHost{ch, ph} {
			if got := h.do(hci.LEReadChannelMap{Handle: only}); !bytes.Equal(got[3:], m[:]) {
				t.Errorf("channel map % x, want % x", got[3:], m)
			}
		}
	})
}

func TestEncryption(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		ch, ph := pair(t, a, nil, nil)
		start := func(key byte) {
			t.Helper()
			ch.do(hci.LEEnableEncryption{Handle: only, Rand: [8]byte{5}, EDIV: 6, Key: [16]byte{key}})
			ph.want(&hci.LELongTermKeyRequest{Handle: only, Rand: [8]byte{5}, EDIV: 6})
		}
		start(1)
		ph.do(hci.LELongTermKeyRequestNegativeReply{Handle: only})
		ch.want(&hci.EncryptionChange{Status: hci.StatusKeyMissing, Handle: only})
		ph.doStatus(hci.LELongTermKeyRequestReply{Handle: only}, hci.StatusCommandDisallowed)

		start(1)
		ch.data(only, true, frame(4, 1)) // waits for the encryption
		ch.idle(time.Second)
		ph.idle(0)
		ph.do(hci.LELongTermKeyRequestReply{Handle: only, Key: [16]byte{1}})
		ph.want(&hci.EncryptionChange{Handle: only, Enabled: 1})
		ch.want(&hci.EncryptionChange{Handle: only, Enabled: 1})
		ph.wantData(only, true, frame(4, 1))
		next[*hci.NumberOfCompletedPackets](ch)

		start(2) // a new key: paused, and refreshed
		ph.do(hci.LELongTermKeyRequestReply{Handle: only, Key: [16]byte{2}})
		ph.want(&hci.EncryptionKeyRefreshComplete{Handle: only})
		ch.want(&hci.EncryptionKeyRefreshComplete{Handle: only})

		start(3) // with the wrong key, the first packet fails its check
		ph.do(hci.LELongTermKeyRequestReply{Handle: only, Key: [16]byte{4}})
		ph.want(&hci.DisconnectionComplete{Handle: only, Reason: hci.StatusMICFailure})
		ch.want(&hci.DisconnectionComplete{Handle: only, Reason: hci.StatusConnectionTimeout})
	})
}

// TestNoAnswerToProcedure ends a link after 40 s.
func TestNoAnswerToProcedure(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		handle, _ := h.connect(a.NewRawPeer(&RawPeerConfig{Mute: true}))
		h.do(hci.ReadRemoteVersionInformation{Handle: handle})
		at := time.Now()
		h.want(&hci.DisconnectionComplete{Handle: handle, Reason: hci.StatusLLResponseTimeout})
		if d := time.Since(at); d != 40*time.Second {
			t.Errorf("after %v, want 40 s", d)
		}
	})
}

// TestDisconnectFromDeadPeer ends a link whose peer is gone.
func TestDisconnectFromDeadPeer(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		handle, l := h.connect(a.NewRawPeer(nil))
		time.Sleep(time.Second)
		l.Vanish()
		at := time.Now()
		h.do(hci.Disconnect{Handle: handle, Reason: hci.StatusRemoteUserTerminated})
		h.doStatus(hci.Disconnect{Handle: handle, Reason: hci.StatusRemoteUserTerminated}, hci.StatusCommandDisallowed)
		if ev := next[*hci.DisconnectionComplete](h); ev.Reason != hci.StatusConnectionTimeout {
			t.Errorf("reason %v, want the supervision timeout, which comes first", ev.Reason)
		}
		if d := time.Since(at); d > 2*time.Second {
			t.Errorf("after %v, want within the timeout of 2 s", d)
		}
		h.doStatus(hci.Disconnect{Handle: handle, Reason: hci.StatusSuccess}, hci.StatusUnknownConnection)
	})
}

// TestRawCentralEncrypts has a peer without a host ask for encryption.
func TestRawCentralEncrypts(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		events := make(chan hci.Event, 4)
		p := a.NewRawPeer(&RawPeerConfig{Silent: true, Script: Script{Event: func(_ *RawLink, ev hci.Event) { events <- ev }}})
		c := a.NewController(nil)
		h := newHost(t, c).up()
		h.do(hci.LESetAdvertisingParameters{IntervalMin: 100 * time.Millisecond, IntervalMax: 100 * time.Millisecond, ChannelMap: 7})
		h.do(hci.LESetAdvertisingEnable{Enable: true})
		l, err := p.Connect(t.Context(), c.Address(), params)
		if err != nil {
			t.Fatal(err)
		}
		h.connected()
		for _, key := range []bool{false, true} {
			l.Encrypt([8]byte{1}, 2, [16]byte{3})
			next[*hci.LELongTermKeyRequest](h)
			want := &hci.EncryptionChange{Status: hci.StatusKeyMissing}
			if key {
				h.do(hci.LELongTermKeyRequestReply{Handle: only, Key: [16]byte{3}})
				h.want(&hci.EncryptionChange{Handle: only, Enabled: 1})
				want = &hci.EncryptionChange{Enabled: 1}
			} else {
				h.do(hci.LELongTermKeyRequestNegativeReply{Handle: only})
			}
			if diff := cmp.Diff(hci.Event(want), <-events); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		}
		h.idle(time.Minute) // no procedure is left to time out
		l.Vanish()
	})
}
