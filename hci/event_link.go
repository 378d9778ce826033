package hci

import (
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// DisconnectionComplete reports the end of a link (Vol 4, Part E, 7.7.5).
type DisconnectionComplete struct {
	Status Status // other than success: a Disconnect failed, and the link lives
	Handle Handle
	Reason Status // reason for the end
}

func (*DisconnectionComplete) event() (code, subevent uint8) { return EvDisconnectionComplete, 0 }

func (e *DisconnectionComplete) readParams(r *wire.Reader) error {
	e.Status, e.Handle = Status(r.U8()), readHandle(r)
	e.Reason = Status(r.U8())
	return nil
}

func (e *DisconnectionComplete) appendParams(b []byte) []byte {
	b = appendHandle(append(b, uint8(e.Status)), e.Handle)
	return append(b, uint8(e.Reason))
}

// ReadRemoteVersionInformationComplete reports the version of the peer's link layer.
// Versions and manufacturers are assigned numbers; version 13 is Core 5.4
// (Vol 4, Part E, 7.7.12).
type ReadRemoteVersionInformationComplete struct {
	Status       Status
	Handle       Handle
	Version      uint8
	Manufacturer uint16
	Subversion   uint16
}

func (*ReadRemoteVersionInformationComplete) event() (code, subevent uint8) {
	return EvReadRemoteVersionInformationComplete, 0
}

func (e *ReadRemoteVersionInformationComplete) readParams(r *wire.Reader) error {
	e.Status, e.Handle = Status(r.U8()), readHandle(r)
	e.Version, e.Manufacturer, e.Subversion = r.U8(), r.U16(), r.U16()
	return nil
}

func (e *ReadRemoteVersionInformationComplete) appendParams(b []byte) []byte {
	b = appendHandle(append(b, uint8(e.Status)), e.Handle)
	b = wire.AppendU16(append(b, e.Version), e.Manufacturer)
	return wire.AppendU16(b, e.Subversion)
}

// LEConnectionComplete reports a new link, or the failure to make one
// (Vol 4, Part E, 7.7.65.1). The other fields are meaningful only if Status is
// success.
type LEConnectionComplete struct {
	Status        Status
	Handle        Handle
	Role          Role // of this host
	Peer          Addr
	Params        ConnParamsInUse
	ClockAccuracy uint8 // of the central, at the peripheral: 0 is 500 ppm, 7 is 20 ppm
}

func (*LEConnectionComplete) event() (code, subevent uint8) { return EvLEMeta, EvLEConnectionComplete }

func (e *LEConnectionComplete) readParams(r *wire.Reader) error {
	e.Status, e.Handle = Status(r.U8()), readHandle(r)
	e.Role, e.Peer = Role(r.U8()), readAddr(r)
	e.Params, e.ClockAccuracy = readInUse(r), r.U8()
	return nil
}

func (e *LEConnectionComplete) appendParams(b []byte) []byte {
	b = appendHandle(append(b, uint8(e.Status)), e.Handle)
	b = appendAddr(append(b, uint8(e.Role)), e.Peer)
	return append(appendInUse(b, e.Params), e.ClockAccuracy)
}

// LEEnhancedConnectionComplete is LEConnectionComplete of a controller that resolves
// private addresses (Vol 4, Part E, 7.7.65.10).
type LEEnhancedConnectionComplete struct {
	Status Status
	Handle Handle
	Role   Role // of this host
	Peer   Addr // identity address if its kind is an identity kind
	// LocalRPA and PeerRPA are the resolvable private addresses on air; zero if
	// there are none.
	LocalRPA, PeerRPA MAC
	Params            ConnParamsInUse
	ClockAccuracy     uint8 // of the central, at the peripheral: 0 is 500 ppm, 7 is 20 ppm

	// V2 selects version 2 of the event. Only version 2 includes the fields below.
	V2                bool
	AdvertisingHandle uint8  // set that the central has connected to; 0xFF if none
	SyncHandle        uint16 // periodic advertising train; 0xFFFF if none
}

func (e *LEEnhancedConnectionComplete) event() (code, subevent uint8) {
	if e.V2 {
		return EvLEMeta, EvLEEnhancedConnectionCompleteV2
	}
	return EvLEMeta, EvLEEnhancedConnectionComplete
}

func (e *LEEnhancedConnectionComplete) readParams(r *wire.Reader) error {
	e.Status, e.Handle = Status(r.U8()), readHandle(r)
	e.Role, e.Peer = Role(r.U8()), readAddr(r)
	e.LocalRPA, e.PeerRPA = readMAC(r), readMAC(r)
	e.Params, e.ClockAccuracy = readInUse(r), r.U8()
	e.AdvertisingHandle, e.SyncHandle = noAdvertisingHandle, noSyncHandle
	if e.V2 {
		e.AdvertisingHandle, e.SyncHandle = r.U8(), r.U16()
	}
	return nil
}

func (e *LEEnhancedConnectionComplete) appendParams(b []byte) []byte {
	b = appendHandle(append(b, uint8(e.Status)), e.Handle)
	b = appendAddr(append(b, uint8(e.Role)), e.Peer)
	b = append(append(b, e.LocalRPA[:]...), e.PeerRPA[:]...)
	b = append(appendInUse(b, e.Params), e.ClockAccuracy)
	if e.V2 {
		b = wire.AppendU16(append(b, e.AdvertisingHandle), e.SyncHandle)
	}
	return b
}

// The values of AdvertisingHandle and SyncHandle that mean none.
const (
	noAdvertisingHandle = 0xFF
	noSyncHandle        = 0xFFFF
)

// LEConnectionUpdateComplete reports the connection parameters that are now in use
// (Vol 4, Part E, 7.7.65.3).
type LEConnectionUpdateComplete struct {
	Status Status
	Handle Handle
	Params ConnParamsInUse
}

func (*LEConnectionUpdateComplete) event() (code, subevent uint8) {
	return EvLEMeta, EvLEConnectionUpdateComplete
}

func (e *LEConnectionUpdateComplete) readParams(r *wire.Reader) error {
	e.Status, e.Handle = Status(r.U8()), readHandle(r)
	e.Params = readInUse(r)
	return nil
}

func (e *LEConnectionUpdateComplete) appendParams(b []byte) []byte {
	return appendInUse(appendHandle(append(b, uint8(e.Status)), e.Handle), e.Params)
}

// LEReadRemoteFeaturesComplete reports page 0 of the peer's link layer features
// (Vol 4, Part E, 7.7.65.4).
type LEReadRemoteFeaturesComplete struct {
	Status   Status
	Handle   Handle
	Features Features
}

func (*LEReadRemoteFeaturesComplete) event() (code, subevent uint8) {
	return EvLEMeta, EvLEReadRemoteFeaturesComplete
}

func (e *LEReadRemoteFeaturesComplete) readParams(r *wire.Reader) error {
	e.Status, e.Handle = Status(r.U8()), readHandle(r)
	e.Features = Features(r.U64())
	return nil
}

func (e *LEReadRemoteFeaturesComplete) appendParams(b []byte) []byte {
	b = appendHandle(append(b, uint8(e.Status)), e.Handle)
	return wire.AppendU64(b, uint64(e.Features))
}

// LERemoteConnectionParameterRequest reports the peer's request for connection
// parameters. The host must answer it with one of the two replies
// (Vol 4, Part E, 7.7.65.6).
type LERemoteConnectionParameterRequest struct {
	Handle Handle
	Params ConnParams // not validated
}

func (*LERemoteConnectionParameterRequest) event() (code, subevent uint8) {
	return EvLEMeta, EvLERemoteConnectionParameterRequest
}

func (e *LERemoteConnectionParameterRequest) readParams(r *wire.Reader) error {
	e.Handle, e.Params = readHandle(r), readConnParams(r)
	return nil
}

func (e *LERemoteConnectionParameterRequest) appendParams(b []byte) []byte {
	b = appendHandle(b, e.Handle)
	b = wire.AppendU16(b, connInterval.steps(e.Params.IntervalMin))
	b = wire.AppendU16(b, connInterval.steps(e.Params.IntervalMax))
	return wire.AppendU16(wire.AppendU16(b, e.Params.Latency), supervisionTimeout.steps(e.Params.Timeout))
}

// LEDataLengthChange reports the length of the longest packets of a link from now on:
// payload in octets, time on air (Vol 4, Part E, 7.7.65.7).
type LEDataLengthChange struct {
	Handle      Handle
	MaxTXOctets uint16
	MaxTXTime   time.Duration
	MaxRXOctets uint16
	MaxRXTime   time.Duration
}

func (*LEDataLengthChange) event() (code, subevent uint8) { return EvLEMeta, EvLEDataLengthChange }

func (e *LEDataLengthChange) readParams(r *wire.Reader) error {
	e.Handle = readHandle(r)
	e.MaxTXOctets, e.MaxTXTime = r.U16(), packetTime.time(r.U16())
	e.MaxRXOctets, e.MaxRXTime = r.U16(), packetTime.time(r.U16())
	return nil
}

func (e *LEDataLengthChange) appendParams(b []byte) []byte {
	b = wire.AppendU16(appendHandle(b, e.Handle), e.MaxTXOctets)
	b = wire.AppendU16(wire.AppendU16(b, packetTime.steps(e.MaxTXTime)), e.MaxRXOctets)
	return wire.AppendU16(b, packetTime.steps(e.MaxRXTime))
}

// LEPHYUpdateComplete reports the PHYs of a link from now on
// (Vol 4, Part E, 7.7.65.12).
type LEPHYUpdateComplete struct {
	Status Status
	Handle Handle
	TX, RX PHY
}

func (*LEPHYUpdateComplete) event() (code, subevent uint8) { return EvLEMeta, EvLEPHYUpdateComplete }

func (e *LEPHYUpdateComplete) readParams(r *wire.Reader) error {
	e.Status, e.Handle = Status(r.U8()), readHandle(r)
	e.TX, e.RX = PHY(r.U8()), PHY(r.U8())
	return nil
}

func (e *LEPHYUpdateComplete) appendParams(b []byte) []byte {
	b = appendHandle(append(b, uint8(e.Status)), e.Handle)
	return append(b, uint8(e.TX), uint8(e.RX))
}

// LEChannelSelectionAlgorithm reports how a new link selects its channels
// (Vol 4, Part E, 7.7.65.20).
type LEChannelSelectionAlgorithm struct {
	Handle    Handle
	Algorithm uint8 // 0 for #1, 1 for #2
}

func (*LEChannelSelectionAlgorithm) event() (code, subevent uint8) {
	return EvLEMeta, EvLEChannelSelectionAlgorithm
}

func (e *LEChannelSelectionAlgorithm) readParams(r *wire.Reader) error {
	e.Handle, e.Algorithm = readHandle(r), r.U8()
	return nil
}

func (e *LEChannelSelectionAlgorithm) appendParams(b []byte) []byte {
	return append(appendHandle(b, e.Handle), e.Algorithm)
}

func readInUse(r *wire.Reader) ConnParamsInUse {
	return ConnParamsInUse{
		Interval: connInterval.time(r.U16()), Latency: r.U16(), Timeout: supervisionTimeout.time(r.U16()),
	}
}

func appendInUse(b []byte, p ConnParamsInUse) []byte {
	b = wire.AppendU16(wire.AppendU16(b, connInterval.steps(p.Interval)), p.Latency)
	return wire.AppendU16(b, supervisionTimeout.steps(p.Timeout))
}

func appendAddr(b []byte, a Addr) []byte { return append(append(b, uint8(a.Kind)), a.MAC[:]...) }
