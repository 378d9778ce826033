package hci

import (
	"fmt"
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// The fields that several commands have.

// ownAddrKind appends the kind of the own address.
func (w *paramWriter) ownAddrKind(k AddrKind) {
	w.upTo("Own_Address_Type", uint8(k), uint8(AddrPublic), uint8(AddrRandomIdentity))
}

// peerAddr appends the kind and the address of a device.
func (w *paramWriter) peerAddr(a Addr) {
	if a.Kind > AddrRandomIdentity {
		w.reject("Peer_Address_Type", a.Kind, "public, random or an identity")
	}
	w.addr(a)
}

// identityAddr appends an identity address.
func (w *paramWriter) identityAddr(a Addr) {
	if a.Kind > AddrRandom {
		w.reject("Peer_Identity_Address_Type", a.Kind, "public or random; Addr.Identity makes it so")
	}
	w.addr(a)
}

// acceptListAddr appends an entry of the filter accept list.
func (w *paramWriter) acceptListAddr(a Addr) {
	if a.Kind > AddrRandom && a.Kind != AddrAnonymous {
		w.reject("Address_Type", a.Kind, "public, random or anonymous; Addr.Identity makes it so")
	}
	w.addr(a)
}

// channels appends a channel map with at least one data channel.
func (w *paramWriter) channels(m ChannelMap) {
	if n := m.Count(); n < 1 || m[len(m)-1]&^0x1F != 0 {
		w.reject("Channel_Map", m, "at least one channel of 0 to 36")
	}
	w.bytes(m[:])
}

// phys appends sets of preferred PHYs. A separate octet marks the empty sets
// (Vol 4, Part E, 7.8.48).
func (w *paramWriter) phys(tx, rx PHYs) {
	const all = PHYs1M | PHYs2M | PHYsCoded
	if tx&^all != 0 {
		w.reject("TX_PHYS", tx, "a subset of "+all.String())
	}
	if rx&^all != 0 {
		w.reject("RX_PHYS", rx, "a subset of "+all.String())
	}
	var noPreference uint8
	if tx == 0 {
		noPreference |= 1
	}
	if rx == 0 {
		noPreference |= 2
	}
	w.u8(noPreference)
	w.u8(uint8(tx))
	w.u8(uint8(rx))
}

func readPHYs(r *wire.Reader) (tx, rx PHYs) {
	noPreference := r.U8()
	tx, rx = PHYs(r.U8()), PHYs(r.U8())
	if noPreference&1 != 0 {
		tx = 0
	}
	if noPreference&2 != 0 {
		rx = 0
	}
	return tx, rx
}

// perPHY appends the set of PHYs of an extended command. n groups of parameters
// follow it, one for each PHY.
func (w *paramWriter) perPHY(field string, p, allowed PHYs, n int) {
	switch {
	case p == 0 || p&^allowed != 0:
		w.reject(field, p, "one or more of "+allowed.String())
	case n != p.count():
		w.reject("parameters for "+field, n, fmt.Sprintf("one group for each of %v", p))
	}
	w.u8(uint8(p))
}

func readScanTiming(r *wire.Reader) (interval, window time.Duration) {
	return scanTime.time(r.U16()), scanTime.time(r.U16())
}

// The bounds of the payload and the time of a link layer packet
// (Vol 6, Part B, 4.5.10).
const (
	minTXOctets = 27
	maxTXOctets = 251
)

func (w *paramWriter) dataLength(octets uint16, d time.Duration) {
	if octets < minTXOctets || octets > maxTXOctets {
		w.reject("TX_Octets", octets, fmt.Sprintf("%d to %d", minTXOctets, maxTXOctets))
	}
	w.u16(octets)
	w.time("TX_Time", d, packetTime)
}

// advIntervals appends the intervals of legacy advertising. Directed advertising
// with high duty cycle does not use them (Vol 4, Part E, 7.8.5).
func (w *paramWriter) advIntervals(low, high time.Duration, t AdvType) {
	if t == AdvDirectInd {
		w.u16(advInterval.steps(low))
		w.u16(advInterval.steps(high))
		return
	}
	w.timeRange("Advertising_Interval_Min", "Advertising_Interval_Max", low, high, advInterval)
}

// maxLegacyData is the length in octets of legacy advertising data.
const maxLegacyData = 31

// padded appends a length octet and legacy advertising data, padded with zeros.
func (w *paramWriter) padded(field string, v []byte) {
	w.data(field, v, maxLegacyData)
	for range maxLegacyData - min(len(v), maxLegacyData) {
		w.u8(0)
	}
}

// readPadded reads the form of padded. A length above 31 makes r fail.
func readPadded(r *wire.Reader) []byte {
	n := int(r.U8())
	v := append([]byte(nil), r.Bytes(n)...)
	r.Skip(maxLegacyData - n)
	return v
}

// advHandle appends the handle of an advertising set.
func (w *paramWriter) advHandle(h uint8) {
	if h > 0xEF {
		w.reject("Advertising_Handle", fmt.Sprintf("0x%02x", h), "0x00 to 0xef")
	}
	w.u8(h)
}

func (w *paramWriter) properties(p AdvProperties) {
	if p&^advPropKnown != 0 {
		w.reject("Advertising_Event_Properties", fmt.Sprintf("0x%04x", uint16(p)), "bits 0 to 6")
	}
	w.u16(uint16(p))
}

// txPower appends a transmit power; 127 means no preference.
func (w *paramWriter) txPower(v int8) {
	if v < -127 || v > 20 && v != 127 {
		w.reject("Advertising_TX_Power", v, "-127 to 20 dBm, or 127 for no preference")
	}
	w.u8(uint8(v))
}

func (w *paramWriter) primaryPHY(p PHY) {
	if p != PHY1M && p != PHYCoded {
		w.reject("Primary_Advertising_PHY", p, "1M or coded")
	}
	w.u8(uint8(p))
}
