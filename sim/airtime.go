package sim

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// Times of the link layer (Vol 6, Part B, 4).
const (
	interFrameSpace = 150 * time.Microsecond
	// windowDelay is transmitWindowDelay for CONNECT_IND.
	windowDelay = 1250 * time.Microsecond
	// connectLen, scanReqLen are payload lengths on the advertising channels.
	connectLen = 34
	scanReqLen = 12
	// establishEvents is the number of connection events within which a new link
	// must receive a packet.
	establishEvents = 6
	// instantEvents is the number of connection events from the announcement of a
	// change to its instant.
	instantEvents = 6
	// procedureTimeout ends a link whose peer does not answer a control
	// procedure.
	procedureTimeout = 40 * time.Second
	// micLen is the length of the MIC of an encrypted packet.
	micLen = 4
)

// fitting is the number of payload octets that fit into t with the PHY, not
// less than the 27 that every link may send.
func fitting(phy hci.PHY, t time.Duration, encrypted bool) int {
	n := 0
	switch us := int(t / time.Microsecond); phy {
	case hci.PHY2M:
		n = us/4 - 11
	case hci.PHYCoded:
		n = (us-400)/64 - 5
	default:
		n = us/8 - 10
	}
	if encrypted {
		n -= micLen
	}
	return max(n, 27)
}
