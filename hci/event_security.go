package hci

import (
	"github.com/moor-ble/moor/internal/wire"
)

// EncryptionChange reports that the encryption of a link was switched on or off, or
// that the change failed (Vol 4, Part E, 7.7.8).
type EncryptionChange struct {
	Status  Status
	Handle  Handle
	Enabled uint8 // 0 off, 1 on; other values belong to BR/EDR

	// V2 selects version 2 of the event. Only version 2 includes KeySize.
	V2      bool
	KeySize uint8 // octets, 7 to 16; 0 in version 1
}

func (e *EncryptionChange) event() (code, subevent uint8) {
	if e.V2 {
		return EvEncryptionChangeV2, 0
	}
	return EvEncryptionChange, 0
}

func (e *EncryptionChange) readParams(r *wire.Reader) error {
	e.Status, e.Handle = Status(r.U8()), readHandle(r)
	e.Enabled, e.KeySize = r.U8(), 0
	if e.V2 {
		e.KeySize = r.U8()
	}
	return nil
}

func (e *EncryptionChange) appendParams(b []byte) []byte {
	b = append(appendHandle(append(b, uint8(e.Status)), e.Handle), e.Enabled)
	if e.V2 {
		b = append(b, e.KeySize)
	}
	return b
}

// EncryptionKeyRefreshComplete reports that the key of an encrypted link was changed,
// or that the change failed (Vol 4, Part E, 7.7.39).
type EncryptionKeyRefreshComplete struct {
	Status Status
	Handle Handle
}

func (*EncryptionKeyRefreshComplete) event() (code, subevent uint8) {
	return EvEncryptionKeyRefreshComplete, 0
}

func (e *EncryptionKeyRefreshComplete) readParams(r *wire.Reader) error {
	e.Status, e.Handle = Status(r.U8()), readHandle(r)
	return nil
}

func (e *EncryptionKeyRefreshComplete) appendParams(b []byte) []byte {
	return appendHandle(append(b, uint8(e.Status)), e.Handle)
}

// LELongTermKeyRequest reports that the central encrypts the link. The host must
// answer it with one of the two replies (Vol 4, Part E, 7.7.65.5).
type LELongTermKeyRequest struct {
	Handle Handle
	Rand   [8]byte // identifies the key, together with EDIV; both zero for Secure Connections
	EDIV   uint16
}

func (*LELongTermKeyRequest) event() (code, subevent uint8) { return EvLEMeta, EvLELongTermKeyRequest }

func (e *LELongTermKeyRequest) readParams(r *wire.Reader) error {
	e.Handle = readHandle(r)
	r.Copy(e.Rand[:])
	e.EDIV = r.U16()
	return nil
}

func (e *LELongTermKeyRequest) appendParams(b []byte) []byte {
	b = append(appendHandle(b, e.Handle), e.Rand[:]...)
	return wire.AppendU16(b, e.EDIV)
}

// LEReadLocalP256PublicKeyComplete reports the public key of the controller
// (Vol 4, Part E, 7.7.65.8).
type LEReadLocalP256PublicKeyComplete struct {
	Status Status
	X, Y   [32]byte // least significant octet first
}

func (*LEReadLocalP256PublicKeyComplete) event() (code, subevent uint8) {
	return EvLEMeta, EvLEReadLocalP256PublicKeyComplete
}

func (e *LEReadLocalP256PublicKeyComplete) readParams(r *wire.Reader) error {
	e.Status = Status(r.U8())
	r.Copy(e.X[:])
	r.Copy(e.Y[:])
	return nil
}

func (e *LEReadLocalP256PublicKeyComplete) appendParams(b []byte) []byte {
	return append(append(append(b, uint8(e.Status)), e.X[:]...), e.Y[:]...)
}

// LEGenerateDHKeyComplete reports the Diffie-Hellman key
// (Vol 4, Part E, 7.7.65.9).
type LEGenerateDHKeyComplete struct {
	Status Status
	Key    [32]byte `describe:"secret"` // least significant octet first
}

func (*LEGenerateDHKeyComplete) event() (code, subevent uint8) {
	return EvLEMeta, EvLEGenerateDHKeyComplete
}

func (e *LEGenerateDHKeyComplete) readParams(r *wire.Reader) error {
	e.Status = Status(r.U8())
	r.Copy(e.Key[:])
	return nil
}

func (e *LEGenerateDHKeyComplete) appendParams(b []byte) []byte {
	return append(append(b, uint8(e.Status)), e.Key[:]...)
}
