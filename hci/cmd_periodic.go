package hci

import (
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// MaxPeriodicData is the longest data of one LESetPeriodicAdvertisingData in octets.
const MaxPeriodicData = 252

// LESetPeriodicAdvertisingParameters sets the parameters of the periodic advertising of
// an advertising set (Vol 4, Part E, 7.8.61).
type LESetPeriodicAdvertisingParameters struct {
	Handle uint8 // advertising set, 0 to 0xEF
	// IntervalMin and IntervalMax are 7.5 ms to 81.91875 s in steps of 1.25 ms.
	IntervalMin, IntervalMax time.Duration
	// Properties are none, or AdvPropIncludeTxPower.
	Properties AdvProperties
}

// Opcode returns OpLESetPeriodicAdvertisingParameters.
func (LESetPeriodicAdvertisingParameters) Opcode() Opcode {
	return OpLESetPeriodicAdvertisingParameters
}

// AppendParams implements Params.
func (c LESetPeriodicAdvertisingParameters) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.advHandle(c.Handle)
	w.timeRange("Periodic_Advertising_Interval_Min", "Periodic_Advertising_Interval_Max", c.IntervalMin, c.IntervalMax, periodicInterval)
	w.properties(c.Properties)
	return w.done()
}

func (c *LESetPeriodicAdvertisingParameters) readParams(r *wire.Reader) {
	c.Handle = r.U8()
	c.IntervalMin, c.IntervalMax = periodicInterval.time(r.U16()), periodicInterval.time(r.U16())
	c.Properties = AdvProperties(r.U16())
}

func (LESetPeriodicAdvertisingParameters) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetPeriodicAdvertisingData sets the data of the periodic advertising of an
// advertising set (Vol 4, Part E, 7.8.62).
type LESetPeriodicAdvertisingData struct {
	Handle    uint8 // advertising set, 0 to 0xEF
	Operation AdvOperation
	Data      []byte // AD structures or a part of them, at most MaxPeriodicData octets
}

// Opcode returns OpLESetPeriodicAdvertisingData.
func (LESetPeriodicAdvertisingData) Opcode() Opcode { return OpLESetPeriodicAdvertisingData }

// AppendParams implements Params.
func (c LESetPeriodicAdvertisingData) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.advHandle(c.Handle)
	w.upTo("Operation", uint8(c.Operation), 0, uint8(AdvDataUnchanged))
	w.data("Advertising_Data", c.Data, MaxPeriodicData)
	return w.done()
}

func (c *LESetPeriodicAdvertisingData) readParams(r *wire.Reader) {
	c.Handle, c.Operation = r.U8(), AdvOperation(r.U8())
	c.Data = readData(r)
}

func (LESetPeriodicAdvertisingData) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetPeriodicAdvertisingEnable starts or stops the periodic advertising of an
// advertising set. It begins once the set advertises (Vol 4, Part E, 7.8.63).
type LESetPeriodicAdvertisingEnable struct {
	Enable bool
	Handle uint8 // advertising set, 0 to 0xEF
}

// Opcode returns OpLESetPeriodicAdvertisingEnable.
func (LESetPeriodicAdvertisingEnable) Opcode() Opcode { return OpLESetPeriodicAdvertisingEnable }

// AppendParams implements Params.
func (c LESetPeriodicAdvertisingEnable) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.flag(c.Enable)
	w.advHandle(c.Handle)
	return w.done()
}

func (c *LESetPeriodicAdvertisingEnable) readParams(r *wire.Reader) {
	c.Enable = r.U8()&1 != 0 // bit 1 asks for an AdvDataInfo in the packets
	c.Handle = r.U8()
}

func (LESetPeriodicAdvertisingEnable) readReturn(r *wire.Reader) None { return readNothing(r) }

// LEPeriodicAdvertisingCreateSync synchronizes with periodic advertising once a scan
// has found it. LEPeriodicAdvertisingSyncEstablished reports the outcome
// (Vol 4, Part E, 7.8.67).
type LEPeriodicAdvertisingCreateSync struct {
	// Options are 0, or PeriodicReportsOff.
	Options    uint8
	SID        uint8 // advertising SID, 0 to 15
	Advertiser Addr
	Skip       uint16 // packets that may be skipped after each that was received, 0 to 499
	// Timeout is the time without a packet after which the synchronization is lost,
	// 100 ms to 163.84 s in steps of 10 ms.
	Timeout time.Duration
	CTEType uint8 // kinds of Constant Tone Extension not to synchronize with, bits 0 to 4
}

// PeriodicReportsOff creates a synchronization without reports.
const PeriodicReportsOff uint8 = 1 << 1

// Opcode returns OpLEPeriodicAdvertisingCreateSync.
func (LEPeriodicAdvertisingCreateSync) Opcode() Opcode { return OpLEPeriodicAdvertisingCreateSync }

func (LEPeriodicAdvertisingCreateSync) startsProcedure() {}

// AppendParams implements Params.
func (c LEPeriodicAdvertisingCreateSync) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.upTo("Options", c.Options, 0, 7)
	w.upTo("Advertising_SID", c.SID, 0, 15)
	w.identityAddr(c.Advertiser)
	if c.Skip > 0x1F3 {
		w.reject("Skip", c.Skip, "0 to 499")
	}
	w.u16(c.Skip)
	w.time("Sync_Timeout", c.Timeout, syncTimeout)
	w.upTo("Sync_CTE_Type", c.CTEType, 0, 0x1F)
	return w.done()
}

func (c *LEPeriodicAdvertisingCreateSync) readParams(r *wire.Reader) {
	c.Options, c.SID = r.U8(), r.U8()
	c.Advertiser = readAddr(r)
	c.Skip, c.Timeout = r.U16(), syncTimeout.time(r.U16())
	c.CTEType = r.U8()
}

// LEPeriodicAdvertisingCreateSyncCancel cancels LEPeriodicAdvertisingCreateSync, whose
// event then follows (Vol 4, Part E, 7.8.68).
type LEPeriodicAdvertisingCreateSyncCancel struct{}

// Opcode returns OpLEPeriodicAdvertisingCreateSyncCancel.
func (LEPeriodicAdvertisingCreateSyncCancel) Opcode() Opcode {
	return OpLEPeriodicAdvertisingCreateSyncCancel
}

// AppendParams appends nothing.
func (LEPeriodicAdvertisingCreateSyncCancel) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEPeriodicAdvertisingCreateSyncCancel) readParams(*wire.Reader) {}

func (LEPeriodicAdvertisingCreateSyncCancel) readReturn(r *wire.Reader) None { return readNothing(r) }

// LEPeriodicAdvertisingTerminateSync ends a synchronization (Vol 4, Part E, 7.8.69).
type LEPeriodicAdvertisingTerminateSync struct {
	Sync Handle // sync handle
}

// Opcode returns OpLEPeriodicAdvertisingTerminateSync.
func (LEPeriodicAdvertisingTerminateSync) Opcode() Opcode {
	return OpLEPeriodicAdvertisingTerminateSync
}

// AppendParams implements Params.
func (c LEPeriodicAdvertisingTerminateSync) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	if c.Sync > MaxHandle {
		w.reject("Sync_Handle", c.Sync, "0x0000 to 0x0eff")
	}
	w.u16(uint16(c.Sync))
	return w.done()
}

func (c *LEPeriodicAdvertisingTerminateSync) readParams(r *wire.Reader) { c.Sync = readHandle(r) }

func (LEPeriodicAdvertisingTerminateSync) readReturn(r *wire.Reader) None { return readNothing(r) }
