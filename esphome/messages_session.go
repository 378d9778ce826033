package esphome

// HelloRequest is the first message of a client: its name, and the version of the API
// that it speaks. A client that says nothing has version 0.0.
type HelloRequest struct {
	Client string `esp:"1"`
	Major  uint32 `esp:"2"`
	Minor  uint32 `esp:"3"`
}

// HelloResponse is the answer: the version of the server, at most 32 octets of
// information about it, and its name, at most 31 octets.
type HelloResponse struct {
	Major  uint32 `esp:"1"`
	Minor  uint32 `esp:"2"`
	Server string `esp:"3"`
	Name   string `esp:"4"`
}

// AuthenticationRequest carries the password that clients of older versions send.
type AuthenticationRequest struct {
	Password string `esp:"1"`
}

// AuthenticationResponse answers AuthenticationRequest.
type AuthenticationResponse struct {
	Invalid bool `esp:"1"`
}

// DisconnectRequest announces that its sender closes the connection once it is answered.
type DisconnectRequest struct {
	Reason uint32 `esp:"1"`
}

// DisconnectResponse answers DisconnectRequest.
type DisconnectResponse struct{}

// PingRequest asks for a PingResponse, to learn whether the other end is alive.
type PingRequest struct{}

// PingResponse answers PingRequest.
type PingResponse struct{}

// DeviceInfoRequest asks for DeviceInfoResponse.
type DeviceInfoRequest struct{}

// DeviceInfoResponse describes a server. MAC and BluetoothMAC are written as
// "AA:BB:CC:DD:EE:FF". Manufacturer is at most 20 octets long.
type DeviceInfoResponse struct {
	Name           string     `esp:"2"`
	MAC            string     `esp:"3"`
	Version        string     `esp:"4"` // of ESPHome, whose API the server has
	Compiled       string     `esp:"5"` // when it was built
	Model          string     `esp:"6"`
	Project        string     `esp:"8"` // "vendor.product"
	ProjectVersion string     `esp:"9"`
	ProxyVersion   uint32     `esp:"11"` // for clients before API 1.9
	Manufacturer   string     `esp:"12"`
	FriendlyName   string     `esp:"13"`
	Proxy          ProxyFlags `esp:"15"`
	Area           string     `esp:"16"`
	BluetoothMAC   string     `esp:"18"`
	Encryption     bool       `esp:"19"`
	Provisionable  bool       `esp:"26"`
}

// ProxyFlags are the features of a Bluetooth proxy.
type ProxyFlags uint32

// Features of a Bluetooth proxy.
const (
	FlagPassiveScan   ProxyFlags = 1 << iota
	FlagConnections              // it connects to devices
	FlagRemoteCaching            // its client keeps tables, and writes the CCCDs itself
	FlagPairing
	FlagCacheClearing
	FlagRawAdvertisements
	FlagScannerState // it tells the state and the mode of its scanner
	FlagParams       // it changes connection parameters
)

// AllFlags are all features of a Bluetooth proxy.
const AllFlags = FlagPassiveScan | FlagConnections | FlagRemoteCaching | FlagPairing |
	FlagCacheClearing | FlagRawAdvertisements | FlagScannerState | FlagParams

// ListEntitiesRequest asks for the entities of a server. A proxy has none.
type ListEntitiesRequest struct{}

// ListEntitiesDone ends the list of entities.
type ListEntitiesDone struct{}

// SubscribeStates asks for the states of entities.
type SubscribeStates struct{}

// SubscribeServices asks for calls of Home Assistant's services.
type SubscribeServices struct{}

// SubscribeHomeStates asks for the states that a server wants of Home Assistant.
type SubscribeHomeStates struct{}

// SubscribeLogs asks for log lines up to a level: 1 is an error, 2 a warning, 3
// information, 4 configuration, 5 debug.
type SubscribeLogs struct {
	Level      uint32 `esp:"1"`
	DumpConfig bool   `esp:"2"`
}

// LogLine is a line of the server's log.
type LogLine struct {
	Level   uint32 `esp:"1"`
	Message []byte `esp:"3"`
}

// TimeRequest asks for the time.
type TimeRequest struct{}

// TimeResponse answers TimeRequest. Like every fixed32 field the time is skipped.
type TimeResponse struct{}

// CapabilitiesRequest asks a server of API 1.15 or later for CapabilitiesResponse.
type CapabilitiesRequest struct{}

// CapabilitiesResponse has the features that DeviceInfoResponse had before API 1.15.
type CapabilitiesResponse struct {
	Proxy ProxyCapabilities `esp:"1"`
}

// ProxyCapabilities are those of a Bluetooth proxy.
type ProxyCapabilities struct {
	Flags ProxyFlags `esp:"1"`
	MAC   string     `esp:"2"`
}
