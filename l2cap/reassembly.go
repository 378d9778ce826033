package l2cap

import "github.com/moor-ble/moor/internal/wire"

// outcome says what a fragment led to.
type outcome uint8

const (
	incomplete outcome = iota // more is to come, or it belongs to a refused frame
	complete                  // a whole frame
	tooLong                   // a frame beyond the channel's limit has begun
	refused                   // a frame for a channel that does not exist has begun
	dropped                   // the fragment made no sense
)

// frame is a frame, or for tooLong as much of it as has arrived.
type frame struct {
	cid     CID
	length  int // of the whole payload
	payload []byte
}

// reassembly joins the fragments of one link's frames. It holds at most one
// frame, and no more of it than its channel takes: limit is asked as soon as
// the header is there, and what it does not allow is never stored. A frame in
// one fragment is passed through without a copy.
//
//	            start               continuation
//	idle      | begin             | drop, count as orphan
//	filling   | drop old, begin   | append; too much: drop, idle
//	skipping  | begin             | ignore
//
// Fragments may be cut anywhere, within the header too: a controller passes on
// whatever the peer's link layer sends.
type reassembly struct {
	// limit returns the longest payload that the channel takes, and whether
	// there is such a channel.
	limit    func(cid CID) (n int, ok bool)
	counters *Counters

	state reassemblyState
	head  frame  // valid once the header is whole
	whole bool   // the header is
	buf   []byte // header first, if it came in pieces; then the payload
}

type reassemblyState uint8

const (
	idle reassemblyState = iota
	filling
	skipping
)

// addFragment takes one fragment. What it returns is valid until the next call.
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
		r.buf = make([]byte, 0, r.head.length) // and no more, as growing what is there would
	}
	r.buf = append(r.buf, in.Rest()...)
	return frame{}, incomplete
}

// header reads the header and asks whether its frame is wanted; complete means
// that it is.
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

// reset forgets the frame in progress and the memory for it.
func (r *reassembly) reset() { r.state, r.buf = idle, nil }
