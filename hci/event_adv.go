package hci

import (
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// AdvType is the type of a legacy advertisement in reports (Vol 4, Part E, 7.7.65.2)
// and in LESetAdvertisingParameters (7.8.5).
type AdvType uint8

// The types. The value 4 has different meanings in reports and in parameters.
const (
	AdvInd          AdvType = 0x00 // connectable and scannable
	AdvDirectInd    AdvType = 0x01 // connectable and directed; in parameters with high duty cycle
	AdvScanInd      AdvType = 0x02 // scannable
	AdvNonconnInd   AdvType = 0x03 // neither
	AdvScanRsp      AdvType = 0x04 // in reports: a scan response
	AdvDirectIndLow AdvType = 0x04 // in parameters: directed with low duty cycle
)

// Defined returns the type of a report without the bits that are reserved.
func (t AdvType) Defined() AdvType { return t & 0x07 }

// AdvReport is one report of LEAdvertisingReport.
type AdvReport struct {
	Type AdvType
	Addr Addr
	Data AdvData // at most 31 octets; aliases the decoded packet
	RSSI int8    // dBm, -127 to 20; 127 means unknown
}

// LEAdvertisingReport holds advertisements received in a legacy scan
// (Vol 4, Part E, 7.7.65.2).
//
// The specification can be read as one array for each field. Controllers send one
// report after the other instead, and so does this codec.
type LEAdvertisingReport struct {
	Reports []AdvReport
	// Malformed is the number of reports that the event announces, but that are cut
	// off, missing or longer than a legacy advertisement. Reports omits them. An event
	// without any other report is not decoded.
	Malformed int `describe:"nonzero"`
}

func (*LEAdvertisingReport) event() (code, subevent uint8) { return EvLEMeta, EvLEAdvertisingReport }

func (e *LEAdvertisingReport) readParams(r *wire.Reader) error {
	e.Reports = e.Reports[:0]
	n, reason := int(r.U8()), errNoReports
	for range n {
		rep := AdvReport{Type: AdvType(r.U8()), Addr: readAddr(r), Data: r.Bytes(int(r.U8())), RSSI: r.I8()}
		if r.Err() != nil {
			break
		}
		if len(rep.Data) > maxLegacyData {
			reason = fmt.Errorf("%d octets of data in a legacy report, at most %d are possible", len(rep.Data), maxLegacyData)
			continue
		}
		e.Reports = append(e.Reports, rep)
	}
	e.Malformed = n - len(e.Reports)
	return checkReports(r, len(e.Reports), reason)
}

// checkReports checks an event of which the given number of reports is whole. The
// others are an error, with this reason unless r has failed, only if there is none.
func checkReports(r *wire.Reader, whole int, reason error) error {
	if whole == 0 {
		return reason
	}
	*r = wire.Reader{} // as if it had not failed
	return nil
}

func (e *LEAdvertisingReport) appendParams(b []byte) []byte {
	reports := e.Reports[:reportsThatFit(len(e.Reports), func(i int) int { return 10 + len(e.Reports[i].Data) })]
	b = append(b, uint8(len(reports)+e.Malformed))
	for _, rep := range reports {
		b = appendAddr(append(b, uint8(rep.Type)), rep.Addr)
		b = append(append(b, uint8(len(rep.Data))), rep.Data...)
		b = append(b, uint8(rep.RSSI))
	}
	return b
}

// reportsThatFit returns how many of n reports fit one event after the subevent code
// and the number of reports.
func reportsThatFit(n int, length func(i int) int) int {
	room := maxParamsLen - 2
	for i := range n {
		if room -= length(i); room < 0 {
			return i
		}
	}
	return n
}

var errNoReports = errors.New("an advertising report without reports")

// ExtAdvType is the type of an extended report: the properties of the advertisement
// and the status of its data (Vol 4, Part E, 7.7.65.13).
type ExtAdvType uint16

// The bits of ExtAdvType. ExtAdvDataStatus selects the data status: ExtAdvIncomplete
// means that more data follows, ExtAdvTruncated that the rest is lost.
const (
	ExtAdvConnectable  ExtAdvType = 1 << 0
	ExtAdvScannable    ExtAdvType = 1 << 1
	ExtAdvDirected     ExtAdvType = 1 << 2
	ExtAdvScanResponse ExtAdvType = 1 << 3
	ExtAdvLegacy       ExtAdvType = 1 << 4
	ExtAdvDataStatus   ExtAdvType = 3 << 5
	ExtAdvIncomplete   ExtAdvType = 1 << 5
	ExtAdvTruncated    ExtAdvType = 2 << 5
)

// Defined returns the type without the bits that are reserved.
func (t ExtAdvType) Defined() ExtAdvType { return t & 0x7F }

// ExtAdvReport is one report of LEExtendedAdvertisingReport.
type ExtAdvReport struct {
	Type             ExtAdvType
	Addr             Addr // of kind AddrAnonymous if the advertisement has none
	PrimaryPHY       PHY
	SecondaryPHY     PHY           // zero if there was no packet on a secondary channel
	SID              uint8         // advertising SID, 0 to 15; 0xFF if there is none
	TxPower          int8          // dBm; 127 means unknown
	RSSI             int8          // dBm; 127 means unknown
	PeriodicInterval time.Duration // of periodic advertising, in steps of 1.25 ms; 0 means none
	Direct           Addr          // target of a directed advertisement
	Data             AdvData       // aliases the decoded packet
}

// Connectable reports whether the advertiser accepts connections.
func (r *ExtAdvReport) Connectable() bool { return r.Type&ExtAdvConnectable != 0 }

// Scannable reports whether the advertiser answers scan requests.
func (r *ExtAdvReport) Scannable() bool { return r.Type&ExtAdvScannable != 0 }

// Directed reports whether the advertisement is for Direct only.
func (r *ExtAdvReport) Directed() bool { return r.Type&ExtAdvDirected != 0 }

// ScanResponse reports whether the packet was a scan response.
func (r *ExtAdvReport) ScanResponse() bool { return r.Type&ExtAdvScanResponse != 0 }

// Legacy reports whether the packet was a legacy packet.
func (r *ExtAdvReport) Legacy() bool { return r.Type&ExtAdvLegacy != 0 }

// Incomplete reports whether the data continues in a later report.
func (r *ExtAdvReport) Incomplete() bool { return r.Type&ExtAdvDataStatus == ExtAdvIncomplete }

// Truncated reports whether the rest of the data is lost.
func (r *ExtAdvReport) Truncated() bool { return r.Type&ExtAdvDataStatus == ExtAdvTruncated }

// LEExtendedAdvertisingReport holds advertisements received in an extended scan
// (Vol 4, Part E, 7.7.65.13).
type LEExtendedAdvertisingReport struct {
	Reports []ExtAdvReport
	// Malformed is the number of reports that the event announces, but that are cut
	// off or missing. Reports omits them. An event without any other report is not
	// decoded.
	Malformed int `describe:"nonzero"`
}

func (*LEExtendedAdvertisingReport) event() (code, subevent uint8) {
	return EvLEMeta, EvLEExtendedAdvertisingReport
}

func (e *LEExtendedAdvertisingReport) readParams(r *wire.Reader) error {
	e.Reports = e.Reports[:0]
	n := int(r.U8())
	for range n {
		rep := ExtAdvReport{
			Type: ExtAdvType(r.U16()), Addr: readAddr(r),
			PrimaryPHY: PHY(r.U8()), SecondaryPHY: PHY(r.U8()), SID: r.U8(),
			TxPower: r.I8(), RSSI: r.I8(),
			PeriodicInterval: periodicInterval.time(r.U16()), Direct: readAddr(r),
			Data: r.Bytes(int(r.U8())),
		}
		if r.Err() != nil {
			break
		}
		e.Reports = append(e.Reports, rep)
	}
	e.Malformed = n - len(e.Reports)
	return checkReports(r, len(e.Reports), errNoReports)
}

func (e *LEExtendedAdvertisingReport) appendParams(b []byte) []byte {
	reports := e.Reports[:reportsThatFit(len(e.Reports), func(i int) int { return 24 + len(e.Reports[i].Data) })]
	b = append(b, uint8(len(reports)+e.Malformed))
	for _, rep := range reports {
		b = appendAddr(wire.AppendU16(b, uint16(rep.Type)), rep.Addr)
		b = append(b, uint8(rep.PrimaryPHY), uint8(rep.SecondaryPHY), rep.SID, uint8(rep.TxPower), uint8(rep.RSSI))
		b = appendAddr(wire.AppendU16(b, periodicInterval.steps(rep.PeriodicInterval)), rep.Direct)
		b = append(append(b, uint8(len(rep.Data))), rep.Data...)
	}
	return b
}

// LEScanTimeout reports the end of a scan after its Duration
// (Vol 4, Part E, 7.7.65.17).
type LEScanTimeout struct{}

func (*LEScanTimeout) event() (code, subevent uint8) { return EvLEMeta, EvLEScanTimeout }

func (*LEScanTimeout) readParams(*wire.Reader) error { return nil }

func (*LEScanTimeout) appendParams(b []byte) []byte { return b }

// LEAdvertisingSetTerminated reports the end of an advertising set
// (Vol 4, Part E, 7.7.65.18).
type LEAdvertisingSetTerminated struct {
	Status          Status // success: a link was made; StatusAdvertisingTimeout; StatusLimitReached
	Set             uint8  // advertising handle
	Handle          Handle // connection handle; meaningful after success
	CompletedEvents uint8  // number of advertising events, if MaxEvents was set
}

func (*LEAdvertisingSetTerminated) event() (code, subevent uint8) {
	return EvLEMeta, EvLEAdvertisingSetTerminated
}

func (e *LEAdvertisingSetTerminated) readParams(r *wire.Reader) error {
	e.Status, e.Set = Status(r.U8()), r.U8()
	e.Handle, e.CompletedEvents = readHandle(r), r.U8()
	return nil
}

func (e *LEAdvertisingSetTerminated) appendParams(b []byte) []byte {
	b = appendHandle(append(b, uint8(e.Status), e.Set), e.Handle)
	return append(b, e.CompletedEvents)
}

// LEScanRequestReceived reports a scan request for an advertising set
// (Vol 4, Part E, 7.7.65.19).
type LEScanRequestReceived struct {
	Set     uint8 // advertising handle
	Scanner Addr
}

func (*LEScanRequestReceived) event() (code, subevent uint8) {
	return EvLEMeta, EvLEScanRequestReceived
}

func (e *LEScanRequestReceived) readParams(r *wire.Reader) error {
	e.Set, e.Scanner = r.U8(), readAddr(r)
	return nil
}

func (e *LEScanRequestReceived) appendParams(b []byte) []byte {
	return appendAddr(append(b, e.Set), e.Scanner)
}
