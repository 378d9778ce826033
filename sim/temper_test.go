package sim

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moor-ble/moor/gatt"
	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/uuid"
)

// sensor is the table of the devices in these tests: handles 1 to 3 are a
// service 0xFFE0 with a characteristic 0xFFE1, whose CCCD is handle 4.
func sensor() Table {
	return NewTable(gatt.ServiceDef{UUID: uuid.From16(0xFFE0), Characteristics: []gatt.CharDef{{
		UUID: uuid.From16(0xFFE1), Properties: gatt.PropRead | gatt.PropWrite | gatt.PropNotify | gatt.PropWriteWithoutResponse,
		Value: []byte{0x2A},
	}}})
}

// tempered makes an air with a host and a sensor.
func tempered(t *testing.T, temper Temper, f func(t *testing.T, h *rawHost, d *Device)) {
	bubble(t, &Config{ExactAdvertising: true}, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		f(t, h, a.NewDevice(&DeviceConfig{Name: "sensor", Table: sensor(), Temper: temper}))
	})
}

// TestDeviceAtRest hangs up at once for its first ten seconds.
func TestDeviceAtRest(t *testing.T) {
	for _, st := range []hci.Status{0x13, 0x14, 0x08, 0x05, 0x3D} {
		rest := Temper{Rules: []Rule{{On: OnLink, Do: HangUp, Status: st, Until: 10 * time.Second}}}
		tempered(t, rest, func(t *testing.T, h *rawHost, d *Device) {
			begin := time.Now()
			for time.Since(begin) < 9*time.Second {
				up := time.Now()
				h.dial(d).wantEnd(st)
				if took := time.Since(up); took > 200*time.Millisecond {
					t.Errorf("hung up after %v, want at the first events", took)
				}
				time.Sleep(time.Second)
			}
			time.Sleep(10*time.Second - time.Since(begin))
			c := h.dial(d)
			c.idle(time.Minute)
			c.ask(0x0A, 3, 0)
			c.wantPDU(0x0B, 0x2A)
		})
	}
}

// TestTimesAndSkip lets one link pass, ends two, and leaves the rest alone.
func TestTimesAndSkip(t *testing.T) {
	tempered(t, Temper{Rules: []Rule{{On: OnLink, Do: HangUp, Skip: 1, Times: 2}}}, func(t *testing.T, h *rawHost, d *Device) {
		for i, ends := range []bool{false, true, true, false} {
			c := h.dial(d)
			if ends {
				c.wantEnd(hci.StatusRemoteUserTerminated)
				continue
			}
			c.idle(time.Second)
			if i < 3 {
				c.do(hci.Disconnect{Handle: c.handle, Reason: hci.StatusRemoteUserTerminated})
				c.wantEnd(hci.StatusLocalHostTerminated)
			}
		}
	})
}

// TestIntervalBelow has a device hang up on short connection intervals only.
func TestIntervalBelow(t *testing.T) {
	rule := Rule{On: OnLink, Do: HangUp, Status: hci.StatusUnacceptableParameters, Below: 20 * time.Millisecond}
	tempered(t, Temper{Rules: []Rule{rule}}, func(_ *testing.T, h *rawHost, d *Device) {
		for _, test := range []struct {
			interval time.Duration
			ends     bool
		}{{18750 * time.Microsecond, true}, {20 * time.Millisecond, false}} {
			o := create(d.Address())
			o.Params.IntervalMin, o.Params.IntervalMax = test.interval, test.interval
			h.do(o)
			c := client{h, h.connected().Handle}
			if test.ends {
				c.wantEnd(hci.StatusUnacceptableParameters)
			} else {
				c.idle(time.Minute)
			}
		}
	})
}

// TestATTReactions has a device misbehave at a read of handle 3.
func TestATTReactions(t *testing.T) {
	for _, test := range []struct {
		name string
		rule Rule
		want [][]byte
	}{
		{"ignores", Rule{Do: Ignore}, nil},
		{"refuses", Rule{Do: Refuse, Code: att.CodeUnlikelyError}, [][]byte{{0x01, 0x0A, 3, 0, 0x0E}}},
		{"error code 0", Rule{Do: Refuse}, [][]byte{{0x01, 0x0A, 3, 0, 0}}},
		{"foreign handle", Rule{Do: Refuse, Code: 1, ErrorHandle: 0x1234}, [][]byte{{0x01, 0x0A, 0x34, 0x12, 1}}},
		{"answers twice", Rule{Do: AnswerTwice}, [][]byte{{0x0B, 0x2A}, {0x0B, 0x2A}}},
		{"another's response first", Rule{Do: SendFirst, PDU: []byte{0x03, 0xF7, 0}}, [][]byte{{0x03, 0xF7, 0}, {0x0B, 0x2A}}},
		{"another's response instead", Rule{Do: SendInstead, PDU: []byte{0x13}}, [][]byte{{0x13}}},
		{"another handle's rule", Rule{Handle: 4, Do: Ignore}, [][]byte{{0x0B, 0x2A}}},
		{"another opcode's rule", Rule{Opcode: att.OpWriteReq, Do: Ignore}, [][]byte{{0x0B, 0x2A}}},
		{"one opcode", Rule{Opcode: att.OpReadReq, Do: Ignore}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.rule.On = OnRequest
			if test.rule.Handle == 0 && test.rule.Opcode == 0 {
				test.rule.Handle = 3
			}
			tempered(t, Temper{Rules: []Rule{test.rule}}, func(_ *testing.T, h *rawHost, d *Device) {
				c := h.dial(d)
				c.ask(0x0A, 3, 0)
				for _, pdu := range test.want {
					c.wantPDU(pdu...)
				}
				c.ask(0x02, 0xF7, 0) // another request is well
				c.wantPDU(0x03, 0xF7, 0)
				for range 2 {
					if b, ok := c.tryRead(time.Minute); ok && b[0] == dataPacket {
						t.Errorf("got % x besides", b)
					}
				}
			})
		})
	}
}

// TestSlowDevice answers late, to one handle alone.
func TestSlowDevice(t *testing.T) {
	slow := Temper{Rules: []Rule{{On: OnRequest, Handle: 3, Delay: 8 * time.Second}}}
	tempered(t, slow, func(t *testing.T, h *rawHost, d *Device) {
		c := h.dial(d)
		at := time.Now()
		c.ask(0x0A, 3, 0)
		c.wantPDU(0x0B, 0x2A)
		if took := time.Since(at); took < 8*time.Second || took > 8*time.Second+100*time.Millisecond {
			t.Errorf("answered after %v, want 8 s and two events", took)
		}
		at = time.Now()
		c.ask(0x0A, 4, 0)
		c.wantPDU(0x0B, 0, 0)
		if took := time.Since(at); took > 100*time.Millisecond {
			t.Errorf("another handle answered after %v", took)
		}
	})
}

// TestWriteCommandIsAnswered sends what must not be sent.
func TestWriteCommandIsAnswered(t *testing.T) {
	answers := Temper{Rules: []Rule{{On: OnRequest, Opcode: att.OpWriteCmd, Do: SendFirst, PDU: []byte{0x13}}}}
	tempered(t, answers, func(t *testing.T, h *rawHost, d *Device) {
		c := h.dial(d)
		c.ask(0x52, 3, 0, 7)
		c.wantPDU(0x13)
		if v := d.Value(3); len(v) != 1 || v[0] != 7 {
			t.Errorf("value is % x, want 07", v)
		}
	})
}

// TestPickyDevice ends the link on each trigger, in each way.
func TestPickyDevice(t *testing.T) {
	for name, test := range map[string]struct {
		rule Rule
		do   func(c client)
		end  hci.Status
	}{
		"hangs up at MTU": {
			Rule{On: OnRequest, Opcode: att.OpExchangeMTUReq, Do: HangUp},
			func(c client) { c.ask(0x02, 0xF7, 0) }, hci.StatusRemoteUserTerminated,
		},
		"falls silent at MTU": {
			Rule{On: OnRequest, Opcode: att.OpExchangeMTUReq, Do: FallSilent},
			func(c client) { c.idle(time.Second); c.ask(0x02, 0xF7, 0) }, hci.StatusConnectionTimeout,
		},
		"crashes at the group request": {
			Rule{On: OnRequest, Opcode: att.OpReadByGroupTypeReq, Do: Crash},
			func(c client) { c.idle(time.Second); c.ask(0x10, 1, 0, 0xFF, 0xFF, 0, 0x28) }, hci.StatusConnectionTimeout,
		},
		"hangs up at a subscription": {
			Rule{On: OnSubscribe, Handle: 4, Do: HangUp, Status: hci.StatusRemoteLowResources},
			func(c client) { c.ask(0x12, 4, 0, 1, 0) }, hci.StatusRemoteLowResources,
		},
		"hangs up at a data length update": {
			Rule{On: OnDataLength, Do: HangUp},
			func(c client) {
				c.do(hci.LESetDataLength{Handle: c.handle, TXOctets: 251, TXTime: 2120 * time.Microsecond})
			}, hci.StatusRemoteUserTerminated,
		},
		"refuses encryption": {
			Rule{On: OnEncryption, Do: HangUp, Status: hci.StatusMICFailure},
			func(c client) { c.do(hci.LEEnableEncryption{Handle: c.handle}) }, hci.StatusMICFailure,
		},
		"hangs up later": {
			Rule{On: OnLink, Do: HangUp, Delay: 5 * time.Second},
			func(c client) { c.idle(4 * time.Second) }, hci.StatusRemoteUserTerminated,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tempered(t, Temper{Rules: []Rule{test.rule}}, func(_ *testing.T, h *rawHost, d *Device) {
				c := h.dial(d)
				test.do(c)
				c.wantEnd(test.end)
				h.dial(d) // the device takes the next link
			})
		})
	}
}

// TestDislikesAnUpdate lets the update succeed and ends the link then.
func TestDislikesAnUpdate(t *testing.T) {
	tempered(t, Temper{Rules: []Rule{
		{On: OnPHY, Do: FallSilent}, {On: OnParams, Do: HangUp, Skip: 1},
	}}, func(t *testing.T, h *rawHost, d *Device) {
		c := h.dial(d)
		c.do(hci.LESetPHY{Handle: c.handle, TX: hci.PHYs2M, RX: hci.PHYs2M})
		c.want(&hci.LEPHYUpdateComplete{Handle: c.handle, TX: hci.PHY2M, RX: hci.PHY2M})
		at := time.Now()
		c.wantEnd(hci.StatusConnectionTimeout)
		if took := time.Since(at); took < 1900*time.Millisecond || took > 2*time.Second {
			t.Errorf("silence noticed after %v, want the timeout of 2 s", took)
		}
		c = h.dial(d)
		slower := hci.ConnParams{IntervalMin: 60 * time.Millisecond, IntervalMax: 60 * time.Millisecond, Timeout: 4 * time.Second}
		inUse := hci.ConnParamsInUse{Interval: 60 * time.Millisecond, Timeout: 4 * time.Second}
		for range 2 {
			c.do(hci.LEConnectionUpdate{Handle: c.handle, Params: slower})
			c.want(&hci.LEConnectionUpdateComplete{Handle: c.handle, Params: inUse})
		}
		c.wantEnd(hci.StatusRemoteUserTerminated)
	})
}

// TestLinkLayerRefusals covers Refuse and Ignore of link layer procedures.
func TestLinkLayerRefusals(t *testing.T) {
	tempered(t, Temper{Rules: []Rule{
		{On: OnPHY, Do: Refuse}, {On: OnEncryption, Do: Refuse, Times: 1}, {On: OnEncryption, Do: Ignore},
	}}, func(t *testing.T, h *rawHost, d *Device) {
		c := h.dial(d)
		c.do(hci.LESetPHY{Handle: c.handle, TX: hci.PHYs2M, RX: hci.PHYs2M})
		c.want(&hci.LEPHYUpdateComplete{
			Status: hci.StatusUnsupportedRemoteFeature, Handle: c.handle, TX: hci.PHY1M, RX: hci.PHY1M,
		})
		c.do(hci.LEEnableEncryption{Handle: c.handle})
		c.want(&hci.EncryptionChange{Status: hci.StatusKeyMissing, Handle: c.handle})
		c.ask(0x0A, 3, 0) // data flows again
		c.wantPDU(0x0B, 0x2A)
		at := time.Now()
		c.do(hci.LEEnableEncryption{Handle: c.handle})
		c.wantEnd(hci.StatusLLResponseTimeout)
		if took := time.Since(at); took != 40*time.Second+100*time.Microsecond {
			t.Errorf("given up after %v, want 40 s and the latency", took)
		}
	})
}

// TestTemperedPeripheral applies a temper to a device with the whole stack.
func TestTemperedPeripheral(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		cfg := Thermometer()
		cfg.Temper = Temper{Rules: []Rule{
			{On: OnRequest, Opcode: att.OpExchangeMTUReq, Do: AnswerTwice, Delay: time.Second},
			{On: OnRequest, Opcode: att.OpReadReq, Do: HangUp},
		}}
		p, err := a.NewPeripheral(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		c := h.dial(p)
		c.ask(0x02, 0xF7, 0)
		at := time.Now()
		c.wantAnyPDU(0x03)
		c.wantAnyPDU(0x03)
		if took := time.Since(at); took < time.Second || took > 1200*time.Millisecond {
			t.Errorf("answered after %v, want a second", took)
		}
		c.ask(0x0A, 3, 0)
		c.wantEndAfterAnything(hci.StatusRemoteUserTerminated)
	})
}

// TestLongAnswerTwice doubles an answer that the host sends in two packets.
func TestLongAnswerTwice(t *testing.T) {
	bubble(t, nil, func(t *testing.T, a *Air) {
		h := newHost(t, a.NewController(nil)).up()
		cfg := Lamp()
		cfg.Temper = Temper{Rules: []Rule{{On: OnRequest, Opcode: att.OpReadReq, Do: AnswerTwice}}}
		p, err := a.NewPeripheral(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		text, ok := p.server.Handle(LampService, LampText)
		if !ok {
			t.Fatal("no text")
		}
		c := h.dial(p)
		c.ask(0x02, 0x05, 0x02)
		c.wantAnyPDU(0x03)
		c.ask(0x0A, byte(text), byte(text>>8))
		want := strings.Repeat("This text is longer than one packet. ", 8)
		for range 2 {
			got := ""
			for len(got) < 5+len(want) {
				if b := c.read(); b[0] == dataPacket {
					got += string(b[5:])
				}
			}
			if got[5:] != want {
				t.Errorf("answered %q", got)
			}
		}
	})
}

// TestTemperAsText reads and writes the names of triggers and reactions.
func TestTemperAsText(t *testing.T) {
	in := Rule{On: OnSubscribe, Do: SendInstead}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Rule
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Error(diff)
	}
	for i := range OnSecurityRefused + 1 {
		var got Trigger
		if err := got.UnmarshalText([]byte(i.String())); err != nil || got != i {
			t.Errorf("%v is read as %v, %v", i, got, err)
		}
	}
	for i := range SendInstead + 1 {
		var got Reaction
		if err := got.UnmarshalText([]byte(i.String())); err != nil || got != i {
			t.Errorf("%v is read as %v, %v", i, got, err)
		}
	}
	if s := Trigger(200).String() + Reaction(201).String(); s != "0xc80xc9" {
		t.Errorf("unknown values are %q", s)
	}
	if new(Reaction).UnmarshalText([]byte("sulk")) == nil || new(Trigger).UnmarshalText([]byte("")) == nil {
		t.Error("unknown names are read")
	}
}
