package sim

import (
	"slices"
	"time"

	"github.com/moor-ble/moor/gatt/att"
	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/wire"
	"github.com/moor-ble/moor/uuid"
)

// DeviceConfig holds the properties of a Device. Zero fields have the stated
// defaults.
type DeviceConfig struct {
	// Name is advertised. Default: no name.
	Name string
	// Address is its address on the air. Default: a static random address derived
	// from the node's index.
	Address hci.Addr
	// Table is its attribute table. Default: an empty table.
	Table Table
	// TableChanges replace the table at given times, in ascending order.
	TableChanges []TableChange
	// MTU is the ATT_MTU that the Device offers. Default: 247. Smaller values than 23
	// count as 23.
	MTU int
	// Temper is its misbehavior. Default: it is well behaved.
	Temper Temper
	// Peer holds the other properties of its radio; Name, Address and Temper above
	// take precedence, and Script is the Device's. AdvData defaults to flags and
	// name.
	Peer *RawPeerConfig
}

// TableChange replaces a Device's table At a time after its creation.
type TableChange struct {
	At    time.Duration
	Table Table
	// Indicate sends Service Changed to the centrals that have subscribed to it.
	Indicate bool
}

// Device is a peripheral with a table and no stack: a small ATT server, written
// apart from package gatt, that serves any table in any state. It does not pair.
// It costs much less than a Peripheral.
type Device struct {
	peer *RawPeer
	mtu  int

	// The rest belongs to the air's goroutine.
	table   Table
	clients map[*RawLink]*deviceClient
}

// deviceClient is the state that a Device has for the central of a link.
type deviceClient struct {
	device *Device
	link   *RawLink
	mtu    int
	cccds  map[att.Handle]uint16
	staged []stagedWrite
}

// stagedWrite is a prepared write.
type stagedWrite struct {
	handle att.Handle
	offset int
	value  []byte
}

// NewDevice adds a device to the air, which advertises at once. A nil cfg is the
// zero DeviceConfig.
func (a *Air) NewDevice(cfg *DeviceConfig) *Device {
	var c DeviceConfig
	if cfg != nil {
		c = *cfg
	}
	var rc RawPeerConfig
	if c.Peer != nil {
		rc = *c.Peer
	}
	rc.Name, rc.Address = or(c.Name, rc.Name), or(c.Address, rc.Address)
	if !c.Temper.isGood() {
		rc.Temper = c.Temper
	}
	if rc.AdvData == nil {
		rc.AdvData = deviceAdvData(c.Name)
	}
	d := &Device{mtu: max(23, or(c.MTU, 247)), table: c.Table.clone(), clients: map[*RawLink]*deviceClient{}}
	rc.Script = Script{Up: d.addClient, Frame: d.receiveFrame, Down: d.removeClient}
	d.peer = a.NewRawPeer(&rc)
	for _, change := range c.TableChanges {
		t := change.Table.clone()
		a.post(func() {
			a.arm(&timer{fire: func() { d.replaceTable(t, change.Indicate) }}, a.now.plus(change.At))
		})
	}
	return d
}

// deviceAdvData is the advertising data of a device that defines none.
func deviceAdvData(name string) []byte {
	f := hci.AdvFields{Flags: hci.FlagGeneralDiscoverable | hci.FlagNoBREDR, Name: name}
	data, err := f.Append(nil, legacyData)
	if err != nil { // the name is too long
		f.Name, f.ShortName = "", name[:legacyData-5]
		data, _ = f.Append(nil, legacyData)
	}
	return data
}

func (t Table) clone() Table {
	t = slices.Clone(t)
	for i := range t {
		t[i].Value = slices.Clone(t[i].Value)
	}
	return t
}

func (d *Device) radio() *radio { return d.peer.node }

// Peer returns the device's radio, to change its advertising or its address and
// to accept its links.
func (d *Device) Peer() *RawPeer { return d.peer }

// Address returns the device's address on the air.
func (d *Device) Address() hci.Addr { return d.peer.Address() }

// Find returns the handle of the first attribute of a type in the present table,
// or 0; see Table.Find. It waits for the air, so scripts must not call it.
func (d *Device) Find(u uuid.UUID) (h att.Handle) {
	d.peer.air.runAndWait(func() { h = d.table.Find(u) })
	return h
}

// SetTable replaces the table, as new firmware does. With indicate, it sends
// Service Changed to the centrals that have subscribed to it. Values of CCCDs
// stay with their handles. It copies t.
func (d *Device) SetTable(t Table, indicate bool) {
	t = t.clone()
	d.peer.air.post(func() { d.replaceTable(t, indicate) })
}

func (d *Device) replaceTable(t Table, indicate bool) {
	d.table = t
	if !indicate {
		return
	}
	h := t.Find(uuid.From16(typeServiceChanged))
	for _, c := range d.sortedClients() {
		if c.cccdOf(h)&2 != 0 {
			c.sendValue(att.OpHandleValueIndication, h, []byte{1, 0, 0xFF, 0xFF})
		}
	}
}

// ForgetSubscriptions sets CCCDs of all links to 0, as a server that starts again on
// its links does. Nobody is told. values are the value handles of the characteristics;
// without any, it forgets all.
func (d *Device) ForgetSubscriptions(values ...att.Handle) {
	d.peer.air.post(func() {
		for _, c := range d.clients {
			if len(values) == 0 {
				clear(c.cccds)
			}
			for _, h := range values {
				delete(c.cccds, d.table.cccd(h))
			}
		}
	})
}

// SetValue changes a value and sends it to the centrals that have subscribed to
// it. It copies value.
func (d *Device) SetValue(h att.Handle, value []byte) {
	value = slices.Clone(value)
	d.peer.air.post(func() {
		if a := d.table.row(h); a != nil {
			a.Value = value
		}
		for _, c := range d.sortedClients() {
			switch cccd := c.cccdOf(h); {
			case cccd&1 != 0:
				c.sendValue(att.OpHandleValueNotification, h, value)
			case cccd&2 != 0:
				c.sendValue(att.OpHandleValueIndication, h, value)
			}
		}
	})
}

// Value returns the value of an attribute, or nil if there is none. It waits for
// the air, so scripts must not call it.
func (d *Device) Value(h att.Handle) (value []byte) {
	d.peer.air.runAndWait(func() {
		if a := d.table.row(h); a != nil {
			value = slices.Clone(a.Value)
		}
	})
	return value
}

// sortedClients returns the clients in the order of their links, so that runs can
// be repeated.
func (d *Device) sortedClients() []*deviceClient {
	all := make([]*deviceClient, 0, len(d.clients))
	for _, c := range d.clients {
		all = append(all, c)
	}
	slices.SortFunc(all, func(x, y *deviceClient) int {
		return int(x.link.endpoint.link.id) - int(y.link.endpoint.link.id)
	})
	return all
}

func (d *Device) addClient(l *RawLink) {
	d.clients[l] = &deviceClient{device: d, link: l, mtu: 23, cccds: map[att.Handle]uint16{}}
}

func (d *Device) removeClient(l *RawLink, _ hci.Status) { delete(d.clients, l) }

func (d *Device) receiveFrame(l *RawLink, cid uint16, payload []byte) {
	c := d.clients[l]
	switch {
	case c == nil || len(payload) == 0:
	case cid == cidATT:
		c.receiveATT(payload)
	case cid == cidSMP && payload[0] == 0x01: // Pairing Request: Pairing Failed, not supported
		l.Send(cidSMP, []byte{0x05, 0x05})
	case cid == cidSignaling && len(payload) > 1 && payload[0]%2 == 0: // a request: not understood
		l.Send(cidSignaling, []byte{0x01, payload[1], 2, 0, 0, 0})
	}
}

// cccdOf returns the client's configuration of the characteristic with the value
// handle h.
func (c *deviceClient) cccdOf(h att.Handle) uint16 {
	return c.cccds[c.device.table.cccd(h)]
}

// cccd returns the handle of the CCCD of the characteristic with the value handle h;
// 0 if there is none.
func (t Table) cccd(h att.Handle) att.Handle {
	i := slices.IndexFunc(t, func(a Attribute) bool { return a.Handle == h })
	if i < 0 {
		return 0
	}
	for i++; i < len(t); i++ {
		switch v, _ := t[i].Type.Short(); {
		case v == typeCCCD:
			return t[i].Handle
		case v >= typePrimary && v <= typeCharacteristic:
			return 0
		}
	}
	return 0
}

func (c *deviceClient) sendValue(op att.Opcode, h att.Handle, value []byte) {
	pdu := wire.AppendU16([]byte{byte(op)}, uint16(h))
	c.link.Send(cidATT, append(pdu, value[:min(len(value), c.mtu-3)]...))
}
