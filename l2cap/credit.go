package l2cap

import (
	"fmt"
	"sync/atomic"

	"github.com/moor-ble/moor/internal/wire"
)

const (
	// minMTU is the least MTU and MPS of a credit-based channel
	// (Vol 3, Part A, 4.22).
	minMTU = 23
	// maxMPS is the largest MPS (4.22).
	maxMPS = 65533
	// maxCredits is how many credits a side may hold (10.1).
	maxCredits = 65535
	// sduLengthLen is the length of the field at the start of an SDU.
	sduLengthLen = 2
)

// inflow is the receiving half of a credit-based channel: it joins SDUs and
// counts credits (Vol 3, Part A, 3.4 and 10.1). It belongs to the loop, except
// owed.
//
// There are window credits in total. Each is in one of three places: the peer
// holds it, it is owed to the peer, or it stands for an SDU that the program has
// not read. The credit of a frame that does not complete its SDU is owed at
// once, since the SDU has memory for the data; that of a frame that completes an
// SDU is owed once the SDU has been read. So a peer that cuts an SDU into many
// small frames never runs out of credits, and at most window SDUs and a part of
// one more are unread.
type inflow struct {
	mtu, mps int
	window   int
	held     int          // by the peer
	owed     atomic.Int32 // to the peer; readers of SDUs add to it

	begun bool
	sdu   []byte
	want  int
	reuse bool // an SDU is valid until the next frame only
}

func newInflow(s settings) inflow {
	return inflow{mtu: s.mtu, mps: s.mps, window: s.credits, held: s.credits}
}

// addFrame adds one K-frame of at most mps octets. If it completes an SDU, done
// is true. The error wraps ErrViolation; the caller must end the channel
// (3.4.3).
func (in *inflow) addFrame(b []byte) (sdu []byte, done bool, err error) {
	if in.held == 0 {
		return nil, false, fmt.Errorf("%w: a frame without credit", ErrViolation)
	}
	in.held--
	r := wire.NewReader(b)
	if !in.begun {
		want := int(r.U16())
		switch {
		case r.Err() != nil:
			return nil, false, fmt.Errorf("%w: an SDU begins with a frame of %d octets", ErrViolation, len(b))
		case want > in.mtu:
			return nil, false, fmt.Errorf("%w: an SDU of %d octets, the MTU is %d", ErrViolation, want, in.mtu)
		}
		in.begun, in.want = true, want
		if !in.reuse || cap(in.sdu) < want {
			in.sdu = make([]byte, 0, want)
		}
		in.sdu = in.sdu[:0]
	}
	if len(in.sdu)+r.Len() > in.want {
		return nil, false, fmt.Errorf("%w: %d octets in an SDU of %d", ErrViolation, len(in.sdu)+r.Len(), in.want)
	}
	in.sdu = append(in.sdu, r.Rest()...)
	if len(in.sdu) < in.want {
		in.owed.Add(1)
		return nil, false, nil
	}
	sdu = in.sdu
	if in.begun = false; !in.reuse {
		in.sdu = nil
	}
	return sdu, true, nil
}

// due reports whether to grant credits to the peer. They are granted in halves
// of the window: few indications are sent, and the peer does not run out of
// credits.
func (in *inflow) due() bool { return int(in.owed.Load()) >= in.threshold() }

// grant returns the number of credits to grant, and counts them as held by the
// peer.
func (in *inflow) grant() uint16 {
	n := int(in.owed.Swap(0))
	in.held += n
	return uint16(n)
}

func (in *inflow) threshold() int { return (in.window + 1) / 2 }

// outflow is the sending half of a credit-based channel: it cuts SDUs into
// frames and counts the credits that the peer has granted. It belongs to the
// loop.
type outflow struct {
	mps     int
	credits int
}

// addCredits adds credits from the peer. The error wraps
// ErrViolation; the caller must end the channel (4.24, 10.1).
func (out *outflow) addCredits(n uint16) error {
	if out.credits+int(n) > maxCredits {
		return fmt.Errorf("%w: %d credits on top of %d exceed %d", ErrViolation, n, out.credits, maxCredits)
	}
	out.credits += int(n)
	return nil
}

// outgoing is an SDU being sent.
type outgoing struct {
	data  wire.Reader
	begun bool
}

// nextFrame spends one credit on the next frame of o, which consists of prefix
// and payload.
func (out *outflow) nextFrame(o *outgoing, buf *[sduLengthLen]byte) (prefix, payload []byte) {
	out.credits--
	if !o.begun {
		o.begun = true
		prefix = wire.AppendU16(buf[:0], uint16(o.data.Len()))
	}
	return prefix, o.data.Bytes(min(o.data.Len(), out.mps-len(prefix)))
}
