package hci

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// PHY is a physical layer (Vol 6, Part A, 1.1). Zero means that an event has no
// secondary PHY.
type PHY uint8

// The physical layers.
const (
	PHY1M    PHY = 0x01 // 1 Mb/s
	PHY2M    PHY = 0x02 // 2 Mb/s
	PHYCoded PHY = 0x03 // 125 or 500 kb/s with forward error correction
)

// String returns "1M", "2M", "coded", "none" or the hexadecimal form.
func (p PHY) String() string {
	switch p {
	case 0:
		return "none"
	case PHY1M:
		return "1M"
	case PHY2M:
		return "2M"
	case PHYCoded:
		return "coded"
	}
	return fmt.Sprintf("0x%02x", uint8(p))
}

// Defined returns the PHY in a report without the bits that are reserved.
func (p PHY) Defined() PHY { return p & 0x07 }

// PHYs is a set of physical layers.
type PHYs uint8

// The elements of PHYs.
const (
	PHYs1M    PHYs = 1 << 0
	PHYs2M    PHYs = 1 << 1
	PHYsCoded PHYs = 1 << 2
)

// Has reports whether all of want are in p.
func (p PHYs) Has(want PHYs) bool { return p&want == want }

// String lists the elements: "1M+2M"; the empty set is "none".
func (p PHYs) String() string {
	var s []string
	for i, phy := range [...]PHY{PHY1M, PHY2M, PHYCoded} {
		if p>>i&1 != 0 {
			s = append(s, phy.String())
		}
	}
	if rest := p &^ (PHYs1M | PHYs2M | PHYsCoded); rest != 0 {
		s = append(s, fmt.Sprintf("0x%02x", uint8(rest)))
	}
	if s == nil {
		return "none"
	}
	return strings.Join(s, "+")
}

func (p PHYs) count() int { return bits.OnesCount8(uint8(p)) }

// Airtime returns the time on the air of a link layer packet with n octets of payload:
// preamble, access address (4), header (2), payload and CRC (3), Vol 6, Part B, 2.1. Coded
// PHY is taken with S=8, and any other value as PHY1M.
func (p PHY) Airtime(n int) time.Duration {
	us := 0
	switch p {
	case PHY2M:
		us = (2 + 4 + 2 + n + 3) * 4
	case PHYCoded:
		us = 80 + 256 + 16 + 24 + (2+n+3)*64 + 24
	default:
		us = (1 + 4 + 2 + n + 3) * 8
	}
	return time.Duration(us) * time.Microsecond
}
