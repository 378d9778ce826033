package payload

import (
	"crypto/cipher"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
)

// MiBeacon, as in Xiaomi's documents of the versions 4 and 5:
//
//	frame control (2), product (2), frame counter (1),
//	[address (6)], [capability (1), [I/O capability (2)]],
//	[objects, [extended counter (3), check (4)]]
//
// Each object is a type (2), a length (1) and its value. No document describes the
// encryption of the versions 2 and 3. Its check is one octet: the first of sixteen, as
// captures of such a device show.

// The bits of frame control. Bit 7 marks the beacons of Mesh.
const (
	miEncrypted  = 1 << 3
	miAddress    = 1 << 4
	miCapability = 1 << 5
	miObjects    = 1 << 6

	miCapabilityIO = 1 << 5 // a bit of capability
)

// legacyMIC is the length of the check that the versions 2 and 3 compute.
const legacyMIC = 16

// xiaomiAAD is the additional data of Xiaomi's encryption.
var xiaomiAAD = []byte{0x11}

// miHead is the part of a payload before its objects.
type miHead struct {
	control, product uint16
	counter          uint8
	mac              hci.MAC
}

func (h *miHead) version() uint16 { return h.control >> 12 }

// decodeMiBeacon decodes service data or manufacturer data of Xiaomi.
func (s *source) decodeMiBeacon(b []byte) (f Frame, ok bool) {
	r := wire.NewReader(b)
	h := miHead{control: r.U16(), product: r.U16(), counter: r.U8(), mac: s.mac}
	if r.Err() != nil || h.version() < 2 {
		return f, false
	}
	f = Frame{Format: FormatMiBeacon, Model: miProduct(h.product)}
	f.count(uint32(h.counter))
	if h.control&miAddress != 0 {
		// The address is that of the advertisement, except behind a repeater.
		r.Copy(h.mac[:])
		f.Device = h.mac.String()
	}
	if h.control&miCapability != 0 && r.U8()&miCapabilityIO != 0 {
		r.Skip(2)
	}
	switch {
	case r.Err() != nil:
		f.Device, f.Problem = "", CutShort
	case h.control&miObjects == 0:
	case h.control&miEncrypted == 0:
		f.readMiObjects(h.product, r.Rest())
	case h.version() < 4:
		f.openMiLegacy(&h, s.keys.find(h.mac), &r)
	default:
		f.openMiBeacon(&h, s.keys.find(h.mac), &r)
	}
	return f, true
}

// openMiBeacon decrypts the objects that r has next.
func (f *Frame) openMiBeacon(h *miHead, key cipher.Block, r *wire.Reader) {
	objects, extended, check := f.readMiSealed(r, micLen)
	if f.Problem != "" {
		return
	}
	if key == nil {
		f.Problem = NoKey
		return
	}
	nonce := append(make([]byte, 0, 12), h.mac[:]...)
	nonce = append(wire.AppendU16(nonce, h.product), h.counter)
	plain, fits := openCCM(key, append(nonce, extended...), xiaomiAAD, slices.Concat(objects, check))
	if !fits {
		f.Problem = WrongKey
		return
	}
	f.Authentic = true
	f.readMiObjects(h.product, plain)
}

// openMiLegacy decrypts the objects of the versions 2 and 3. The nonce lacks the last
// octet of the address.
func (f *Frame) openMiLegacy(h *miHead, key cipher.Block, r *wire.Reader) {
	objects, extended, check := f.readMiSealed(r, 1)
	if f.Problem != "" {
		return
	}
	if key == nil {
		f.Problem = NoKey
		return
	}
	nonce := wire.AppendU16(wire.AppendU16(make([]byte, 0, 13), h.control), h.product)
	nonce = append(append(nonce, h.counter), extended...)
	plain, fits := checkCCM(key, append(nonce, h.mac[:5]...), xiaomiAAD, objects, check, legacyMIC)
	// One octet fits one wrong key of 256, whose objects make no sense.
	if f.readMiObjects(h.product, plain); !fits || f.Problem != "" {
		f.Readings, f.Problem = nil, WrongKey
	}
}

// readMiSealed reads encrypted objects, the extended counter and a check of n octets.
// With the extended counter, the counter of the frame has 32 bits.
func (f *Frame) readMiSealed(r *wire.Reader, n int) (objects, extended, check []byte) {
	f.Encrypted = true
	objects, extended, check = r.Bytes(r.Len()-3-n), r.Bytes(3), r.Bytes(n)
	if r.Err() != nil {
		f.Problem = CutShort
		return nil, nil, nil
	}
	high := wire.NewReader(extended)
	f.count(f.Counter | high.U24()<<8)
	return objects, extended, check
}

// readMiObjects reads objects. Each has its length, so unknown ones are skipped. The
// document allows one object in a payload; devices send several.
func (f *Frame) readMiObjects(product uint16, b []byte) {
	r := wire.NewReader(b)
	for r.Len() > 0 {
		typ := r.U16()
		value := r.Sub(int(r.U8()))
		if r.Err() != nil {
			f.Problem = CutShort
			return
		}
		if !f.readMiObject(product, typ, &value) {
			f.Problem = UnknownObject
		}
	}
}

// miProduct names a product.
func miProduct(product uint16) string {
	if name := miProducts[product]; name != "" {
		return name
	}
	return fmt.Sprintf("0x%04x", product)
}

// miProducts names the products whose payloads are mostly measurements.
var miProducts = map[uint16]string{
	0x0098:         "HHCCJCY01",
	0x00DB:         "MMC-T201-1",
	0x015D:         "HHCCPOT002",
	0x01AA:         "LYWSDCGQ",
	0x02DF:         "JQJCY01YM",
	0x0347:         "CGG1",
	0x0387:         "MHO-C401",
	0x0391:         "MMC-W505",
	0x03BC:         "GCLS002",
	0x03D6:         "CGH1",
	0x040A:         "WX08ZM",
	0x045B:         "LYWSD02",
	0x055B:         "LYWSD03MMC",
	0x0576:         "CGD1",
	0x066F:         "CGDK2",
	0x06D3:         "MHO-C303",
	miNightLight:   "MJYD02YL",
	0x0863:         "SJWS01LM",
	miDoorSensor:   "MCCGQ02HL",
	0x0997:         "JTYJGD03MI",
	0x0A83:         "CGPR1",
	miMotionSensor: "RTCGQ02LM",
	0x0B48:         "CGG1",
	0x0C3C:         "CGC1",
	0x1203:         "XMWSDJ04MMC",
	0x16E4:         "LYWSD02MMC",
	0x1889:         "MS1BB(MI)",
	0x2542:         "LYWSD02MMC",
	0x2832:         "MJWSD05MMC",
	0x2AEB:         "HS1BB(MI)",
	0x3531:         "XMPIRO2SXS",
	0x3F0F:         "RS1BB(MI)",
	0x4683:         "XMOSB01XS",
	0x4C47:         "MJWSD05MMC",
	0x4F59:         "CGDK3",
	0x55B5:         "MJWSD06MMC",
	0x5BEA:         "MJWSD06MMC",
}
