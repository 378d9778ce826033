package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
)

// randomTemper has up to four rules of any kind, and now and then requests of its
// own.
func randomTemper(rng *rand.Rand) (t Temper) {
	for range 1 + rng.IntN(4) {
		t.Rules = append(t.Rules, Rule{
			On: Trigger(rng.IntN(int(OnSecurityRefused) + 1)), Do: Reaction(rng.IntN(int(SendInstead) + 1)),
			Times: rng.IntN(3), Skip: rng.IntN(3), Chance: float64(rng.IntN(3)) / 2,
			Delay: time.Duration(rng.IntN(3)) * 40 * time.Millisecond,
			Until: time.Duration(rng.IntN(2)) * 20 * time.Second, PDU: []byte{byte(att.OpReadRsp), 1},
		})
	}
	if rng.IntN(2) == 0 {
		t.ParamRequests = []ParamRequest{{After: time.Second, Every: time.Second, Params: params, LinkLayer: rng.IntN(2) == 0}}
		t.Notifications = []Notification{{Every: 300 * time.Millisecond, Handle: 3}}
		t.Advertising = []AdvChange{{At: 5 * time.Second, Off: true}, {At: 8 * time.Second}}
	}
	return t
}

// TestRandomTempers lets hosts meet devices of any temper. Whatever happens, in
// the end no link and no buffer is in use, and the air is idle.
func TestRandomTempers(t *testing.T) {
	for seed := range uint64(60) {
		bubble(t, &Config{Seed: seed}, func(t *testing.T, a *Air) {
			rng := rand.New(rand.NewPCG(seed, 1))
			c := a.NewController(nil)
			h := newHost(t, c).up()
			d := a.NewDevice(&DeviceConfig{Table: sensor(), Temper: randomTemper(rng)})
			for range 10 {
				h.send(create(d.Address()))
				for range 8 {
					h.drain(time.Duration(rng.IntN(300)) * time.Millisecond)
					switch rng.IntN(7) {
					case 0:
						h.data(only, true, frame(cidATT, 0x02, 0xF7, 0))
					case 1:
						h.data(only, true, frame(cidATT, 0x12, 4, 0, 1, 0))
					case 2:
						h.data(only, true, frame(cidATT, 0x0A, 3, 0))
					case 3:
						h.send(hci.LESetPHY{Handle: only, TX: hci.PHYs2M, RX: hci.PHYs2M})
					case 4:
						h.send(hci.LEConnectionUpdate{Handle: only, Params: params})
					case 5:
						h.send(hci.LEEnableEncryption{Handle: only})
					case 6:
						h.send(hci.LESetDataLength{Handle: only, TXOctets: 251, TXTime: 2120 * time.Microsecond})
					}
				}
				h.send(hci.LECreateConnectionCancel{})
				h.send(hci.Disconnect{Handle: only, Reason: hci.StatusRemoteUserTerminated})
				h.drain(time.Minute)
				if s := c.Stats(); s.Links != 0 || s.Held != 0 || s.BadPackets != 0 {
					t.Fatalf("seed %d: %+v", seed, s)
				}
			}
			a.runAndWait(func() {
				if len(a.links) != 0 || len(a.heap) > 1 {
					t.Errorf("seed %d: %d links and %d timers are left", seed, len(a.links), len(a.heap))
				}
			})
		})
	}
}

// drain reads what comes for a while.
func (h *rawHost) drain(d time.Duration) {
	until := time.Now().Add(d)
	for {
		if _, ok := h.tryRead(time.Until(until)); !ok {
			return
		}
	}
}
