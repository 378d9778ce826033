package payload

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// BTHome v2, as on bthome.io:
//
//	plain:     info, [address], objects
//	encrypted: info, [address], encrypted objects, counter (4), check (4)
//
// Object identifiers imply the length of their objects, so an unknown one ends the
// payload. Devices have to send objects in ascending order for that reason. Some do
// not: the order is not checked.

const (
	bthomeEncrypted   = 1 << 0
	bthomeWithAddress = 1 << 1 // reserved today; early senders include their address
	bthomeVersion     = 2
)

// Objects of BTHome whose content is more than a number.
const (
	bthomePacketID   = 0x00
	bthomeButton     = 0x3A
	bthomeCommand    = 0x3B
	bthomeDimmer     = 0x3C
	bthomeText       = 0x53
	bthomeRaw        = 0x54
	bthomeDeviceType = 0xF0
	bthomeFirmware32 = 0xF1
	bthomeFirmware24 = 0xF2
)

// decodeBTHome decodes service data of BTHome.
func (s *source) decodeBTHome(b []byte) (f Frame, ok bool) {
	f.Format = FormatBTHome
	r := wire.NewReader(b)
	info := r.U8()
	if r.Err() != nil || info>>5 != bthomeVersion {
		return f, false
	}
	mac := s.mac
	if info&bthomeWithAddress != 0 {
		r.Copy(mac[:])
		f.Device = mac.String()
	}
	if r.Err() != nil {
		f.Problem = CutShort
		return f, true
	}
	if info&bthomeEncrypted == 0 {
		f.readBTHome(r.Rest())
		return f, true
	}
	f.Encrypted = true
	objects := r.Bytes(r.Len() - 4 - micLen)
	counter := r.Bytes(4)
	if r.Err() != nil {
		f.Problem = CutShort
		return f, true
	}
	n := wire.NewReader(counter)
	f.count(n.U32())
	key := s.keys.find(mac)
	if key == nil {
		f.Problem = NoKey
		return f, true
	}
	nonce := make([]byte, 0, 13)
	nonce = appendMAC(nonce, mac)
	nonce = append(wire.AppendU16(nonce, serviceBTHome), info)
	nonce = append(nonce, counter...)
	plain, fits := openCCM(key, nonce, nil, slices.Concat(objects, r.Rest()))
	if !fits {
		f.Problem = WrongKey
		return f, true
	}
	f.Authentic = true
	f.readBTHome(plain)
	return f, true
}

// appendMAC appends an address as it is written, most significant octet first.
func appendMAC(b []byte, mac hci.MAC) []byte {
	return append(b, mac[5], mac[4], mac[3], mac[2], mac[1], mac[0])
}

// readBTHome reads objects up to the end, or to the first that is unknown or cut.
func (f *Frame) readBTHome(b []byte) {
	r := wire.NewReader(b)
	for r.Len() > 0 && f.Problem == "" {
		id := r.U8()
		switch id {
		case bthomePacketID:
			if n := r.U8(); r.Err() == nil && !f.HasCounter { // the counter of the encryption counts
				f.count(uint32(n))
			}
		case bthomeButton:
			f.readBTHomeEvent(&r, Button, bthomePress(r.U8()))
		case bthomeDimmer:
			f.readBTHomeDimmer(&r)
		case bthomeCommand:
			f.readBTHomeCommand(&r)
		case bthomeText:
			text := r.Bytes(int(r.U8()))
			f.readBTHomeEvent(&r, Text, strings.ToValidUTF8(string(text), "\uFFFD"))
		case bthomeRaw:
			f.readBTHomeEvent(&r, Raw, hex.EncodeToString(r.Bytes(int(r.U8()))))
		case bthomeFirmware32:
			v := r.U32()
			f.readBTHomeEvent(&r, Firmware, fmt.Sprintf("%d.%d.%d.%d", v>>24, v>>16&0xFF, v>>8&0xFF, v&0xFF))
		case bthomeFirmware24:
			v := r.U24()
			f.readBTHomeEvent(&r, Firmware, fmt.Sprintf("%d.%d.%d", v>>16, v>>8&0xFF, v&0xFF))
		default:
			f.readBTHomeNumber(&r, id)
		}
		if r.Err() != nil && f.Problem == "" {
			f.Problem = CutShort
		}
	}
}

// readBTHomeEvent adds an event or a text that has been read. An empty text is no
// reading.
func (f *Frame) readBTHomeEvent(r *wire.Reader, k Kind, text string) {
	if r.Err() == nil && text != "" {
		f.addEvent(k, text)
	}
}

// readBTHomeNumber reads a measurement or a state.
func (f *Frame) readBTHomeNumber(r *wire.Reader, id uint8) {
	o := bthomeObjects[id]
	if o.kind == "" {
		f.Problem = UnknownObject
		return
	}
	n := readInteger(r, o.size, o.signed)
	switch {
	case r.Err() != nil:
	case o.kind.IsState():
		f.addState(o.kind, n != 0)
	default:
		f.addNumber(o.kind, n*max(o.times, 1), o.digits, o.unit)
	}
}

// readInteger reads a little-endian integer of 1 to 4 octets.
func readInteger(r *wire.Reader, size int, signed bool) int64 {
	switch {
	case size == 1 && signed:
		return int64(r.I8())
	case size == 1:
		return int64(r.U8())
	case size == 2 && signed:
		return int64(int16(r.U16()))
	case size == 2:
		return int64(r.U16())
	case size == 3:
		return int64(r.U24())
	case signed:
		return int64(int32(r.U32()))
	}
	return int64(r.U32())
}

// bthomePress names the event of a button.
func bthomePress(v uint8) string {
	names := [...]string{"none", "press", "double press", "triple press", "long press", "long double press", "long triple press"}
	switch {
	case int(v) < len(names):
		return names[v]
	case v == 0x80:
		return "hold press"
	}
	return fmt.Sprintf("0x%02x", v)
}

func (f *Frame) readBTHomeDimmer(r *wire.Reader) {
	event, steps := r.U8(), r.U8()
	if r.Err() != nil {
		return
	}
	switch event {
	case 0:
		f.addEvent(Dimmer, "none")
		return
	case 1:
		f.addEvent(Dimmer, "rotate left")
	case 2:
		f.addEvent(Dimmer, "rotate right")
	default:
		f.addEvent(Dimmer, fmt.Sprintf("0x%02x", event))
	}
	f.addNumber(Steps, int64(steps), 0, "")
}

// readBTHomeCommand reads a command: the length of its arguments in the low five
// bits, the operation, the arguments.
func (f *Frame) readBTHomeCommand(r *wire.Reader) {
	n := int(r.U8() & 0x1F)
	op := r.U8()
	args := r.Sub(n)
	if r.Err() != nil {
		return
	}
	names := [...]string{"off", "on", "toggle", "step up", "step down"}
	if int(op) >= len(names) {
		f.addEvent(Command, fmt.Sprintf("0x%02x", op))
		return
	}
	f.addEvent(Command, names[op])
	if steps := args.U8(); op >= 3 && args.Err() == nil {
		f.addNumber(Steps, int64(steps), 0, "")
	}
}
