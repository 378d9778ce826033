package hci

import (
	"fmt"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// unit is the encoding of a time in a field: a number of steps in a range.
type unit struct {
	step, low, high time.Duration // the range is low to high, inclusive
	none            bool          // 0 is allowed too and means none or no limit
}

// The steps of the LE commands.
const (
	us625  = 625 * time.Microsecond
	us1250 = 1250 * time.Microsecond
	ms10   = 10 * time.Millisecond
)

var (
	connInterval       = unit{step: us1250, low: 6 * us1250, high: 3200 * us1250}
	supervisionTimeout = unit{step: ms10, low: 10 * ms10, high: 3200 * ms10}
	eventLength        = unit{step: us625, low: 0, high: 0xFFFF * us625}
	scanTime           = unit{step: us625, low: 4 * us625, high: 0x4000 * us625}
	extScanTime        = unit{step: us625, low: 4 * us625, high: 0xFFFF * us625}
	extScanDuration    = unit{step: ms10, low: ms10, high: 0xFFFF * ms10, none: true}
	extScanPeriod      = unit{step: 128 * ms10, low: 128 * ms10, high: 0xFFFF * 128 * ms10, none: true}
	advInterval        = unit{step: us625, low: 0x20 * us625, high: 0x4000 * us625}
	extAdvInterval     = unit{step: us625, low: 0x20 * us625, high: 0xFFFFFF * us625}
	periodicInterval   = unit{step: us1250, low: 6 * us1250, high: 0xFFFF * us1250}
	syncTimeout        = unit{step: ms10, low: 10 * ms10, high: 0x4000 * ms10}
	advDuration        = unit{step: ms10, low: ms10, high: 0xFFFF * ms10, none: true}
	packetTime         = unit{step: time.Microsecond, low: 0x148 * time.Microsecond, high: 0x4290 * time.Microsecond}
	rpaTimeout         = unit{step: time.Second, low: time.Second, high: 0xE10 * time.Second}
)

// check returns a *ParamError unless d is in the range and a whole number of steps.
func (u unit) check(op Opcode, field string, d time.Duration) error {
	if d >= u.low && d <= u.high && d%u.step == 0 || u.none && d == 0 {
		return nil
	}
	want := fmt.Sprintf("%v to %v in steps of %v", u.low, u.high, u.step)
	if u.none {
		want = "0 or " + want
	}
	return &ParamError{op, field, d.String(), want}
}

// steps returns d in steps, rounded down and limited to a field of two octets. It is
// for encoders of events, which do not return errors.
func (u unit) steps(d time.Duration) uint16 {
	return uint16(min(max(d/u.step, 0), 0xFFFF))
}

// time returns the time of n steps.
func (u unit) time(n uint16) time.Duration { return time.Duration(n) * u.step }

// time24 is time for a field of three octets.
func (u unit) time24(n uint32) time.Duration { return time.Duration(n) * u.step }

// paramWriter appends the parameters of a command. It keeps the error of the first
// value that is not allowed, so that an encoder checks for an error only at its end.
type paramWriter struct {
	op  Opcode
	b   []byte
	err error
}

func (w *paramWriter) done() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	return w.b, nil
}

func (w *paramWriter) reject(field string, value any, want string) {
	if w.err == nil {
		w.err = &ParamError{w.op, field, fmt.Sprint(value), want}
	}
}

func (w *paramWriter) u8(v uint8)     { w.b = append(w.b, v) }
func (w *paramWriter) u16(v uint16)   { w.b = wire.AppendU16(w.b, v) }
func (w *paramWriter) flag(v bool)    { w.b = wire.AppendBool(w.b, v) }
func (w *paramWriter) bytes(v []byte) { w.b = append(w.b, v...) }
func (w *paramWriter) mac(v MAC)      { w.b = append(w.b, v[:]...) }
func (w *paramWriter) addr(v Addr)    { w.u8(uint8(v.Kind)); w.mac(v.MAC) }

// upTo appends v, which must be from low to high.
func (w *paramWriter) upTo(field string, v, low, high uint8) {
	if v < low || v > high {
		w.reject(field, v, fmt.Sprintf("%d to %d", low, high))
	}
	w.u8(v)
}

// connHandle appends a connection handle.
func (w *paramWriter) connHandle(h Handle) {
	if h > MaxHandle {
		w.reject("Connection_Handle", fmt.Sprintf("0x%04x", uint16(h)), "0x0000 to 0x0eff")
	}
	w.u16(uint16(h))
}

// time appends d in two octets.
func (w *paramWriter) time(field string, d time.Duration, u unit) {
	if err := u.check(w.op, field, d); err != nil && w.err == nil {
		w.err = err
	}
	w.u16(u.steps(d))
}

// time24 appends d in three octets.
func (w *paramWriter) time24(field string, d time.Duration, u unit) {
	if err := u.check(w.op, field, d); err != nil && w.err == nil {
		w.err = err
	}
	w.b = wire.AppendU24(w.b, uint32(d/u.step))
}

// timeRange appends two times. The first must not be above the second.
func (w *paramWriter) timeRange(minField, maxField string, low, high time.Duration, u unit) {
	w.time(minField, low, u)
	w.time(maxField, high, u)
	w.notAbove(minField, low, maxField, high)
}

func (w *paramWriter) notAbove(field string, d time.Duration, limit string, high time.Duration) {
	if d > high {
		w.reject(field, d, "at most "+limit+", "+high.String())
	}
}

// scanTiming appends a scan interval and a scan window.
func (w *paramWriter) scanTiming(interval, window time.Duration, u unit) {
	w.time("LE_Scan_Interval", interval, u)
	w.time("LE_Scan_Window", window, u)
	w.notAbove("LE_Scan_Window", window, "LE_Scan_Interval", interval)
}

// connParams appends connection parameters and the length of connection events.
func (w *paramWriter) connParams(p ConnParams, ceMin, ceMax time.Duration) {
	if err := p.validateFor(w.op); err != nil && w.err == nil {
		w.err = err
	}
	w.u16(connInterval.steps(p.IntervalMin))
	w.u16(connInterval.steps(p.IntervalMax))
	w.u16(p.Latency)
	w.u16(supervisionTimeout.steps(p.Timeout))
	w.timeRange("Min_CE_Length", "Max_CE_Length", ceMin, ceMax, eventLength)
}

// data appends a length octet and the data.
func (w *paramWriter) data(field string, v []byte, limit int) {
	if len(v) > limit {
		w.reject("length of "+field, len(v), fmt.Sprintf("at most %d octets", limit))
		return
	}
	w.u8(uint8(len(v)))
	w.bytes(v)
}

// readConn reads the form of connParams.
func readConn(r *wire.Reader) (p ConnParams, ceMin, ceMax time.Duration) {
	p = readConnParams(r)
	return p, eventLength.time(r.U16()), eventLength.time(r.U16())
}

func readConnParams(r *wire.Reader) ConnParams {
	return ConnParams{
		IntervalMin: connInterval.time(r.U16()), IntervalMax: connInterval.time(r.U16()),
		Latency: r.U16(), Timeout: supervisionTimeout.time(r.U16()),
	}
}

func readHandle(r *wire.Reader) Handle { return Handle(r.U16() & handleMask) }

func readAddr(r *wire.Reader) Addr {
	a := Addr{Kind: AddrKind(r.U8())}
	r.Copy(a.MAC[:])
	return a
}

func readMAC(r *wire.Reader) (m MAC) {
	r.Copy(m[:])
	return m
}

func readKey(r *wire.Reader) (k [16]byte) {
	r.Copy(k[:])
	return k
}

// readData reads a length octet and that many octets, which it copies.
func readData(r *wire.Reader) []byte { return append([]byte(nil), r.Bytes(int(r.U8()))...) }
