package sim

import (
	"bytes"
	"testing"
	"time"

	"github.com/moor-ble/moor/hci"
)

// TestUnknownAndWrongCommands has the controller refuse what it does not know
// or cannot do.
func TestUnknownAndWrongCommands(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(&ControllerConfig{Disable: []hci.Opcode{hci.OpLERand}})
		h := newHost(t, c).up()
		h.send(hci.Raw{Op: 0xFC01, Data: []byte{1}})
		h.want(&hci.CommandStatus{Status: hci.StatusUnknownCommand, NumPackets: 1, Opcode: 0xFC01})
		h.send(hci.LERand{})
		h.want(&hci.CommandStatus{Status: hci.StatusUnknownCommand, NumPackets: 1, Opcode: hci.OpLERand})

		// LE Set Scan Parameters with a window longer than its interval, and cut off.
		h.write([]byte{1, 0x0B, 0x20, 7, 0, 4, 0, 8, 0, 0, 0})
		h.want(&hci.CommandComplete{NumPackets: 1, Opcode: hci.OpLESetScanParameters, Return: []byte{0x12}})
		h.write([]byte{1, 0x0B, 0x20, 2, 0, 4})
		h.want(&hci.CommandComplete{NumPackets: 1, Opcode: hci.OpLESetScanParameters, Return: []byte{0x12}})
		h.write([]byte{1, 0x0B})
		h.idle(time.Second)

		h.doStatus(hci.Disconnect{Handle: 0x40, Reason: hci.StatusRemoteUserTerminated}, hci.StatusUnknownConnection)
		if ret := h.doStatus(hci.ReadRSSI{Handle: 0x40}, hci.StatusUnknownConnection); !bytes.Equal(ret, []byte{2, 0x40, 0}) {
			t.Errorf("Read RSSI of no link returned % x, want status and handle", ret)
		}
		if s := c.Stats(); s.BadPackets != 2 || s.Crowding != 0 {
			t.Errorf("%+v: want 2 bad packets", s)
		}
	})
}

// TestEveryCommandIsAnswered sends every command that a controller says it
// has.
func TestEveryCommandIsAnswered(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		ops := append([]hci.Opcode(nil), alwaysCommands...)
		for _, more := range featureCommands {
			ops = append(ops, more...)
		}
		for _, op := range ops {
			if !c.supported.Has(op) {
				t.Errorf("%v is not in the bit field", op)
			}
			if op == hci.OpReset {
				continue
			}
			// Zeros are wrong for most of them, but never unknown.
			h.send(hci.Raw{Op: op, Data: make([]byte, 255)})
			var st hci.Status
			var got hci.Opcode
			switch ev := h.event().(type) {
			case *hci.CommandComplete:
				got, st = ev.Opcode, hci.Status(ev.Return[0])
			case *hci.CommandStatus:
				got, st = ev.Opcode, ev.Status
			}
			if got != op || st == hci.StatusUnknownCommand {
				t.Errorf("%v: answer for %v, %v", op, got, st)
			}
			for quiet := false; !quiet; { // events that follow
				select {
				case <-h.in:
				case <-time.After(time.Second):
					quiet = true
				}
			}
			if op == hci.OpSetEventMask || op == hci.OpLESetEventMask {
				h.up()
			}
		}
	})
}

func TestLegacyAndExtendedDoNotMix(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		h.do(hci.LESetScanEnable{})
		h.doStatus(hci.LESetExtendedScanEnable{}, hci.StatusCommandDisallowed)
		h.doStatus(hci.LEReadNumberOfSupportedAdvertisingSets{}, hci.StatusCommandDisallowed)
		h.do(hci.Reset{})
		h.do(hci.LESetExtendedScanEnable{})
		h.doStatus(create(hci.Addr{}), hci.StatusCommandDisallowed)
		h.doStatus(hci.LECreateConnectionCancel{}, hci.StatusCommandDisallowed) // nothing is pending
	})
}

func TestLegacyController(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(&ControllerConfig{Legacy: true, SharedBuffers: true, ACLLen: 27, ACLNum: 1})).up()
		h.doStatus(hci.LESetExtendedScanEnable{}, hci.StatusUnknownCommand)
		if got := h.do(hci.LEReadBufferSize{}); !bytes.Equal(got, []byte{0, 0, 0, 0}) {
			t.Errorf("LE buffers % x, want none", got)
		}
		if got := h.do(hci.ReadBufferSize{}); !bytes.Equal(got, []byte{0, 27, 0, 0, 1, 0, 0, 0}) {
			t.Errorf("BR/EDR buffers % x, want 1 of 27", got)
		}
	})
}

// TestEventMasks checks the state after power-on, in which there are no LE
// events.
func TestEventMasks(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil))
		p := a.NewRawPeer(nil)
		h.do(create(p.Address()))
		h.idle(time.Second)
		h.do(hci.SetEventMask{Mask: hci.EventMask(hci.EvLEMeta)}) // not Disconnection Complete
		h.do(hci.Disconnect{Handle: 0x40, Reason: hci.StatusRemoteUserTerminated})
		h.idle(time.Second)
		h.do(create(p.Address()))
		// Enhanced Connection Complete is not in the default LE mask.
		if ev := next[*hci.LEConnectionComplete](h); ev.Peer != p.Address() {
			t.Errorf("connected to %v", ev.Peer)
		}
	})
}

func TestCommandCredits(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(&ControllerConfig{CommandCredits: 3})
		h := newHost(t, c)
		for range 3 {
			h.send(hci.LERand{})
		}
		for range 3 {
			if ev := next[*hci.CommandComplete](h); ev.NumPackets != 3 {
				t.Errorf("%d credits, want 3", ev.NumPackets)
			}
		}
		if n := c.Stats().Crowding; n != 0 {
			t.Errorf("%d commands too many, want 0", n)
		}
		for range 4 {
			h.send(hci.LERand{})
		}
		for range 4 {
			next[*hci.CommandComplete](h)
		}
		if n := c.Stats().Crowding; n != 1 {
			t.Errorf("%d commands too many, want 1", n)
		}
	})
}

func TestResetEndsEverything(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		c := a.NewController(nil)
		h := newHost(t, c).up()
		_, l := h.connect(a.NewRawPeer(&RawPeerConfig{Once: true}))
		time.Sleep(time.Second)
		h.do(hci.LESetScanEnable{Enable: true})
		h.do(hci.Reset{})
		h.do(hci.SetEventMask{Mask: ^uint64(0)})
		h.idle(time.Minute) // nothing of the link or the scan
		<-l.Done()
		if l.Reason() != hci.StatusConnectionTimeout {
			t.Errorf("the peer's reason is %v, want a timeout", l.Reason())
		}
		if s := c.Stats(); s.Links != 0 || s.Held != 0 {
			t.Errorf("%d links, %d packets held after a reset", s.Links, s.Held)
		}
	})
}

func TestCurveCommands(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		one, two := newHost(t, a.NewController(nil)).up(), newHost(t, a.NewController(nil)).up()
		one.doStatus(hci.LEGenerateDHKey{}, hci.StatusCommandDisallowed) // no key pair yet
		one.do(hci.LEReadLocalP256PublicKey{})
		one.doStatus(hci.LEReadLocalP256PublicKey{}, hci.StatusCommandDisallowed)
		two.do(hci.LEReadLocalP256PublicKey{})
		k1, k2 := next[*hci.LEReadLocalP256PublicKeyComplete](one), next[*hci.LEReadLocalP256PublicKeyComplete](two)
		one.do(hci.LEGenerateDHKey{X: k2.X, Y: k2.Y})
		two.do(hci.LEGenerateDHKey{X: k1.X, Y: k1.Y})
		s1, s2 := next[*hci.LEGenerateDHKeyComplete](one), next[*hci.LEGenerateDHKeyComplete](two)
		if s1.Status != 0 || s1.Key != s2.Key || s1.Key == [32]byte{} {
			t.Errorf("shared keys % x and % x", s1.Key, s2.Key)
		}
		one.do(hci.LEGenerateDHKey{X: [32]byte{1}, Y: [32]byte{1}})
		if ev := next[*hci.LEGenerateDHKeyComplete](one); ev.Status != hci.StatusInvalidParameters {
			t.Errorf("a point off the curve gave %v", ev.Status)
		}
	})
}

// TestEncrypt uses the sample of FIPS-197, appendix B.
func TestEncrypt(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil))
		key := [16]byte{0x3c, 0x4f, 0xcf, 0x09, 0x88, 0x15, 0xf7, 0xab, 0xa6, 0xd2, 0xae, 0x28, 0x16, 0x15, 0x7e, 0x2b}
		text := [16]byte{0x34, 0x07, 0x37, 0xe0, 0xa2, 0x98, 0x31, 0x31, 0x8d, 0x30, 0x5a, 0x88, 0xa8, 0xf6, 0x43, 0x32}
		want := []byte{0, 0x32, 0x0b, 0x6a, 0x19, 0x97, 0x85, 0x11, 0xdc, 0xfb, 0x09, 0xdc, 0x02, 0x1d, 0x84, 0x25, 0x39}
		if got := h.do(hci.LEEncrypt{Key: key, Plaintext: text}); !bytes.Equal(got, want) {
			t.Errorf("got % x, want % x", got, want)
		}
	})
}
