package controller

import (
	"time"

	"github.com/moor-ble/moor/hci"
)

// RefuseKey answers a request for a long term key negatively
// (Vol 4, Part E, 7.8.26). The peer gets the error 0x06, PIN or key missing. Must
// run on the loop.
func (l *Link) RefuseKey() {
	l.runLinkCommand(nil, hci.LELongTermKeyRequestNegativeReply{Handle: l.handle}, func(time.Time, []byte, error) {})
}

// ProvideKey answers a request for a long term key with the key
// (Vol 4, Part E, 7.8.25). Must run on the loop.
func (l *Link) ProvideKey(key [16]byte) {
	l.runLinkCommand(nil, hci.LELongTermKeyRequestReply{Handle: l.handle, Key: key}, func(time.Time, []byte, error) {})
}

// StartEncryption encrypts the link as central, or changes its key
// (Vol 4, Part E, 7.8.24). done is called on the loop with the outcome: nil once
// the link is encrypted with the key. A controller that reports success for a link
// that is not encrypted causes an *hci.PacketError. Must run on the loop.
func (l *Link) StartEncryption(rand [8]byte, ediv uint16, key [16]byte, done func(now time.Time, err error)) {
	l.runProcedure(nil, hci.LEEnableEncryption{Handle: l.handle, Rand: rand, EDIV: ediv, Key: key}, func(ev hci.Event) (bool, hci.Status) {
		switch ev := ev.(type) {
		case *hci.EncryptionChange:
			return true, ev.Status
		case *hci.EncryptionKeyRefreshComplete:
			return true, ev.Status
		}
		return false, 0
	}, func(now time.Time, ev hci.Event, err error) {
		if change, ok := ev.(*hci.EncryptionChange); ok && err == nil && change.Enabled == 0 {
			err = &CommandError{hci.OpLEEnableEncryption, hci.NewPacketError("Encryption Change: success, but the link is not encrypted", hci.AppendEvent(nil, change), nil)}
		}
		done(now, err)
	})
}
