package hci

import (
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// LEEncrypt encrypts one block with AES-128. Octets are least significant first, as
// on the wire (Vol 4, Part E, 7.8.22).
type LEEncrypt struct {
	Key       [16]byte `describe:"secret"`
	Plaintext [16]byte `describe:"secret"`
}

// Opcode returns OpLEEncrypt.
func (LEEncrypt) Opcode() Opcode { return OpLEEncrypt }

// AppendParams implements Params.
func (c LEEncrypt) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.bytes(c.Key[:])
	w.bytes(c.Plaintext[:])
	return w.done()
}

func (c *LEEncrypt) readParams(r *wire.Reader) { c.Key, c.Plaintext = readKey(r), readKey(r) }

func (LEEncrypt) readReturn(r *wire.Reader) EncryptedBlock { return EncryptedBlock{Data: readKey(r)} }

// LERand reads a random number from the controller (Vol 4, Part E, 7.8.23).
type LERand struct{}

// Opcode returns OpLERand.
func (LERand) Opcode() Opcode { return OpLERand }

// AppendParams appends nothing.
func (LERand) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LERand) readParams(*wire.Reader) {}

func (LERand) readReturn(r *wire.Reader) (v RandomNumber) {
	r.Copy(v.Number[:])
	return v
}

// LEEnableEncryption encrypts a link, or changes its key. Encryption Change or
// Encryption Key Refresh Complete reports the outcome (Vol 4, Part E, 7.8.24).
type LEEnableEncryption struct {
	Handle Handle
	Rand   [8]byte // identifies the key, together with EDIV; both zero for Secure Connections
	EDIV   uint16
	Key    [16]byte `describe:"secret"` // the long term key
}

// Opcode returns OpLEEnableEncryption.
func (LEEnableEncryption) Opcode() Opcode { return OpLEEnableEncryption }

// AppendParams implements Params.
func (c LEEnableEncryption) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	w.bytes(c.Rand[:])
	w.u16(c.EDIV)
	w.bytes(c.Key[:])
	return w.done()
}

func (c *LEEnableEncryption) readParams(r *wire.Reader) {
	c.Handle = readHandle(r)
	r.Copy(c.Rand[:])
	c.EDIV = r.U16()
	c.Key = readKey(r)
}

func (LEEnableEncryption) startsProcedure() {}

// LELongTermKeyRequestReply answers LE Long Term Key Request with the key
// (Vol 4, Part E, 7.8.25).
type LELongTermKeyRequestReply struct {
	Handle Handle
	Key    [16]byte `describe:"secret"` // the long term key
}

// Opcode returns OpLELongTermKeyRequestReply.
func (LELongTermKeyRequestReply) Opcode() Opcode { return OpLELongTermKeyRequestReply }

// AppendParams implements Params.
func (c LELongTermKeyRequestReply) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	w.bytes(c.Key[:])
	return w.done()
}

func (c *LELongTermKeyRequestReply) readParams(r *wire.Reader) {
	c.Handle = readHandle(r)
	c.Key = readKey(r)
}

func (LELongTermKeyRequestReply) readReturn(r *wire.Reader) Handle { return readHandle(r) }

// LELongTermKeyRequestNegativeReply answers LE Long Term Key Request if the host has
// no key (Vol 4, Part E, 7.8.26).
type LELongTermKeyRequestNegativeReply struct {
	Handle Handle
}

// Opcode returns OpLELongTermKeyRequestNegativeReply.
func (LELongTermKeyRequestNegativeReply) Opcode() Opcode { return OpLELongTermKeyRequestNegativeReply }

// AppendParams implements Params.
func (c LELongTermKeyRequestNegativeReply) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	return w.done()
}

func (c *LELongTermKeyRequestNegativeReply) readParams(r *wire.Reader) { c.Handle = readHandle(r) }

func (LELongTermKeyRequestNegativeReply) readReturn(r *wire.Reader) Handle { return readHandle(r) }

// LEReadLocalP256PublicKey generates a key pair in the controller. LE Read Local P-256
// Public Key Complete reports the public key (Vol 4, Part E, 7.8.36).
type LEReadLocalP256PublicKey struct{}

// Opcode returns OpLEReadLocalP256PublicKey.
func (LEReadLocalP256PublicKey) Opcode() Opcode { return OpLEReadLocalP256PublicKey }

// AppendParams appends nothing.
func (LEReadLocalP256PublicKey) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadLocalP256PublicKey) readParams(*wire.Reader) {}

func (LEReadLocalP256PublicKey) startsProcedure() {}

// LEGenerateDHKey generates the Diffie-Hellman key of the controller's private key and
// the peer's public key. LE Generate DHKey Complete reports it
// (Vol 4, Part E, 7.8.37).
type LEGenerateDHKey struct {
	X, Y [32]byte // the peer's public key, least significant octet first
}

// Opcode returns OpLEGenerateDHKey.
func (LEGenerateDHKey) Opcode() Opcode { return OpLEGenerateDHKey }

// AppendParams implements Params.
func (c LEGenerateDHKey) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.bytes(c.X[:])
	w.bytes(c.Y[:])
	return w.done()
}

func (c *LEGenerateDHKey) readParams(r *wire.Reader) {
	r.Copy(c.X[:])
	r.Copy(c.Y[:])
}

func (LEGenerateDHKey) startsProcedure() {}

// LEAddDeviceToResolvingList adds a device to the resolving list, with the keys to
// resolve and to generate private addresses (Vol 4, Part E, 7.8.38).
type LEAddDeviceToResolvingList struct {
	Peer              Addr     // the identity address
	PeerIRK, LocalIRK [16]byte `describe:"secret"` // identity resolving keys; zero means none
}

// Opcode returns OpLEAddDeviceToResolvingList.
func (LEAddDeviceToResolvingList) Opcode() Opcode { return OpLEAddDeviceToResolvingList }

// AppendParams implements Params.
func (c LEAddDeviceToResolvingList) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.identityAddr(c.Peer)
	w.bytes(c.PeerIRK[:])
	w.bytes(c.LocalIRK[:])
	return w.done()
}

func (c *LEAddDeviceToResolvingList) readParams(r *wire.Reader) {
	c.Peer = readAddr(r)
	c.PeerIRK, c.LocalIRK = readKey(r), readKey(r)
}

func (LEAddDeviceToResolvingList) readReturn(r *wire.Reader) None { return readNothing(r) }

// LERemoveDeviceFromResolvingList removes a device from the resolving list
// (Vol 4, Part E, 7.8.39).
type LERemoveDeviceFromResolvingList struct {
	Peer Addr // the identity address
}

// Opcode returns OpLERemoveDeviceFromResolvingList.
func (LERemoveDeviceFromResolvingList) Opcode() Opcode { return OpLERemoveDeviceFromResolvingList }

// AppendParams implements Params.
func (c LERemoveDeviceFromResolvingList) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.identityAddr(c.Peer)
	return w.done()
}

func (c *LERemoveDeviceFromResolvingList) readParams(r *wire.Reader) { c.Peer = readAddr(r) }

func (LERemoveDeviceFromResolvingList) readReturn(r *wire.Reader) None { return readNothing(r) }

// LEClearResolvingList removes all devices from the resolving list
// (Vol 4, Part E, 7.8.40).
type LEClearResolvingList struct{}

// Opcode returns OpLEClearResolvingList.
func (LEClearResolvingList) Opcode() Opcode { return OpLEClearResolvingList }

// AppendParams appends nothing.
func (LEClearResolvingList) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEClearResolvingList) readParams(*wire.Reader) {}

func (LEClearResolvingList) readReturn(r *wire.Reader) None { return readNothing(r) }

// LEReadResolvingListSize reads the number of devices that the resolving list can hold
// (Vol 4, Part E, 7.8.41).
type LEReadResolvingListSize struct{}

// Opcode returns OpLEReadResolvingListSize.
func (LEReadResolvingListSize) Opcode() Opcode { return OpLEReadResolvingListSize }

// AppendParams appends nothing.
func (LEReadResolvingListSize) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadResolvingListSize) readParams(*wire.Reader) {}

func (LEReadResolvingListSize) readReturn(r *wire.Reader) Count { return Count(r.U8()) }

// LESetAddressResolutionEnable enables or disables the resolution of private addresses
// (Vol 4, Part E, 7.8.44).
type LESetAddressResolutionEnable struct {
	Enable bool
}

// Opcode returns OpLESetAddressResolutionEnable.
func (LESetAddressResolutionEnable) Opcode() Opcode { return OpLESetAddressResolutionEnable }

// AppendParams implements Params.
func (c LESetAddressResolutionEnable) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.flag(c.Enable)
	return w.done()
}

func (c *LESetAddressResolutionEnable) readParams(r *wire.Reader) { c.Enable = r.Bool() }

func (LESetAddressResolutionEnable) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetResolvablePrivateAddressTimeout sets how long the controller uses a private
// address (Vol 4, Part E, 7.8.45).
type LESetResolvablePrivateAddressTimeout struct {
	Timeout time.Duration // 1 s to 1 h in steps of 1 s
}

// Opcode returns OpLESetResolvablePrivateAddressTimeout.
func (LESetResolvablePrivateAddressTimeout) Opcode() Opcode {
	return OpLESetResolvablePrivateAddressTimeout
}

// AppendParams implements Params.
func (c LESetResolvablePrivateAddressTimeout) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.time("RPA_Timeout", c.Timeout, rpaTimeout)
	return w.done()
}

func (c *LESetResolvablePrivateAddressTimeout) readParams(r *wire.Reader) {
	c.Timeout = rpaTimeout.time(r.U16())
}

func (LESetResolvablePrivateAddressTimeout) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetPrivacyMode sets the privacy mode of a device on the resolving list
// (Vol 4, Part E, 7.8.77).
type LESetPrivacyMode struct {
	Peer   Addr // the identity address
	Device bool // device privacy mode: the device may use its identity address on air
}

// Opcode returns OpLESetPrivacyMode.
func (LESetPrivacyMode) Opcode() Opcode { return OpLESetPrivacyMode }

// AppendParams implements Params.
func (c LESetPrivacyMode) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.identityAddr(c.Peer)
	w.flag(c.Device)
	return w.done()
}

func (c *LESetPrivacyMode) readParams(r *wire.Reader) {
	c.Peer = readAddr(r)
	c.Device = r.Bool()
}

func (LESetPrivacyMode) readReturn(r *wire.Reader) None { return readNothing(r) }
