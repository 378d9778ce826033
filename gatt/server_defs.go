package gatt

import (
	"context"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// MaxValue is the length of the longest attribute value, in octets (Vol 3, Part
// F, 3.2.9).
const MaxValue = 512

// ServiceDef defines one service of a server. It is plain data; the server keeps
// no reference to it.
type ServiceDef struct {
	UUID      UUID
	Secondary bool
	// Handle is the handle of the declaration; 0 means the next free one.
	// Services are placed in the listed order, so that a fixed handle must be
	// higher than all before it.
	Handle att.Handle
	// End reserves the handles up to and including it for the service; 0 ends
	// the service with its last attribute.
	End             att.Handle
	Includes        []IncludeDef
	Characteristics []CharDef
}

// IncludeDef includes another service of the same table.
type IncludeDef struct {
	UUID UUID
	// Handle is the fixed handle of the service, if several have that UUID; 0
	// means the first of them.
	Handle att.Handle
}

// CharDef defines one characteristic of a server.
//
// The server adds a Client Characteristic Configuration (0x2902) if the
// characteristic can notify or indicate, and Characteristic Extended Properties
// (0x2900) if it has any, unless Descriptors contains them.
type CharDef struct {
	UUID UUID
	// Handle is the handle of the declaration; 0 means the next free one. The
	// value has the handle behind it.
	Handle     att.Handle
	Properties Properties
	// ReliableWrite and WritableAuxiliaries are the extended properties.
	ReliableWrite       bool
	WritableAuxiliaries bool
	Permissions         Permissions

	// Value is the value in the table, which clients read if Read is nil.
	// Clients that may write it change it, unless Write is set; Server.SetValue
	// changes it too.
	Value []byte
	// MinLen and MaxLen bound the length of the value, in octets; a MaxLen of 0
	// means 512. If they are equal, the length is fixed: a prepared write then
	// replaces a part of the value, while otherwise it also truncates the value
	// behind that part.
	MinLen, MaxLen int

	// Read, if not nil, returns the whole value. Write, if not nil, receives
	// written values. Both run on a goroutine that serves the requests of one
	// client in order; ctx ends with the link. An att.Code as error is sent to
	// the client; any other error is sent as Unlikely Error.
	Read  func(ctx context.Context, r *ReadRequest) ([]byte, error)
	Write func(ctx context.Context, r *WriteRequest) error
	// Subscribe, if not nil, is called like Read and Write when a client enables
	// or disables notifications or indications. An error refuses that. Subscribe
	// is not called when a subscription ends with the link.
	Subscribe func(ctx context.Context, r *SubscribeRequest) error

	// NotifyQueue is the number of values that Server.Notify queues for each of several
	// clients. 0 means 16; a negative value means 1, so that a slow client gets the latest
	// value. NotifyWait makes Server.Notify wait for the slowest client instead of dropping
	// its oldest value.
	NotifyQueue int
	NotifyWait  bool

	Descriptors []DescDef
}

// defaultNotifyQueue bridges the time until the next connection event of a client, at
// the rates of sensors.
const defaultNotifyQueue = 16

func (d *CharDef) notifyQueue() int {
	if d.NotifyQueue == 0 {
		return defaultNotifyQueue
	}
	return max(d.NotifyQueue, 1)
}

// DescDef defines one descriptor of a server.
type DescDef struct {
	UUID        UUID
	Handle      att.Handle // 0 means the next free one
	Unreadable  bool
	Writable    bool
	Permissions Permissions

	// As in CharDef.
	Value          []byte
	MinLen, MaxLen int
	Read           func(ctx context.Context, r *ReadRequest) ([]byte, error)
	Write          func(ctx context.Context, r *WriteRequest) error
}

// UserDescription returns a Characteristic User Description (Vol 3, Part G,
// 3.3.3.2) that clients cannot write.
func UserDescription(text string) DescDef {
	return DescDef{UUID: UUID16(typeUserDescription), Value: []byte(text)}
}

// PresentationFormat is the value of a Characteristic Presentation Format
// (Vol 3, Part G, 3.3.3.5).
type PresentationFormat struct {
	Format      uint8 // see the assigned numbers, 2.4.1
	Exponent    int8  // the value is in units of 10 to this power
	Unit        uint16
	Namespace   uint8
	Description uint16
}

// Def returns the descriptor with this value.
func (f PresentationFormat) Def() DescDef {
	v := wire.AppendU16([]byte{f.Format, byte(f.Exponent)}, f.Unit)
	return DescDef{UUID: UUID16(typePresentationFormat), Value: wire.AppendU16(append(v, f.Namespace), f.Description)}
}

// ReadRequest is a client's request to read a value.
type ReadRequest struct {
	Session *Session // of the client
	Handle  att.Handle
	// Offset is where the client continues to read a long value. The handler
	// returns the whole value; the server skips the part before Offset.
	Offset int
}

// WriteRequest is a client's request to write a value.
type WriteRequest struct {
	Session *Session // of the client
	Handle  att.Handle
	// Offset is where Value begins in the attribute; other than 0 only for
	// prepared writes, whose adjoining parts are joined.
	Offset int
	Value  []byte // belongs to the handler
	// Command reports that the client expects no answer; an error is counted
	// and logged.
	Command bool
	// Signed reports that the command came on an unencrypted link with a valid
	// signature of the bonded peer.
	Signed bool
}

// SubscribeRequest is a client's request to enable or disable notifications or
// indications of a value. It takes effect after the handler has returned nil.
type SubscribeRequest struct {
	Session  *Session   // of the client
	Handle   att.Handle // of the value
	Notify   bool
	Indicate bool
	// Then, if the handler sets it, is called on a goroutine of its own once the request
	// has taken effect and was answered. It is not called if the link ends before.
	Then func()
}
