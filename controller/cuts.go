package controller

import "github.com/moor-ble/moor/hci"

// maxCuts bounds the advertisements of which the reader knows that they have lost pieces.
const maxCuts = 1024

// cuts tells the loop which extended advertisements have lost pieces, or have ended, before
// a packet of the queue of advertising reports. The loop cannot tell from the reports: a
// piece does not say whether it is the first one.
type cuts struct {
	// restart reports that the scan has begun anew, and with it all advertisements.
	restart bool
	// tooMany reports that there were more than maxCuts.
	tooMany bool
	// lost has the advertisements with lost pieces, and whether the latest of these has
	// another one after it.
	lost map[chainKey]bool
}

// noteDropped enters the reports of an event that is dropped.
func (c *cuts) noteDropped(dec *hci.Decoder, packet []byte) {
	ev, err := dec.Event(packet[1:])
	if err != nil {
		return
	}
	ext, ok := ev.(*hci.LEExtendedAdvertisingReport)
	if !ok {
		return
	}
	for i := range ext.Reports {
		r := &ext.Reports[i]
		switch key := chainKeyOf(r); {
		case r.Legacy():
		case c.lost == nil:
			c.lost = map[chainKey]bool{key: r.Incomplete()}
		case len(c.lost) >= maxCuts:
			c.tooMany = true
		default:
			c.lost[key] = r.Incomplete()
		}
	}
}

// noteRestart enters the start or end of a scan.
func (c *cuts) noteRestart() { *c = cuts{restart: true} }

// restartsScan reports whether an H4 packet is the answer to LE Set Extended Scan Enable.
// All other packets overtake advertising reports, so that the loop learns from it too
// early which reports belong to which scan.
func restartsScan(b []byte) bool {
	return len(b) > 5 && hci.PacketType(b[0]) == hci.PacketEvent && b[1] == hci.EvCommandComplete &&
		hci.Opcode(b[4])|hci.Opcode(b[5])<<8 == hci.OpLESetExtendedScanEnable
}
