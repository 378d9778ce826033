package l2cap

import (
	"fmt"

	"github.com/moor-ble/moor/internal/wire"
)

// CID is a channel identifier of an LE link (Vol 3, Part A, 2.1).
type CID uint16

// Channel identifiers of an LE link. Each side allocates its end of a
// credit-based channel between cidFirst and cidLast.
const (
	cidATT    CID = 0x0004
	cidSignal CID = 0x0005
	cidSMP    CID = 0x0006
	cidFirst  CID = 0x0040
	cidLast   CID = 0x007F
)

func (c CID) String() string { return fmt.Sprintf("0x%04X", uint16(c)) }

func (c CID) dynamic() bool { return c >= cidFirst && c <= cidLast }

// Lengths of frames.
//
//	+--------+--------+-- ... --+
//	| length | CID    | payload |      basic frame, Vol 3, Part A, 3.1
//	| 2      | 2      | length  |
//	+--------+--------+-- ... --+
const (
	headerLen  = 4
	maxPayload = 0xFFFF
	// minACLData is the smallest buffer that a controller may have (Vol 4, Part
	// E, 7.8.2).
	minACLData = 27
)

// framer sends frames as ACL data packets. scratch holds the first packet of a
// frame, which has header and payload in one piece; it is kept so that sending
// does not allocate.
type framer struct {
	link    Link
	scratch []byte
}

// sendFrame sends prefix and payload as one frame and keeps neither. Together
// they have at most maxPayload octets; callers ensure that.
func (f *framer) sendFrame(cid CID, prefix, payload []byte) {
	size := max(f.link.MaxACLData(), minACLData)
	r := wire.NewReader(payload)
	b := wire.AppendU16(f.scratch[:0], uint16(len(prefix)+len(payload)))
	b = wire.AppendU16(b, uint16(cid))
	b = append(b, prefix...)
	b = append(b, r.Bytes(min(r.Len(), size-len(b)))...)
	f.link.SendACL(true, b)
	for r.Len() > 0 {
		f.link.SendACL(false, r.Bytes(min(r.Len(), size)))
	}
	f.scratch = b
}
