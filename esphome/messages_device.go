package esphome

// Address is the address of a device, its first octet as it is written being the most
// significant of 48 bits: C0:FF:EE:00:00:01 is 0xC0FFEE000001.
type Address uint64

// AddressOf returns the address of six octets in the order of HCI, the least significant one
// first.
func AddressOf(octets [6]byte) (a Address) {
	for i, octet := range octets {
		a |= Address(octet) << (8 * i)
	}
	return a
}

// Octets is the inverse of AddressOf. ok is false for more than 48 bits.
func (a Address) Octets() (octets [6]byte, ok bool) {
	for i := range octets {
		octets[i] = byte(a >> (8 * i)) //nolint:gosec // one octet
	}
	return octets, a>>48 == 0
}

// SubscribeAdvertisements asks for the reports of all advertisements.
type SubscribeAdvertisements struct {
	Flags uint32 `esp:"1"` // 1: as Advertisements, undecoded
}

// UnsubscribeAdvertisements ends SubscribeAdvertisements.
type UnsubscribeAdvertisements struct{}

// Advertisements are reports of advertisements.
type Advertisements struct {
	Reports []Advertisement `esp:"1"`
}

// Advertisement is one report: the AD structures as the device sent them.
type Advertisement struct {
	Address Address     `esp:"1"`
	RSSI    int32       `esp:"2,zigzag"` // dBm; -127 if unknown
	Kind    AddressKind `esp:"3"`
	Data    []byte      `esp:"4"`
}

// AddressKind is the kind of an address, numbered as in reports of HCI: 0 is public,
// 1 random, 2 a public and 3 a random identity.
type AddressKind uint32

// ScannerState tells the state of the scanner and its mode. Configured is the mode that
// the server begins with.
type ScannerState struct {
	State      ScanState `esp:"1,zero"`
	Mode       ScanMode  `esp:"2,zero"`
	Configured ScanMode  `esp:"3,zero"`
}

// ScanState is the state of a scanner.
type ScanState uint32

// States of a scanner.
const (
	ScanIdle ScanState = iota
	ScanStarting
	ScanRunning
	ScanFailed
	ScanStopping
	ScanStopped
)

// ScanMode is passive or active.
type ScanMode uint32

// Modes of a scanner.
const (
	ScanPassive ScanMode = iota
	ScanActive
)

// SetScannerMode asks for another mode of the scanner.
type SetScannerMode struct {
	Mode ScanMode `esp:"1"`
}

// DeviceRequest asks for something to be done with a device.
type DeviceRequest struct {
	Address Address     `esp:"1"`
	Type    RequestType `esp:"2"`
	HasKind bool        `esp:"3"`
	Kind    AddressKind `esp:"4"`
}

// RequestType is the action that a DeviceRequest asks for.
type RequestType uint32

// Types of DeviceRequest.
const (
	ConnectV1 RequestType = iota // refused by current servers
	Disconnect
	Pair
	Unpair
	ConnectWithCache // the client has the table
	ConnectWithoutCache
	ClearCache
)

// DeviceConnection tells that a link is up, or why it is not. It is the only answer to a
// request to connect or to disconnect, and comes unasked when a link ends.
type DeviceConnection struct {
	Address   Address `esp:"1"`
	Connected bool    `esp:"2"`
	MTU       uint32  `esp:"3"`
	Error     int32   `esp:"4"`
}

// SubscribeSlots asks for Slots, now and after each change.
type SubscribeSlots struct{}

// Slots tells how many connection slots are free, and which devices have the others:
// Allocated has Limit − Free addresses.
type Slots struct {
	Free      uint32    `esp:"1,zero"`
	Limit     uint32    `esp:"2,zero"`
	Allocated []Address `esp:"3"`
}

// PairResponse answers a DeviceRequest to pair.
type PairResponse struct {
	Address Address `esp:"1"`
	Paired  bool    `esp:"2"`
	Error   int32   `esp:"3"`
}

// UnpairResponse answers a DeviceRequest to unpair.
type UnpairResponse struct {
	Address Address `esp:"1"`
	Success bool    `esp:"2"`
	Error   int32   `esp:"3"`
}

// ClearCacheResponse answers a DeviceRequest to clear the cache.
type ClearCacheResponse struct {
	Address Address `esp:"1"`
	Success bool    `esp:"2"`
	Error   int32   `esp:"3"`
}

// SetParams asks for other connection parameters: intervals in units of 1.25 ms, the
// timeout in units of 10 ms.
type SetParams struct {
	Address     Address `esp:"1"`
	IntervalMin uint32  `esp:"2"`
	IntervalMax uint32  `esp:"3"`
	Latency     uint32  `esp:"4"`
	Timeout     uint32  `esp:"5"`
}

// SetParamsResponse answers SetParams.
type SetParamsResponse struct {
	Address Address `esp:"1"`
	Error   int32   `esp:"2"`
}
