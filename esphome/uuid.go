package esphome

import (
	"encoding/binary"
	"fmt"

	"github.com/moor-ble/moor/uuid"
)

// MinorShortUUIDs is the first minor version of the API whose clients know UUIDs of 16
// and 32 bits.
const MinorShortUUIDs = 12

// EncodeUUID returns the two ways to write a UUID, of which one is set: its number, if
// short is allowed and u has 16 or 32 bits, or else two halves, the more significant one
// first.
func EncodeUUID(u uuid.UUID, short bool) (halves []uint64, number uint32) {
	number = binary.BigEndian.Uint32(u[:4])
	if short && number != 0 && uuid.From32(number) == u {
		return nil, number
	}
	return []uint64{binary.BigEndian.Uint64(u[:8]), binary.BigEndian.Uint64(u[8:])}, 0
}

// DecodeUUID returns the UUID that EncodeUUID has written in one of the two ways.
func DecodeUUID(halves []uint64, number uint32) (uuid.UUID, error) {
	switch {
	case len(halves) == 2:
		var u uuid.UUID
		binary.BigEndian.PutUint64(u[:8], halves[0])
		binary.BigEndian.PutUint64(u[8:], halves[1])
		return u, nil
	case len(halves) == 0 && number != 0:
		return uuid.From32(number), nil
	}
	return uuid.UUID{}, fmt.Errorf("esphome: no UUID has %d halves and the number %#x: it has two halves, or a number", len(halves), number)
}
