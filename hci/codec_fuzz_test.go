package hci

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func FuzzEvent(f *testing.F) {
	for _, s := range eventSamples() {
		f.Add(AppendEvent(nil, s.ev))
	}
	addCaptured(f, PacketEvent)
	f.Fuzz(func(t *testing.T, b []byte) {
		ev, err := ParseEvent(b)
		if err != nil {
			if _, ok := errors.AsType[*PacketError](err); !ok || ev != nil {
				t.Fatalf("%v, %v", ev, err)
			}
			return
		}
		again := AppendEvent(nil, ev)
		back, err := ParseEvent(again)
		if err != nil || !reflect.DeepEqual(back, ev) {
			t.Fatalf("% x is %+v; encoded % x and decoded it is %+v, %v", b, ev, again, back, err)
		}
		if Describe(append([]byte{byte(PacketEvent)}, b...)) == "" {
			t.Fatal("not described")
		}
	})
}

func FuzzCommand(f *testing.F) {
	for _, s := range commandSamples() {
		b, err := AppendCommand(nil, s.cmd)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[1:])
	}
	f.Add([]byte{0x01, 0xFC, 1, 2})
	addCaptured(f, PacketCommand)
	f.Fuzz(func(t *testing.T, b []byte) {
		cmd, err := ParseCommand(b)
		if err != nil {
			if _, ok := errors.AsType[*PacketError](err); !ok || cmd != nil {
				t.Fatalf("%v, %v", cmd, err)
			}
			return
		}
		again, err := AppendCommand(nil, cmd)
		if err != nil { // decoding does not check ranges
			if _, ok := errors.AsType[*ParamError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		back, err := ParseCommand(again[1:])
		if err != nil || !reflect.DeepEqual(back, cmd) {
			t.Fatalf("% x is %+v; encoded % x and decoded it is %+v, %v", b, cmd, again, back, err)
		}
	})
}

func FuzzAdvData(f *testing.F) {
	power := int8(-4)
	fields := AdvFields{
		Flags: 6, Services: nil, ServiceData: []ServiceData{{battery, []byte{1}}, {long128, []byte{2}}},
		Manufacturer: []ManufacturerData{{0x004C, []byte{7}}}, TxPower: &power, Appearance: 0x0340, ShortName: "mo", Name: "moor",
	}
	fields.Services = append(fields.Services, battery, heart, long128)
	seed, err := fields.Append(nil, 1650)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{0xFF, 0xFF})
	f.Add([]byte{4, byte(ADServices16), 1, 2, 3})
	f.Add([]byte{2, byte(ADServiceData16), 1, 1, byte(ADServiceData128)})
	for _, rec := range capturedPackets(f) {
		if ev, err := ParseEvent(rec.Packet[1:]); err == nil && PacketType(rec.Packet[0]) == PacketEvent {
			if r, ok := ev.(*LEExtendedAdvertisingReport); ok {
				f.Add([]byte(r.Reports[0].Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := AdvData(b)
		var again AdvData
		total := 0
		for typ, v := range d.All() {
			again = AppendAD(again, typ, v)
			total += 2 + len(v)
		}
		if total != len(again) || d.HasGap() == bytes.HasPrefix(d, again) || len(again) > len(d) {
			t.Fatalf("% x has the structures % x, and a gap: %v", b, again, d.HasGap())
		}
		for _, u := range d.Services() {
			if !d.HasService(u) || !again.HasService(u) {
				t.Fatalf("service %v is listed, but not found", u)
			}
		}
		if len(d.ServiceData()) != len(again.ServiceData()) || len(d.ManufacturerData()) != len(again.ManufacturerData()) ||
			len(d.SolicitedServices()) != len(again.SolicitedServices()) || d.String() != again.String() {
			t.Fatalf("% x differs from its structures % x", b, again)
		}
	})
}

func FuzzSplitPacket(f *testing.F) {
	for _, s := range eventSamples() {
		f.Add(AppendEvent([]byte{byte(PacketEvent)}, s.ev))
	}
	f.Add(AppendACL(AppendACL(nil, 1, true, []byte{1, 2}), 1, false, []byte{3}))
	f.Add([]byte{byte(PacketISO), 0, 0, 1, 0xC0, 9})
	for _, rec := range capturedPackets(f) {
		f.Add(rec.Packet)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := SplitPacket(b)
		if err != nil {
			if _, ok := errors.AsType[*PacketError](err); !ok || n != 0 {
				t.Fatalf("%d, %v", n, err)
			}
			return
		}
		if n > len(b) || n < 0 {
			t.Fatalf("a packet of %d octets in %d", n, len(b))
		}
		if n == 0 {
			return
		}
		for cut := range n {
			if m, err := SplitPacket(b[:cut]); m != 0 || err != nil {
				t.Fatalf("%d of %d octets make a packet of %d, %v", cut, n, m, err)
			}
		}
		if Describe(b[:n]) == "" {
			t.Fatal("not described")
		}
	})
}
