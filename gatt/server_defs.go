package gatt

import (
	"context"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/internal/wire"
)

// MaxValue is the length in octets of the longest attribute value (Vol 3, Part
// F, 3.2.9).
const MaxValue = 512

// ServiceDef says what a server is to offer as one service. It is plain data;
// the server keeps no reference to it.
type ServiceDef struct {
	UUID      UUID
	Secondary bool
	// Handle is that of the declaration; 0 is the next that is free. Services
	// stand in the order in which they are listed, so a fixed handle must be
	// higher than all before it.
	Handle att.Handle
	// End reserves handles up to and including it for the service; 0 ends the
	// service with its last attribute.
	End             att.Handle
	Includes        []IncludeDef
	Characteristics []CharDef
}

// IncludeDef names another service of the same table.
type IncludeDef struct {
	UUID UUID
	// Handle is the fixed handle of the service meant, where there are several
	// with that UUID; 0 is the first of them.
	Handle att.Handle
}

// CharDef says what a server is to offer as one characteristic.
//
// The server adds a Client Characteristic Configuration (0x2902) when the
// characteristic can notify or indicate, and Characteristic Extended Properties
// (0x2900) when it has such, unless Descriptors places them itself.
type CharDef struct {
	UUID       UUID
	Handle     att.Handle // of the declaration; 0: the next that is free. The value has the next one.
	Properties Properties
	// ReliableWrite and WritableAuxiliaries are the extended properties.
	ReliableWrite       bool
	WritableAuxiliaries bool
	Permissions         Permissions

	// Value is what is read while Read is nil. A client that may write and is
	// not handed to Write, changes it; so does Server.SetValue.
	Value []byte
	// MinLen and MaxLen bound in octets what a client may write. MaxLen 0 is 512.
	// If they are equal, the length is fixed: a prepared write then replaces a
	// part of the value, where otherwise it also cuts off what stood behind.
	MinLen, MaxLen int

	// Read, if not nil, gives the value, as a whole. Write, if not nil, takes
	// what is written. Both run on a goroutine that serves one request after the
	// other of one client; ctx ends with the link. An att.Code as error is sent
	// to the client as it is, any other error as Unlikely Error.
	Read  func(ctx context.Context, r *ReadRequest) ([]byte, error)
	Write func(ctx context.Context, r *WriteRequest) error
	// Subscribe, if not nil, is told, as Read and Write are, that a client wants
	// to switch notifications or indications on or off. An error refuses that.
	// It is not told when a subscription ends with the link.
	Subscribe func(ctx context.Context, r *SubscribeRequest) error

	Descriptors []DescDef
}

// DescDef says what a server is to offer as one descriptor.
type DescDef struct {
	UUID        UUID
	Handle      att.Handle // 0: the next that is free
	Unreadable  bool
	Writable    bool
	Permissions Permissions

	// See CharDef for all below.
	Value          []byte
	MinLen, MaxLen int
	Read           func(ctx context.Context, r *ReadRequest) ([]byte, error)
	Write          func(ctx context.Context, r *WriteRequest) error
}

// UserDescription returns a Characteristic User Description (Vol 3, Part G,
// 3.3.3.2) that cannot be written.
func UserDescription(text string) DescDef {
	return DescDef{UUID: UUID16(typeUserDescription), Value: []byte(text)}
}

// PresentationFormat is the value of a Characteristic Presentation Format
// (Vol 3, Part G, 3.3.3.5).
type PresentationFormat struct {
	Format      uint8 // of the assigned numbers, 2.4.1
	Exponent    int8  // the value counts in units of 10 to this power
	Unit        uint16
	Namespace   uint8
	Description uint16
}

// Def returns the descriptor with this value.
func (f PresentationFormat) Def() DescDef {
	v := wire.AppendU16([]byte{f.Format, byte(f.Exponent)}, f.Unit)
	return DescDef{UUID: UUID16(typePresentationFormat), Value: wire.AppendU16(append(v, f.Namespace), f.Description)}
}

// ReadRequest is a client's wish to read.
type ReadRequest struct {
	Session *Session // of the client
	Handle  att.Handle
	// Offset is where the client goes on with a long value; the server cuts off
	// what stands before it.
	Offset int
}

// WriteRequest is a client's wish to write.
type WriteRequest struct {
	Session *Session // of the client
	Handle  att.Handle
	// Offset is where the value is to begin; other than 0 only for prepared
	// writes, whose adjoining parts come as one.
	Offset int
	Value  []byte // the handler's to keep
	// Command says that the client does not want to know what becomes of it; an
	// error goes nowhere.
	Command bool
	// Signed says that the link was not encrypted, but that the command bore a
	// signature of the bonded peer.
	Signed bool
}

// SubscribeRequest is a client's wish to be sent the values of a characteristic,
// or no longer to be. The wish is fulfilled after the handler has returned nil.
type SubscribeRequest struct {
	Session  *Session   // of the client
	Handle   att.Handle // of the value
	Notify   bool
	Indicate bool
}
