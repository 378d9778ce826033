package l2cap

import "github.com/moor-ble/moor/internal/wire"

// outcome is the result of adding a fragment.
type outcome uint8

const (
	incomplete outcome = iota // more is to come, or the frame is being skipped
	complete                  // a whole frame
	tooLong                   // the beginning of a frame longer than its channel accepts
	refused                   // the beginning of a frame for a channel that does not exist
	dropped                   // the fragment belongs to no frame
)

// frame is a frame; with tooLong, the part of it that has arrived.
type frame struct {
	cid     CID
	length  int // of the whole payload, in octets
	payload []byte
}

// reassembly joins the fragments of one link's frames. It holds at most one
// frame. It calls limit once the header is complete, and stores nothing of a
// frame that limit does not allow. A frame in one fragment is not copied.
//
//	state     | first fragment    | continuation
//	----------|-------------------|-----------------------------
//	idle      | begin             | drop, count as orphan
//	filling   | drop old, begin   | append; too much: drop, idle
//	skipping  | begin             | ignore
//
// The header may be fragmented too: a controller passes on whatever the peer's
// link layer sends.
type reassembly struct {
	// limit returns the longest payload that the channel accepts, and whether
	// there is such a channel.
	limit    func(cid CID) (n int, ok bool)
	counters *Counters

	state reassemblyState
	head  frame  // valid if whole
	whole bool   // the header is complete
	buf   []byte // a fragmented header, then the payload
}

type reassemblyState uint8

const (
	idle reassemblyState = iota
	filling
	skipping
)

// addFragment adds one fragment. The frame is valid until the next call.
func (r *reassembly) addFragment(start bool, data []byte) (frame, outcome) {
	if len(data) == 0 {
		r.counters.Empty++
		return frame{}, dropped
	}
	if start {
		if r.state == filling {
			r.counters.Unfinished++
		}
		r.state, r.whole, r.buf = filling, false, r.buf[:0]
	}
	switch r.state {
	case idle:
		r.counters.Orphans++
		return frame{}, dropped
	case skipping:
		return frame{}, incomplete
	case filling:
	}
	in := wire.NewReader(data)
	if !r.whole {
		switch o := r.header(&in); o {
		case complete:
		case tooLong, refused:
			r.state = skipping
			return r.head, o
		default:
			return frame{}, o
		}
	}
	have := len(r.buf) + in.Len()
	switch {
	case have > r.head.length:
		r.counters.Mismatched++
		r.state = idle
		return frame{}, dropped
	case have == r.head.length:
		r.state = idle
		if len(r.buf) == 0 {
			r.head.payload = in.Rest()
		} else {
			r.buf = append(r.buf, in.Rest()...)
			r.head.payload = r.buf
		}
		return r.head, complete
	}
	if len(r.buf) == 0 && cap(r.buf) < r.head.length {
		r.buf = make([]byte, 0, r.head.length) // exactly so much; append would allocate more
	}
	r.buf = append(r.buf, in.Rest()...)
	return frame{}, incomplete
}

// header reads the header; complete means that the channel accepts the frame.
func (r *reassembly) header(in *wire.Reader) outcome {
	if len(r.buf) > 0 || in.Len() < headerLen {
		r.buf = append(r.buf, in.Bytes(min(in.Len(), headerLen-len(r.buf)))...)
		if len(r.buf) < headerLen {
			return incomplete
		}
		h := wire.NewReader(r.buf)
		r.head = frame{length: int(h.U16()), cid: CID(h.U16())}
		r.buf = r.buf[:0]
	} else {
		r.head = frame{length: int(in.U16()), cid: CID(in.U16())}
	}
	r.whole = true
	n, ok := r.limit(r.head.cid)
	switch {
	case !ok:
		r.counters.UnknownCID++
		return refused
	case r.head.length > n:
		r.counters.TooLong++
		r.head.payload = in.Rest()
		return tooLong
	}
	return complete
}

// reset drops the frame in progress and its memory.
func (r *reassembly) reset() { r.state, r.buf = idle, nil }
