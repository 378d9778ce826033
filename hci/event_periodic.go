package hci

import (
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// LEPeriodicAdvertisingSyncEstablished reports the outcome of
// LEPeriodicAdvertisingCreateSync (Vol 4, Part E, 7.7.65.14).
type LEPeriodicAdvertisingSyncEstablished struct {
	Status     Status
	Sync       Handle // sync handle; meaningful after success, as all below
	SID        uint8  // advertising SID, 0 to 15
	Advertiser Addr
	PHY        PHY
	Interval   time.Duration // of the periodic advertising, in steps of 1.25 ms
	// ClockAccuracy is the accuracy of the advertiser's clock: 0 is 500 ppm, 7 is 20 ppm.
	ClockAccuracy uint8
}

func (*LEPeriodicAdvertisingSyncEstablished) event() (code, subevent uint8) {
	return EvLEMeta, EvLEPeriodicAdvertisingSyncEstablished
}

func (e *LEPeriodicAdvertisingSyncEstablished) readParams(r *wire.Reader) error {
	e.Status, e.Sync, e.SID = Status(r.U8()), readHandle(r), r.U8()
	e.Advertiser = readAddr(r)
	e.PHY, e.Interval, e.ClockAccuracy = PHY(r.U8()), periodicInterval.time(r.U16()), r.U8()
	return nil
}

func (e *LEPeriodicAdvertisingSyncEstablished) appendParams(b []byte) []byte {
	b = append(appendHandle(append(b, uint8(e.Status)), e.Sync), e.SID)
	b = append(appendAddr(b, e.Advertiser), uint8(e.PHY))
	return append(wire.AppendU16(b, periodicInterval.steps(e.Interval)), e.ClockAccuracy)
}

// PeriodicDataStatus is the completeness of the data of a report of periodic
// advertising.
type PeriodicDataStatus uint8

// The values of PeriodicDataStatus.
const (
	PeriodicComplete   PeriodicDataStatus = 0x00
	PeriodicIncomplete PeriodicDataStatus = 0x01 // more data follows in another report
	PeriodicTruncated  PeriodicDataStatus = 0x02 // the rest is lost
)

// LEPeriodicAdvertisingReport holds data of periodic advertising
// (Vol 4, Part E, 7.7.65.15).
type LEPeriodicAdvertisingReport struct {
	Sync    Handle // sync handle
	TxPower int8   // dBm; 127 means unknown
	RSSI    int8   // dBm; 127 means unknown
	CTEType uint8  // kind of Constant Tone Extension; 0xFF if there is none
	Status  PeriodicDataStatus
	Data    AdvData // aliases the decoded packet
}

// MaxPeriodicReportData is the longest data of one LEPeriodicAdvertisingReport in octets.
const MaxPeriodicReportData = maxParamsLen - 8

func (*LEPeriodicAdvertisingReport) event() (code, subevent uint8) {
	return EvLEMeta, EvLEPeriodicAdvertisingReport
}

func (e *LEPeriodicAdvertisingReport) readParams(r *wire.Reader) error {
	e.Sync = readHandle(r)
	e.TxPower, e.RSSI, e.CTEType = r.I8(), r.I8(), r.U8()
	e.Status, e.Data = PeriodicDataStatus(r.U8()), r.Bytes(int(r.U8()))
	return nil
}

func (e *LEPeriodicAdvertisingReport) appendParams(b []byte) []byte {
	data := e.Data[:min(len(e.Data), MaxPeriodicReportData)]
	b = append(appendHandle(b, e.Sync), uint8(e.TxPower), uint8(e.RSSI), e.CTEType)
	return append(append(b, uint8(e.Status), uint8(len(data))), data...)
}

// LEPeriodicAdvertisingSyncLost reports that no packet was received for the timeout of a
// synchronization (Vol 4, Part E, 7.7.65.16).
type LEPeriodicAdvertisingSyncLost struct {
	Sync Handle // sync handle
}

func (*LEPeriodicAdvertisingSyncLost) event() (code, subevent uint8) {
	return EvLEMeta, EvLEPeriodicAdvertisingSyncLost
}

func (e *LEPeriodicAdvertisingSyncLost) readParams(r *wire.Reader) error {
	e.Sync = readHandle(r)
	return nil
}

func (e *LEPeriodicAdvertisingSyncLost) appendParams(b []byte) []byte { return appendHandle(b, e.Sync) }
