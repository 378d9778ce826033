package hci

import (
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// LESetScanParameters sets the parameters of a legacy scan
// (Vol 4, Part E, 7.8.10).
type LESetScanParameters struct {
	Active bool // requests scan responses
	// Interval and Window set how the controller listens, 2.5 ms to 10.24 s in steps
	// of 0.625 ms, the window at most the interval.
	Interval, Window time.Duration
	OwnAddrKind      AddrKind // own address, see AddrKind
	// FilterPolicy selects the advertisers: 0 all, 1 those on the filter accept list.
	// 2 and 3 are as 0 and 1, and also admit directed advertisements whose target is a
	// resolvable private address that the controller cannot resolve.
	FilterPolicy uint8
}

// Opcode returns OpLESetScanParameters.
func (LESetScanParameters) Opcode() Opcode { return OpLESetScanParameters }

// AppendParams implements Params.
func (c LESetScanParameters) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.flag(c.Active)
	w.scanTiming(c.Interval, c.Window, scanTime)
	w.ownAddrKind(c.OwnAddrKind)
	w.upTo("Scanning_Filter_Policy", c.FilterPolicy, 0, 3)
	return w.done()
}

func (c *LESetScanParameters) readParams(r *wire.Reader) {
	c.Active = r.Bool()
	c.Interval, c.Window = readScanTiming(r)
	c.OwnAddrKind = AddrKind(r.U8())
	c.FilterPolicy = r.U8()
}

func (LESetScanParameters) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetScanEnable starts or stops a legacy scan (Vol 4, Part E, 7.8.11).
type LESetScanEnable struct {
	Enable           bool
	FilterDuplicates bool // reports each advertiser once
}

// Opcode returns OpLESetScanEnable.
func (LESetScanEnable) Opcode() Opcode { return OpLESetScanEnable }

// AppendParams implements Params.
func (c LESetScanEnable) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.flag(c.Enable)
	w.flag(c.FilterDuplicates)
	return w.done()
}

func (c *LESetScanEnable) readParams(r *wire.Reader) {
	c.Enable = r.Bool()
	c.FilterDuplicates = r.Bool()
}

func (LESetScanEnable) readReturn(r *wire.Reader) None { return readNothing(r) }

// ScanningPHY holds the parameters of LESetExtendedScanParameters for one PHY.
type ScanningPHY struct {
	Active bool // requests scan responses
	// Interval and Window set how the controller listens on the PHY, 2.5 ms to
	// 40.96 s in steps of 0.625 ms, the window at most the interval.
	Interval, Window time.Duration
}

// LESetExtendedScanParameters sets the parameters of an extended scan
// (Vol 4, Part E, 7.8.64).
type LESetExtendedScanParameters struct {
	OwnAddrKind AddrKind // own address, see AddrKind
	// FilterPolicy selects the advertisers: 0 all, 1 those on the filter accept list.
	// 2 and 3 are as 0 and 1, and also admit directed advertisements whose target is a
	// resolvable private address that the controller cannot resolve.
	FilterPolicy uint8
	PHYs         PHYs          // to scan on: 1M, Coded or both
	Scanning     []ScanningPHY // one for each PHY, in the order 1M, Coded
}

// Opcode returns OpLESetExtendedScanParameters.
func (LESetExtendedScanParameters) Opcode() Opcode { return OpLESetExtendedScanParameters }

// AppendParams implements Params.
func (c LESetExtendedScanParameters) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.ownAddrKind(c.OwnAddrKind)
	w.upTo("Scanning_Filter_Policy", c.FilterPolicy, 0, 3)
	w.perPHY("Scanning_PHYs", c.PHYs, PHYs1M|PHYsCoded, len(c.Scanning))
	for _, p := range c.Scanning {
		w.flag(p.Active)
		w.scanTiming(p.Interval, p.Window, extScanTime)
	}
	return w.done()
}

func (c *LESetExtendedScanParameters) readParams(r *wire.Reader) {
	c.OwnAddrKind = AddrKind(r.U8())
	c.FilterPolicy = r.U8()
	c.PHYs = PHYs(r.U8())
	for range c.PHYs.count() {
		p := ScanningPHY{Active: r.Bool()}
		p.Interval, p.Window = readScanTiming(r)
		c.Scanning = append(c.Scanning, p)
	}
}

func (LESetExtendedScanParameters) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetExtendedScanEnable starts or stops an extended scan (Vol 4, Part E, 7.8.65).
type LESetExtendedScanEnable struct {
	Enable           bool
	FilterDuplicates bool // reports each advertiser once
	ResetEachPeriod  bool // with FilterDuplicates: once in each Period
	// Duration bounds the time of the scan, 10 ms to 655.35 s in steps of 10 ms; 0
	// means no bound.
	Duration time.Duration
	// Period is the interval between the starts of scans of Duration, 1.28 s to
	// 83,884.8 s in steps of 1.28 s; 0 means one scan.
	Period time.Duration
}

// Opcode returns OpLESetExtendedScanEnable.
func (LESetExtendedScanEnable) Opcode() Opcode { return OpLESetExtendedScanEnable }

// AppendParams implements Params.
func (c LESetExtendedScanEnable) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.flag(c.Enable)
	switch {
	case c.ResetEachPeriod && !c.FilterDuplicates:
		w.reject("Filter_Duplicates", "reset each period without FilterDuplicates", "ResetEachPeriod with FilterDuplicates only")
	case c.ResetEachPeriod:
		w.u8(2)
	default:
		w.flag(c.FilterDuplicates)
	}
	w.time("Duration", c.Duration, extScanDuration)
	w.time("Period", c.Period, extScanPeriod)
	return w.done()
}

func (c *LESetExtendedScanEnable) readParams(r *wire.Reader) {
	c.Enable = r.Bool()
	filter := r.U8()
	c.FilterDuplicates, c.ResetEachPeriod = filter != 0, filter == 2
	c.Duration, c.Period = extScanDuration.time(r.U16()), extScanPeriod.time(r.U16())
}

func (LESetExtendedScanEnable) readReturn(r *wire.Reader) None { return readNothing(r) }
