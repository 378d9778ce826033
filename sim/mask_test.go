package sim

import (
	"maps"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// kind is an event code, or a subevent code behind 0x3E.
type kind [2]uint8

// playEvents brings about every event that a controller of this package sends,
// with the masks of m, and returns the kinds of those that came. Times are long,
// since a masked event cannot be waited for.
func playEvents(t *testing.T, legacy bool, m masks) map[kind]bool {
	got := map[kind]bool{}
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(&ControllerConfig{Legacy: legacy, ACLNum: 1})
		p := a.NewRawPeer(&RawPeerConfig{
			Key:      func([8]byte, uint16) ([16]byte, bool) { return [16]byte{1}, true },
			Interval: 20 * time.Millisecond,
		})
		central := a.NewRawPeer(&RawPeerConfig{Silent: true})
		h := newHost(t, c)
		do := func(p hci.Params) {
			h.send(p)
			for {
				b, ok := h.tryRead(3 * time.Second)
				if !ok {
					return
				}
				if b[0] == eventPacket {
					k := kind{}
					k[0], k[1] = eventKind(b)
					got[k] = true
				}
			}
		}
		do(hci.Reset{})
		do(hci.SetEventMask{Mask: m.page1})
		do(hci.LESetEventMask{Mask: m.le})
		all := hci.ConnParams{IntervalMin: 60 * time.Millisecond, IntervalMax: 60 * time.Millisecond, Timeout: 2 * time.Second}
		if legacy {
			do(hci.LESetScanParameters{Active: true, Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond})
			do(hci.LESetScanEnable{Enable: true, FilterDuplicates: true})
			do(hci.LESetScanEnable{})
			do(create(p.Address()))
		} else {
			window := hci.ScanningPHY{Interval: 60 * time.Millisecond, Window: 60 * time.Millisecond}
			do(hci.LESetExtendedScanParameters{PHYs: hci.PHYs1M, Scanning: []hci.ScanningPHY{window}})
			do(hci.LESetExtendedScanEnable{Enable: true, FilterDuplicates: true, Duration: time.Second})
			do(hci.LEExtendedCreateConnection{Peer: p.Address(), PHYs: hci.PHYs1M, Initiating: []hci.InitiatingPHY{{
				ScanInterval: 60 * time.Millisecond, ScanWindow: 60 * time.Millisecond, Params: all,
			}}})
			do(hci.LESetExtendedAdvertisingParameters{
				Properties: hci.AdvPropLegacy | hci.AdvPropConnectable | hci.AdvPropScannable, ChannelMap: 7,
				IntervalMin: 20 * time.Millisecond, IntervalMax: 20 * time.Millisecond, PrimaryPHY: hci.PHY1M,
				SecondaryPHY: hci.PHY1M, TxPower: 127, NotifyScanRequests: true,
			})
			do(hci.LESetExtendedAdvertisingEnable{Enable: true, Sets: []hci.AdvertisingSet{{Duration: 2 * time.Second}}})
		}
		l, _ := p.Accept(t.Context())
		do(hci.ReadRemoteVersionInformation{Handle: only})
		do(hci.LEReadRemoteFeatures{Handle: only})
		do(hci.LESetDataLength{Handle: only, TXOctets: 251, TXTime: 2120 * time.Microsecond})
		do(hci.LESetPHY{Handle: only, TX: hci.PHYs2M, RX: hci.PHYs2M})
		do(hci.LEConnectionUpdate{Handle: only, Params: all})
		do(hci.LEEnableEncryption{Handle: only, Key: [16]byte{1}})
		do(hci.LEEnableEncryption{Handle: only, Key: [16]byte{1}})
		l.Update(params)
		do(hci.LEReadLocalP256PublicKey{})
		do(hci.LEGenerateDHKey{})
		for range 3 {
			h.data(only, true, frame(4, 1))
		}
		c.HardwareError(1, false)
		do(hci.Disconnect{Handle: only, Reason: hci.StatusRemoteUserTerminated})
		p.SetAdvertising(false)
		if legacy {
			do(hci.LESetAdvertisingParameters{
				IntervalMin: 20 * time.Millisecond, IntervalMax: 20 * time.Millisecond, ChannelMap: 7,
			})
			do(hci.LESetAdvertisingEnable{Enable: true})
			cl, err := central.Connect(t.Context(), c.Address(), params)
			if err != nil {
				t.Fatal(err)
			}
			cl.Encrypt([8]byte{}, 0, [16]byte{})
			do(hci.LERand{})
		}
	})
	return got
}

type masks struct{ page1, le uint64 }

// TestEveryEventObeysItsMask clears one bit after the other.
func TestEveryEventObeysItsMask(t *testing.T) {
	open := masks{^uint64(0), ^uint64(0)}
	seen := map[kind]bool{}
	for _, legacy := range []bool{true, false} {
		all := playEvents(t, legacy, open)
		maps.Copy(seen, all)
		for k := range all {
			m := open
			if k[0] == hci.EvLEMeta {
				m.le &^= hci.LEEventMask(k[1])
			} else {
				m.page1 &^= hci.EventMask(k[0])
			}
			got := playEvents(t, legacy, m)
			always := k[0] == hci.EvCommandComplete || k[0] == hci.EvCommandStatus || k[0] == hci.EvNumberOfCompletedPackets
			if got[k] != always {
				t.Errorf("event %#02x %#02x with its bit cleared: came %v, want %v", k[0], k[1], got[k], always)
			}
			if len(got) < len(all)-3 {
				t.Errorf("without event %#02x %#02x only %d of %d kinds came", k[0], k[1], len(got), len(all))
			}
		}
		without := open
		without.page1 &^= hci.EventMask(hci.EvLEMeta)
		for k := range playEvents(t, legacy, without) {
			if k[0] == hci.EvLEMeta {
				t.Errorf("LE event %#02x came without the bit of LE events", k[1])
			}
		}
	}
	if len(seen) < 22 {
		t.Errorf("only %d kinds of events played: %v", len(seen), seen)
	}
}

// TestDefaultMasks is the state after Reset (Vol 4, Part E, 7.3.1 and 7.8.1).
func TestDefaultMasks(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		h.do(hci.SetEventMaskPage2{Mask: 1})
		h.do(hci.Reset{})
		a.runAndWait(func() {
			if c.eventMask != 0x00001FFFFFFFFFFF || c.leEventMask != 0x1F || c.eventMask2 != 0 {
				t.Errorf("masks %#x, %#x, %#x", c.eventMask, c.leEventMask, c.eventMask2)
			}
		})
		for code, want := range map[uint8]bool{0x45: false, 0x59: false, 0x05: true, 0x3E: false, hci.EvVendor: true} {
			a.runAndWait(func() {
				if got := c.unmasked(code, 1); got != want {
					t.Errorf("event %#02x after Reset: sent %v, want %v", code, got, want)
				}
			})
		}
		h.do(hci.SetEventMaskPage2{Mask: hci.EventMask2(0x59)})
		a.runAndWait(func() {
			if !c.unmasked(0x59, 0) || c.unmasked(0x45, 0) {
				t.Error("page 2 is not obeyed")
			}
		})
	})
}

// TestMaskedCredits is a controller that masks Number Of Completed Packets by its
// reserved bit.
func TestMaskedCredits(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(&ControllerConfig{MaskReserved: []uint8{hci.EvNumberOfCompletedPackets}})
		h := newHost(t, c).up()
		handle, l := h.connect(a.NewRawPeer(nil))
		h.data(handle, true, frame(4, 1))
		h.wantCompleted(handle, 1)
		h.do(hci.SetEventMask{Mask: ^hci.EventMask(hci.EvNumberOfCompletedPackets)})
		h.data(handle, true, frame(4, 2))
		h.idle(time.Minute)
		wantFrame(t, l, 4, 1)
		wantFrame(t, l, 4, 2)
	})
}
