package hci

import (
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// LESetDataLength requests a largest length of the packets that the host's side of a
// link sends. LE Data Length Change reports a change (Vol 4, Part E, 7.8.33).
type LESetDataLength struct {
	Handle   Handle
	TXOctets uint16        // link layer payload, 27 to 251 octets
	TXTime   time.Duration // time on air, 328 µs to 17.04 ms in steps of 1 µs
}

// Opcode returns OpLESetDataLength.
func (LESetDataLength) Opcode() Opcode { return OpLESetDataLength }

// AppendParams implements Params.
func (c LESetDataLength) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	w.dataLength(c.TXOctets, c.TXTime)
	return w.done()
}

func (c *LESetDataLength) readParams(r *wire.Reader) {
	c.Handle = readHandle(r)
	c.TXOctets, c.TXTime = r.U16(), packetTime.time(r.U16())
}

func (LESetDataLength) readReturn(r *wire.Reader) Handle { return readHandle(r) }

// LEReadSuggestedDefaultDataLength reads the packet length for new links
// (Vol 4, Part E, 7.8.34).
type LEReadSuggestedDefaultDataLength struct{}

// Opcode returns OpLEReadSuggestedDefaultDataLength.
func (LEReadSuggestedDefaultDataLength) Opcode() Opcode { return OpLEReadSuggestedDefaultDataLength }

// AppendParams appends nothing.
func (LEReadSuggestedDefaultDataLength) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadSuggestedDefaultDataLength) readParams(*wire.Reader) {}

func (LEReadSuggestedDefaultDataLength) readReturn(r *wire.Reader) DataLength {
	return DataLength{TXOctets: r.U16(), TXTime: packetTime.time(r.U16())}
}

// LEWriteSuggestedDefaultDataLength sets the packet length for new links
// (Vol 4, Part E, 7.8.35).
type LEWriteSuggestedDefaultDataLength struct {
	TXOctets uint16        // link layer payload, 27 to 251 octets
	TXTime   time.Duration // time on air, 328 µs to 17.04 ms in steps of 1 µs
}

// Opcode returns OpLEWriteSuggestedDefaultDataLength.
func (LEWriteSuggestedDefaultDataLength) Opcode() Opcode { return OpLEWriteSuggestedDefaultDataLength }

// AppendParams implements Params.
func (c LEWriteSuggestedDefaultDataLength) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.dataLength(c.TXOctets, c.TXTime)
	return w.done()
}

func (c *LEWriteSuggestedDefaultDataLength) readParams(r *wire.Reader) {
	c.TXOctets, c.TXTime = r.U16(), packetTime.time(r.U16())
}

func (LEWriteSuggestedDefaultDataLength) readReturn(r *wire.Reader) None { return readNothing(r) }

// LEReadMaximumDataLength reads the length of the longest packets that the controller
// can send and receive (Vol 4, Part E, 7.8.46).
type LEReadMaximumDataLength struct{}

// Opcode returns OpLEReadMaximumDataLength.
func (LEReadMaximumDataLength) Opcode() Opcode { return OpLEReadMaximumDataLength }

// AppendParams appends nothing.
func (LEReadMaximumDataLength) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadMaximumDataLength) readParams(*wire.Reader) {}

func (LEReadMaximumDataLength) readReturn(r *wire.Reader) MaximumDataLength {
	return MaximumDataLength{
		TXOctets: r.U16(), TXTime: packetTime.time(r.U16()),
		RXOctets: r.U16(), RXTime: packetTime.time(r.U16()),
	}
}

// LEReadPHY reads the PHYs that a link uses (Vol 4, Part E, 7.8.47).
type LEReadPHY struct {
	Handle Handle
}

// Opcode returns OpLEReadPHY.
func (LEReadPHY) Opcode() Opcode { return OpLEReadPHY }

// AppendParams implements Params.
func (c LEReadPHY) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	return w.done()
}

func (c *LEReadPHY) readParams(r *wire.Reader) { c.Handle = readHandle(r) }

func (LEReadPHY) readReturn(r *wire.Reader) LinkPHY {
	return LinkPHY{Handle: readHandle(r), TX: PHY(r.U8()), RX: PHY(r.U8())}
}

// LESetDefaultPHY sets the preferred PHYs of new links (Vol 4, Part E, 7.8.48).
type LESetDefaultPHY struct {
	TX, RX PHYs // preferred PHYs; the empty set means no preference
}

// Opcode returns OpLESetDefaultPHY.
func (LESetDefaultPHY) Opcode() Opcode { return OpLESetDefaultPHY }

// AppendParams implements Params.
func (c LESetDefaultPHY) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.phys(c.TX, c.RX)
	return w.done()
}

func (c *LESetDefaultPHY) readParams(r *wire.Reader) { c.TX, c.RX = readPHYs(r) }

func (LESetDefaultPHY) readReturn(r *wire.Reader) None { return readNothing(r) }

// LESetPHY sets the preferred PHYs of a link. LE PHY Update Complete reports the PHYs
// that are then in use (Vol 4, Part E, 7.8.49).
type LESetPHY struct {
	Handle Handle
	TX, RX PHYs // preferred PHYs; the empty set means no preference
	// Options is the coding of the Coded PHY: 0 any, 1 preferably S=2 (500 kb/s),
	// 2 preferably S=8 (125 kb/s), 3 and 4 the same as a requirement.
	Options uint16
}

// Opcode returns OpLESetPHY.
func (LESetPHY) Opcode() Opcode { return OpLESetPHY }

// AppendParams implements Params.
func (c LESetPHY) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.connHandle(c.Handle)
	w.phys(c.TX, c.RX)
	w.u16(c.Options)
	return w.done()
}

func (c *LESetPHY) readParams(r *wire.Reader) {
	c.Handle = readHandle(r)
	c.TX, c.RX = readPHYs(r)
	c.Options = r.U16()
}

func (LESetPHY) startsProcedure() {}
