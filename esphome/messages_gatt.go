package esphome

// ServicesRequest asks for the table of a connected device.
type ServicesRequest struct {
	Address Address `esp:"1"`
}

// ServicesResponse has some services of a device. Several of them, in ascending order of
// handles, make the table, which ServicesDone ends.
type ServicesResponse struct {
	Address  Address   `esp:"1"`
	Services []Service `esp:"2"`
}

// ServicesDone ends a whole table. A table that could not be read whole is not ended.
type ServicesDone struct {
	Address Address `esp:"1"`
}

// Service is a service with its first handle.
type Service struct {
	UUID            []uint64         `esp:"1,uuid"` // see EncodeUUID
	Handle          uint32           `esp:"2"`
	Characteristics []Characteristic `esp:"3"`
	Short           uint32           `esp:"4"`
}

// Characteristic is a characteristic with the handle of its value, and the properties of
// its declaration.
type Characteristic struct {
	UUID        []uint64     `esp:"1,uuid"`
	Handle      uint32       `esp:"2"`
	Properties  uint32       `esp:"3"`
	Descriptors []Descriptor `esp:"4"`
	Short       uint32       `esp:"5"`
}

// Descriptor is a descriptor of a characteristic.
type Descriptor struct {
	UUID   []uint64 `esp:"1,uuid"`
	Handle uint32   `esp:"2"`
	Short  uint32   `esp:"3"`
}

// ReadRequest reads the value of a characteristic.
type ReadRequest struct {
	Address Address `esp:"1"`
	Handle  uint32  `esp:"2"`
}

// ReadDescriptorRequest reads the value of a descriptor.
type ReadDescriptorRequest struct {
	Address Address `esp:"1"`
	Handle  uint32  `esp:"2"`
}

// ReadResponse answers ReadRequest and ReadDescriptorRequest.
type ReadResponse struct {
	Address Address `esp:"1"`
	Handle  uint32  `esp:"2"`
	Data    []byte  `esp:"3"`
}

// WriteRequest writes the value of a characteristic, as a write with or without response.
// Either is answered.
type WriteRequest struct {
	Address  Address `esp:"1"`
	Handle   uint32  `esp:"2"`
	Response bool    `esp:"3"`
	Data     []byte  `esp:"4"`
}

// WriteDescriptorRequest writes the value of a descriptor.
type WriteDescriptorRequest struct {
	Address Address `esp:"1"`
	Handle  uint32  `esp:"2"`
	Data    []byte  `esp:"3"`
}

// WriteResponse answers WriteRequest and WriteDescriptorRequest.
type WriteResponse struct {
	Address Address `esp:"1"`
	Handle  uint32  `esp:"2"`
}

// NotifyRequest has a server forward the notifications and indications of a
// characteristic, or stop.
type NotifyRequest struct {
	Address Address `esp:"1"`
	Handle  uint32  `esp:"2"`
	Enable  bool    `esp:"3"`
}

// NotifyResponse answers NotifyRequest.
type NotifyResponse struct {
	Address Address `esp:"1"`
	Handle  uint32  `esp:"2"`
}

// NotifyData is a value that a device notified or indicated.
type NotifyData struct {
	Address Address `esp:"1"`
	Handle  uint32  `esp:"2"`
	Data    []byte  `esp:"3"`
}

// GATTError answers a request for services (its Handle is 0) or an operation that failed.
// Error is an ATT error code, -1 if the device is not connected, or one of the numbers
// 128 to 255 of Bluedroid.
type GATTError struct {
	Address Address `esp:"1"`
	Handle  uint32  `esp:"2"`
	Error   int32   `esp:"3"`
}
