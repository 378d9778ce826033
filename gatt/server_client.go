package gatt

import "github.com/moor-ble/moor/gatt/att"

// Bits of Client Supported Features (Vol 3, Part G, 7.2).
const (
	featureRobustCaching         = 0x01
	featureEnhanced              = 0x02
	featureMultipleNotifications = 0x04
)

// knownClient is what a session knows of its client. It belongs to the loop.
//
// awareness is whether the client knows the current table (Vol 3, Part G,
// 2.5.2.1):
//
//	state    | event                                  | next
//	---------|----------------------------------------|---------
//	aware    | the table changes                      | unaware
//	unaware  | the client reads the Database Hash     | the bearer is proving
//	         | a request is refused with 0x12         | the bearer is proving
//	         | the client confirms Service Changed    | aware
//	         | the client sends any request on a      | aware, and the request is answered
//	         |  bearer that is proving                |
//	         | the table changes                      | no bearer is proving
//
// A request on another bearer proves nothing: the client may have sent it before
// it got the answer.
//
// It matters only for a client that has enabled robust caching: see barred.
//
// memory tells what the server remembers of the client from one connection to
// the next:
//
//	state    | event                                  | next
//	---------|----------------------------------------|---------
//	stranger | the link is encrypted with a bond      | kept
//	recalled | the link is encrypted with the bond    | kept, with stored.Subscriptions in force
//	         | the client makes another bond          | stranger
//	kept     | the client makes another bond          | stranger
//
// A session begins as recalled if the server has the state of a bonded client
// with this address, else as stranger. Nothing is written to that state before
// kept: any device can claim to have the address.
type knownClient struct {
	features   uint8 // Client Supported Features
	claimed    uint8 // of these, written on this link
	subscribed subscriptions

	awareness awareness
	knows     [16]byte // unless aware: the hash of the table that the client knows

	memory memory
	stored ClientState // while recalled

	changed    att.HandleRange // not yet indicated to the client; the zero range if nothing
	indicating bool            // a Service Changed awaits its confirmation
}

type awareness uint8

const (
	aware awareness = iota
	unaware
)

type memory uint8

const (
	stranger memory = iota
	recalled
	kept
)

// admitRequest notes what a request proves of the client's awareness. ok is
// false if the request must be refused with Database Out Of Sync; h is then the
// handle to name.
func (q *inbox) admitRequest(p att.PDU) (h att.Handle, ok bool) {
	s := q.s
	c := &s.client
	if c.awareness == unaware && q.proving {
		c.becomeAware(s)
	}
	h, named := namesHandle(p)
	if c.barred(s.t) && named {
		q.proving = true
		return h, false
	}
	if p, ok := p.(att.ReadByTypeReq); ok && c.awareness == unaware && p.Type == UUID16(typeDatabaseHash) &&
		(att.HandleRange{Start: p.Start, End: p.End}).Contains(s.t.hashValue) {
		q.proving = true
	}
	return att.HandleNone, true
}

// barred reports whether the client must not use handles, nor be sent values,
// until it knows the table: it has enabled robust caching and is not aware. Its
// commands are dropped; a request that names a handle is refused once.
func (c *knownClient) barred(t *table) bool {
	return c.awareness != aware && c.features&featureRobustCaching != 0 && t.robust()
}

// namesHandle returns the first handle that a request names; ok is false for
// requests that only discover (Vol 3, Part G, 2.5.2.1).
func namesHandle(p att.PDU) (h att.Handle, ok bool) {
	switch p := p.(type) {
	case att.ReadReq:
		return p.Handle, true
	case att.ReadBlobReq:
		return p.Handle, true
	case att.WriteReq:
		return p.Handle, true
	case att.PrepareWriteReq:
		return p.Handle, true
	case att.ReadMultipleReq:
		return p.Handles[0], true
	case att.ReadMultipleVariableReq:
		return p.Handles[0], true
	case att.ReadByTypeReq:
		discovers := p.Type == UUID16(typeInclude) || p.Type == UUID16(typeCharacteristic)
		all := p.Start == att.HandleMin && p.End == att.HandleMax
		return p.Start, !discovers && !all
	}
	return att.HandleNone, false
}

// becomeAware notes that the client knows the table: it needs not be told of any
// earlier change.
func (c *knownClient) becomeAware(s *Session) {
	c.awareness, c.changed = aware, att.HandleRange{}
	s.endProofs()
	s.publish()
	s.keepClient()
}
