package esphome

import (
	"fmt"
	"reflect"
)

// MessageID is the number of a message.
type MessageID uint32

// Message is a pointer to a message of this package, such as *HelloRequest.
type Message any

// messages lists all messages that the package knows, by their numbers.
var messages = map[MessageID]Message{
	1:   (*HelloRequest)(nil),
	2:   (*HelloResponse)(nil),
	3:   (*AuthenticationRequest)(nil),
	4:   (*AuthenticationResponse)(nil),
	5:   (*DisconnectRequest)(nil),
	6:   (*DisconnectResponse)(nil),
	7:   (*PingRequest)(nil),
	8:   (*PingResponse)(nil),
	9:   (*DeviceInfoRequest)(nil),
	10:  (*DeviceInfoResponse)(nil),
	11:  (*ListEntitiesRequest)(nil),
	19:  (*ListEntitiesDone)(nil),
	20:  (*SubscribeStates)(nil),
	28:  (*SubscribeLogs)(nil),
	29:  (*LogLine)(nil),
	34:  (*SubscribeServices)(nil),
	36:  (*TimeRequest)(nil),
	37:  (*TimeResponse)(nil),
	38:  (*SubscribeHomeStates)(nil),
	66:  (*SubscribeAdvertisements)(nil),
	68:  (*DeviceRequest)(nil),
	69:  (*DeviceConnection)(nil),
	70:  (*ServicesRequest)(nil),
	71:  (*ServicesResponse)(nil),
	72:  (*ServicesDone)(nil),
	73:  (*ReadRequest)(nil),
	74:  (*ReadResponse)(nil),
	75:  (*WriteRequest)(nil),
	76:  (*ReadDescriptorRequest)(nil),
	77:  (*WriteDescriptorRequest)(nil),
	78:  (*NotifyRequest)(nil),
	79:  (*NotifyData)(nil),
	80:  (*SubscribeSlots)(nil),
	81:  (*Slots)(nil),
	82:  (*GATTError)(nil),
	83:  (*WriteResponse)(nil),
	84:  (*NotifyResponse)(nil),
	85:  (*PairResponse)(nil),
	86:  (*UnpairResponse)(nil),
	87:  (*UnsubscribeAdvertisements)(nil),
	88:  (*ClearCacheResponse)(nil),
	93:  (*Advertisements)(nil),
	126: (*ScannerState)(nil),
	127: (*SetScannerMode)(nil),
	145: (*SetParams)(nil),
	146: (*SetParamsResponse)(nil),
	149: (*CapabilitiesRequest)(nil),
	150: (*CapabilitiesResponse)(nil),
}

// ids holds the numbers of messages by their types.
var ids = func() map[reflect.Type]MessageID {
	m := make(map[reflect.Type]MessageID, len(messages))
	for id, msg := range messages {
		m[reflect.TypeOf(msg)] = id
	}
	return m
}()

// IDOf returns the number of a message, and false for a value that is none.
func IDOf(m Message) (MessageID, bool) {
	id, ok := ids[reflect.TypeOf(m)]
	return id, ok
}

// Packed is a message that has been encoded. Several goroutines may send it, and none may
// change it.
type Packed struct {
	ID      MessageID
	Payload []byte
}

// Pack encodes a message. It fails for a value that is no message of this package.
func Pack(m Message) (Packed, error) {
	id, ok := IDOf(m)
	v := reflect.ValueOf(m)
	if !ok || v.IsNil() {
		return Packed{}, fmt.Errorf("esphome: %T is no message: pass a pointer to a message of this package", m)
	}
	return Packed{id, appendFields(nil, v.Elem())}, nil
}

// Unpack decodes a message. It returns nil without an error for a number that
// the package does not know. Strings and octets of the message are copies.
func Unpack(p Packed) (Message, error) {
	known, ok := messages[p.ID]
	if !ok {
		return nil, nil
	}
	v := reflect.New(reflect.TypeOf(known).Elem())
	if err := decodeFields(p.Payload, v.Elem()); err != nil {
		return nil, fmt.Errorf("esphome: message %d (%s): %w", p.ID, v.Elem().Type().Name(), err)
	}
	return v.Interface(), nil
}
