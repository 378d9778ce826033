package hci

import (
	"fmt"
	"reflect" //nolint:depguard // text for people, off the path of packets; not a codec
	"strings"

	"github.com/moor-ble/moor/internal/wire"
)

// Describe returns one line of text for a whole H4 packet: its direction ("> " to the
// controller, "< " from it; a data packet does not include it), its name and its
// parameters. Keys and random numbers are omitted. Describe accepts any octets; if
// it cannot decode them, the text says so.
func Describe(packet []byte) string {
	r := wire.NewReader(packet)
	typ := PacketType(r.U8())
	body := r.Rest()
	switch {
	case len(packet) == 0:
		return "empty packet"
	case typ == PacketCommand:
		return "> " + describeCommand(body)
	case typ == PacketEvent:
		return "< " + describeEvent(body)
	case typ == PacketACL:
		h, data, err := ParseACL(body)
		if err != nil {
			return err.Error()
		}
		piece := "continued"
		if h.Start {
			piece = "start"
		}
		return fmt.Sprintf("ACL data handle=0x%04x %s %d octets", uint16(h.Handle), piece, len(data))
	}
	return fmt.Sprintf("%v, %d octets", typ, len(body))
}

func describeCommand(b []byte) string {
	p, err := ParseCommand(b)
	if err != nil {
		return err.Error()
	}
	if raw, ok := p.(Raw); ok {
		return withFields(raw.Op.String(), fmt.Sprintf("% x", raw.Data))
	}
	return withFields(p.Opcode().String(), fields(reflect.ValueOf(p)))
}

func describeEvent(b []byte) string {
	ev, err := ParseEvent(b)
	if err != nil {
		return err.Error()
	}
	code, subevent := ev.event()
	name := eventName(code, subevent)
	switch ev := ev.(type) {
	case *CommandComplete:
		return fmt.Sprintf("%s: %s packets=%d", name, describeReturn(ev), ev.NumPackets)
	case *CommandStatus:
		return fmt.Sprintf("%s: %v: %v packets=%d", name, ev.Opcode, ev.Status, ev.NumPackets)
	}
	return withFields(name, fields(reflect.ValueOf(ev).Elem()))
}

// describeReturn describes the status and the return parameters of a Command
// Complete.
func describeReturn(ev *CommandComplete) string {
	if ev.Opcode == 0 {
		return "no command"
	}
	r := wire.NewReader(ev.Return)
	status := Status(r.U8())
	if r.Err() != nil {
		return fmt.Sprintf("%v: no status", ev.Opcode)
	}
	s := fmt.Sprintf("%v: %v", ev.Opcode, status)
	codec, ok := commandCodecs[ev.Opcode]
	if !ok {
		return withFields(s, fmt.Sprintf("% x", r.Rest()))
	}
	if status != StatusSuccess || codec.ret == nil {
		return s
	}
	v := codec.ret(&r)
	if r.Err() != nil {
		return s + ", return parameters too short"
	}
	return withFields(s, returned(reflect.ValueOf(v)))
}

// returned describes return parameters, which may be a struct or a simple value.
func returned(v reflect.Value) string {
	if v.Kind() == reflect.Struct {
		return fields(v)
	}
	return text(v)
}

func withFields(name, fields string) string {
	if fields == "" {
		return name
	}
	return name + " " + fields
}

// fields lists the fields of a struct.
func fields(v reflect.Value) string {
	var out []string
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case f.Tag.Get("describe") == "secret":
			out = append(out, f.Name+"=(secret)")
		case f.Tag.Get("describe") == "nonzero" && v.Field(i).IsZero():
		default:
			out = append(out, f.Name+"="+text(v.Field(i)))
		}
	}
	return strings.Join(out, " ")
}

// text describes one value by its String method, or else by its elements.
func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Handle:
		return fmt.Sprintf("0x%04x", uint16(x))
	case fmt.Stringer:
		return x.String()
	case SupportedCommands:
		return fmt.Sprintf("%x", x[:])
	case AdvProperties:
		return fmt.Sprintf("0x%04x", uint16(x))
	case ExtAdvType:
		return fmt.Sprintf("0x%04x", uint16(x))
	}
	switch v.Kind() {
	case reflect.Struct:
		return "{" + fields(v) + "}"
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return fmt.Sprintf("%x", v.Interface())
		}
		var out []string
		for i := range v.Len() {
			out = append(out, text(v.Index(i)))
		}
		return "[" + strings.Join(out, " ") + "]"
	case reflect.Uint64:
		return fmt.Sprintf("0x%016x", v.Uint())
	default:
		return fmt.Sprint(v.Interface())
	}
}
