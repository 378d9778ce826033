package smp

import (
	"errors"
	"fmt"

	"github.com/moor-ble/moor/hci"
)

// The AD types of out-of-band data (Supplement, Part A, 1.8 and 1.17; Assigned Numbers,
// 2.3).
const (
	adTemporaryKey hci.ADType = 0x10
	adConfirm      hci.ADType = 0x22
	adRandom       hci.ADType = 0x23
)

// ParseOOB parses a peer's out-of-band data. It is a sequence of AD structures, as in an
// NFC record of the type application/vnd.bluetooth.le.oob: a temporary key for legacy
// pairing, a confirm and a random value for LE Secure Connections, or both. ParseOOB
// skips structures of other types.
func ParseOOB(b []byte) (*OOB, error) {
	var oob OOB
	var peer OOBData
	var confirm, random bool
	for typ, v := range hci.AdvData(b).All() {
		var into []byte
		switch typ {
		case adTemporaryKey:
			oob.TK = new([16]byte)
			into = oob.TK[:]
		case adConfirm:
			confirm, into = true, peer.Confirm[:]
		case adRandom:
			random, into = true, peer.Rand[:]
		default:
			continue
		}
		if copy(into, v) != len(v) || len(v) != len(into) {
			return nil, fmt.Errorf("smp: out-of-band data: AD structure 0x%02x has %d octets, want %d",
				uint8(typ), len(v), len(into))
		}
	}
	switch {
	case confirm != random:
		return nil, errors.New("smp: out-of-band data: of the AD structures 0x22 and 0x23 " +
			"(confirm and random value) one is missing")
	case confirm:
		oob.Peer = &peer
	case oob.TK == nil:
		return nil, errors.New("smp: out-of-band data: no AD structure 0x10 (temporary key), " +
			"nor 0x22 and 0x23 (confirm and random value)")
	}
	return &oob, nil
}

// AppendAD appends d as AD structures, which [ParseOOB] parses.
func (d OOBData) AppendAD(b []byte) []byte {
	return hci.AppendAD(hci.AppendAD(b, adConfirm, d.Confirm[:]), adRandom, d.Rand[:])
}
