package hci

import "github.com/moor-ble/moor/internal/wire"

// secretParams are the octets of command parameters that hold keys and random numbers, as
// the tags of the command types mark them.
var secretParams = map[Opcode]struct{ skip, n int }{
	OpLEEncrypt:                  {0, 32},
	OpLEEnableEncryption:         {2 + 8 + 2, 16},
	OpLELongTermKeyRequestReply:  {2, 16},
	OpLEAddDeviceToResolvingList: {1 + 6, 32},
}

// keyMask removes keys from the packets of a capture: it sets their octets to zero. It
// follows the L2CAP frames of each link, whose pieces can begin anywhere.
type keyMask struct {
	frames map[frameOf]smpFrame // those that are not complete and may have a key
}

// frameOf identifies a frame that is under way: a link has one in each direction.
type frameOf struct {
	handle Handle
	sent   bool
}

// maskKeys removes keys from a whole H4 packet, which it changes.
func (m *keyMask) maskKeys(h4 []byte, sent bool) {
	r := wire.NewReader(h4)
	switch PacketType(r.U8()) {
	case PacketCommand:
		op := Opcode(r.U16())
		r.Skip(1) // length
		if s, ok := secretParams[op]; ok {
			r.Skip(s.skip)
			clear(r.Bytes(min(s.n, r.Len())))
		}
	case PacketEvent:
		m.maskEvent(r.Rest())
	case PacketACL:
		if h, data, err := ParseACL(r.Rest()); err == nil {
			m.maskData(frameOf{h.Handle, sent}, h.Start, data)
		}
	case PacketSCO, PacketISO: // no links of this host
	}
}

// maskEvent removes the secret part of an event.
func (m *keyMask) maskEvent(b []byte) {
	if public := loggableEvent(b); len(public) < len(b) {
		r := wire.NewReader(b)
		r.Skip(len(public))
		r.Skip(1) // status
		clear(r.Rest())
	}
	r := wire.NewReader(b)
	if r.U8() == EvDisconnectionComplete {
		r.Skip(2) // length, status
		h := Handle(r.U16())
		delete(m.frames, frameOf{h, true})
		delete(m.frames, frameOf{h, false})
	}
}

// maskData removes the keys in a piece of an L2CAP frame.
func (m *keyMask) maskData(of frameOf, start bool, data []byte) {
	f, known := m.frames[of]
	if start {
		f = smpFrame{}
	} else if !known {
		return // a piece of a frame that has no keys
	}
	for i := range data {
		if f.addOctet(data[i]) {
			data[i] = 0
		}
		if f.hasNoKey() {
			break
		}
	}
	if f.hasNoKey() || f.isComplete() {
		delete(m.frames, of)
		return
	}
	if m.frames == nil {
		m.frames = map[frameOf]smpFrame{}
	}
	m.frames[of] = f
}

// smpFrame is an L2CAP frame as far as it has been seen (Vol 3, Part A, 3.1), of which the
// channel of the Security Manager is of interest (Vol 3, Part H, 3.2).
type smpFrame struct {
	seen   int // octets
	length int // of the payload
	cid    int
	code   byte
}

const (
	frameHeader = 4 // octets: length and channel
	cidSecurity = 0x0006
)

// addOctet adds the next octet, and reports whether it is a part of a key.
func (f *smpFrame) addOctet(b byte) (secret bool) {
	switch f.seen {
	case 0:
		f.length = int(b)
	case 1:
		f.length |= int(b) << 8
	case 2:
		f.cid = int(b)
	case 3:
		f.cid |= int(b) << 8
	case frameHeader:
		f.code = b
	default:
		secret = !f.hasNoKey()
	}
	f.seen++
	return secret
}

// hasNoKey reports whether it is certain that no key follows.
func (f *smpFrame) hasNoKey() bool {
	switch {
	case f.seen < frameHeader:
		return false
	case f.cid != cidSecurity:
		return true
	case f.seen == frameHeader:
		return false
	}
	switch f.code {
	case 0x06, 0x08, 0x0A: // Encryption Information, Identity Information, Signing Information
		return false
	}
	return true
}

// isComplete reports whether the frame has ended.
func (f *smpFrame) isComplete() bool { return f.seen >= frameHeader && f.seen >= frameHeader+f.length }
