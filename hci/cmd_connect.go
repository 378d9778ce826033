package hci

import (
	"time"

	"github.com/moor-ble/moor/internal/wire"
)

// LECreateConnection starts to listen for a device and to connect to it. LE
// Connection Complete reports the outcome (Vol 4, Part E, 7.8.12).
type LECreateConnection struct {
	// ScanInterval and ScanWindow set how the controller listens for the peer,
	// 2.5 ms to 10.24 s in steps of 0.625 ms, the window at most the interval.
	ScanInterval, ScanWindow time.Duration
	FilterPolicy             uint8    // 0 connects to Peer, 1 to any device of the filter accept list
	Peer                     Addr     // not used if FilterPolicy is 1
	OwnAddrKind              AddrKind // own address, see AddrKind
	Params                   ConnParams
	// CELengthMin and CELengthMax advise the length of connection events, 0 to
	// 40.96 s in steps of 0.625 ms; 0 means no preference.
	CELengthMin, CELengthMax time.Duration
}

// Opcode returns OpLECreateConnection.
func (LECreateConnection) Opcode() Opcode { return OpLECreateConnection }

// AppendParams implements Params.
func (c LECreateConnection) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.scanTiming(c.ScanInterval, c.ScanWindow, scanTime)
	w.upTo("Initiator_Filter_Policy", c.FilterPolicy, 0, 1)
	w.peerAddr(c.Peer)
	w.ownAddrKind(c.OwnAddrKind)
	w.connParams(c.Params, c.CELengthMin, c.CELengthMax)
	return w.done()
}

func (c *LECreateConnection) readParams(r *wire.Reader) {
	c.ScanInterval, c.ScanWindow = readScanTiming(r)
	c.FilterPolicy = r.U8()
	c.Peer = readAddr(r)
	c.OwnAddrKind = AddrKind(r.U8())
	c.Params, c.CELengthMin, c.CELengthMax = readConn(r)
}

func (LECreateConnection) startsProcedure() {}

// LECreateConnectionCancel cancels LE Create Connection or LE Extended Create
// Connection. Their connection complete event still follows
// (Vol 4, Part E, 7.8.13).
type LECreateConnectionCancel struct{}

// Opcode returns OpLECreateConnectionCancel.
func (LECreateConnectionCancel) Opcode() Opcode { return OpLECreateConnectionCancel }

// AppendParams appends nothing.
func (LECreateConnectionCancel) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LECreateConnectionCancel) readParams(*wire.Reader) {}

func (LECreateConnectionCancel) readReturn(r *wire.Reader) None { return readNothing(r) }

// InitiatingPHY holds the parameters of LEExtendedCreateConnection for one PHY.
type InitiatingPHY struct {
	// ScanInterval and ScanWindow set how the controller listens on the PHY,
	// 2.5 ms to 40.96 s in steps of 0.625 ms.
	ScanInterval, ScanWindow time.Duration
	Params                   ConnParams // of a link on this PHY
	// CELengthMin and CELengthMax advise the length of connection events, 0 to
	// 40.96 s in steps of 0.625 ms; 0 means no preference.
	CELengthMin, CELengthMax time.Duration
}

// LEExtendedCreateConnection is LECreateConnection for controllers with
// extended advertising (Vol 4, Part E, 7.8.66).
type LEExtendedCreateConnection struct {
	FilterPolicy uint8           // 0 connects to Peer, 1 to any device of the filter accept list
	OwnAddrKind  AddrKind        // own address, see AddrKind
	Peer         Addr            // not used if FilterPolicy is 1
	PHYs         PHYs            // to listen on, at least one
	Initiating   []InitiatingPHY // one for each PHY, in the order 1M, 2M, Coded
}

// Opcode returns OpLEExtendedCreateConnection.
func (LEExtendedCreateConnection) Opcode() Opcode { return OpLEExtendedCreateConnection }

// AppendParams implements Params.
func (c LEExtendedCreateConnection) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.upTo("Initiator_Filter_Policy", c.FilterPolicy, 0, 1)
	w.ownAddrKind(c.OwnAddrKind)
	w.peerAddr(c.Peer)
	w.perPHY("Initiating_PHYs", c.PHYs, PHYs1M|PHYs2M|PHYsCoded, len(c.Initiating))
	for _, p := range c.Initiating {
		w.scanTiming(p.ScanInterval, p.ScanWindow, extScanTime)
		w.connParams(p.Params, p.CELengthMin, p.CELengthMax)
	}
	return w.done()
}

func (c *LEExtendedCreateConnection) readParams(r *wire.Reader) {
	c.FilterPolicy = r.U8()
	c.OwnAddrKind = AddrKind(r.U8())
	c.Peer = readAddr(r)
	c.PHYs = PHYs(r.U8())
	for range c.PHYs.count() {
		var p InitiatingPHY
		p.ScanInterval, p.ScanWindow = readScanTiming(r)
		p.Params, p.CELengthMin, p.CELengthMax = readConn(r)
		c.Initiating = append(c.Initiating, p)
	}
}

func (LEExtendedCreateConnection) startsProcedure() {}

// LEReadFilterAcceptListSize reads the number of entries that the filter accept list
// can hold (Vol 4, Part E, 7.8.14).
type LEReadFilterAcceptListSize struct{}

// Opcode returns OpLEReadFilterAcceptListSize.
func (LEReadFilterAcceptListSize) Opcode() Opcode { return OpLEReadFilterAcceptListSize }

// AppendParams appends nothing.
func (LEReadFilterAcceptListSize) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEReadFilterAcceptListSize) readParams(*wire.Reader) {}

func (LEReadFilterAcceptListSize) readReturn(r *wire.Reader) Count { return Count(r.U8()) }

// LEClearFilterAcceptList removes all devices from the filter accept list
// (Vol 4, Part E, 7.8.15).
type LEClearFilterAcceptList struct{}

// Opcode returns OpLEClearFilterAcceptList.
func (LEClearFilterAcceptList) Opcode() Opcode { return OpLEClearFilterAcceptList }

// AppendParams appends nothing.
func (LEClearFilterAcceptList) AppendParams(b []byte) ([]byte, error) { return b, nil }

func (*LEClearFilterAcceptList) readParams(*wire.Reader) {}

func (LEClearFilterAcceptList) readReturn(r *wire.Reader) None { return readNothing(r) }

// LEAddDeviceToFilterAcceptList adds a device to the filter accept list
// (Vol 4, Part E, 7.8.16).
type LEAddDeviceToFilterAcceptList struct {
	Addr Addr // public, random, or anonymous for advertisers without address
}

// Opcode returns OpLEAddDeviceToFilterAcceptList.
func (LEAddDeviceToFilterAcceptList) Opcode() Opcode { return OpLEAddDeviceToFilterAcceptList }

// AppendParams implements Params.
func (c LEAddDeviceToFilterAcceptList) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.acceptListAddr(c.Addr)
	return w.done()
}

func (c *LEAddDeviceToFilterAcceptList) readParams(r *wire.Reader) { c.Addr = readAddr(r) }

func (LEAddDeviceToFilterAcceptList) readReturn(r *wire.Reader) None { return readNothing(r) }

// LERemoveDeviceFromFilterAcceptList removes a device from the filter accept list
// (Vol 4, Part E, 7.8.17).
type LERemoveDeviceFromFilterAcceptList struct {
	Addr Addr // public, random, or anonymous for advertisers without address
}

// Opcode returns OpLERemoveDeviceFromFilterAcceptList.
func (LERemoveDeviceFromFilterAcceptList) Opcode() Opcode {
	return OpLERemoveDeviceFromFilterAcceptList
}

// AppendParams implements Params.
func (c LERemoveDeviceFromFilterAcceptList) AppendParams(b []byte) ([]byte, error) {
	w := paramWriter{op: c.Opcode(), b: b}
	w.acceptListAddr(c.Addr)
	return w.done()
}

func (c *LERemoveDeviceFromFilterAcceptList) readParams(r *wire.Reader) { c.Addr = readAddr(r) }

func (LERemoveDeviceFromFilterAcceptList) readReturn(r *wire.Reader) None { return readNothing(r) }
