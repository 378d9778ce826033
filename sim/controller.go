package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/ring"
)

// ControllerConfig holds the properties of a controller. Zero fields have the
// stated defaults.
type ControllerConfig struct {
	// Name appears in the log. Default: hci and the node's index.
	Name string
	// Address is the public address. Default: derived from the node's index.
	// NoAddress leaves the controller without a public address.
	Address   hci.MAC
	NoAddress bool
	// Latency is the time from the host's writing of a packet to its processing
	// by the controller. Default: 100 µs; negative: none.
	Latency time.Duration
	// Version is the Core version as HCI encodes it. Default: 0x0C, 5.3.
	Version      uint8
	Manufacturer uint16
	Subversion   uint16
	// Features are the LE features of the link layer. Default: DefaultFeatures.
	Features hci.Features
	// Legacy removes extended and periodic advertising and their commands.
	Legacy bool
	// Disable lists commands that the controller does not support. Without LE Set
	// Privacy Mode it behaves as a controller of Core 4.2: it is always in network
	// privacy mode, and a peer with a private address is dialed by the address kinds
	// 0x02 and 0x03 only.
	Disable []hci.Opcode
	// ACLLen is the length of a data buffer in octets, ACLNum the number of
	// buffers. Default: 8 buffers of 251 octets. With SharedBuffers, LE Read
	// Buffer Size reports none and the host must use the buffers of BR/EDR.
	ACLLen, ACLNum int
	SharedBuffers  bool
	// MaskReserved lists events that it does not send if their bit of the event
	// mask is clear, although that bit is reserved: Command Complete (0x0E), Command
	// Status (0x0F), Number Of Completed Packets (0x13). Default: it always sends
	// them, as the specification demands.
	MaskReserved []uint8
	// Completed is the way in which it reports completed packets.
	Completed CompletedReports
	// CommandCredits is Num_HCI_Command_Packets. Default: 1.
	CommandCredits uint8
	// CommandBuffers is the number of commands that the controller can hold until it
	// processes them, whatever it grants. Further ones are lost without an answer, as on
	// clones of controllers. Default: no limit.
	CommandBuffers int
	// AcceptListSize and ResolvingListSize are the capacities of the two lists.
	// Defaults: 16 and 8; negative: no entries.
	AcceptListSize, ResolvingListSize int
	// MaxLinks is the greatest number of simultaneous links. Default: 16.
	MaxLinks int
	// FullStatus is the status of a connect beyond MaxLinks. Default: 0x09,
	// connection limit exceeded. With FullLate it is reported in LE Connection
	// Complete instead of Command Status.
	FullStatus hci.Status
	FullLate   bool
	// NoScanWhileInitiating makes the controller refuse to scan and to initiate
	// at the same time.
	NoScanWhileInitiating bool
	// AdvertisingSets is the number of sets. Default: 4.
	AdvertisingSets int
	// MaxOctets is the longest link layer payload that it sends and receives, 27
	// to 251 octets. Default: 251.
	MaxOctets int
	// Duplicates is the rule of the duplicate filter. DuplicateCache is the number
	// of advertisers that it remembers, after which it forgets the oldest. Default:
	// 256; negative: no limit.
	Duplicates     DuplicateRule
	DuplicateCache int
	// TxPower is the transmit power in dBm.
	TxPower int8
}

// DefaultFeatures are the LE features of a controller or a RawPeer whose
// configuration names none.
const DefaultFeatures = hci.FeatureEncryption | hci.FeatureConnParamRequest | hci.FeatureExtendedReject |
	hci.FeaturePeripheralFeatExchange | hci.FeaturePing | hci.FeatureDataLength | hci.FeaturePrivacy |
	hci.Feature2MPHY | hci.FeatureCodedPHY | hci.FeatureExtendedAdvertising |
	hci.FeaturePeriodicAdvertising | hci.FeatureCSA2

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (c *ControllerConfig) latency() time.Duration {
	return max(0, or(c.Latency, 100*time.Microsecond))
}

func (c *ControllerConfig) features() hci.Features {
	f := or(c.Features, DefaultFeatures)
	if c.Legacy {
		f &^= hci.FeatureExtendedAdvertising | hci.FeaturePeriodicAdvertising
	}
	return f
}

func (c *ControllerConfig) version() uint8       { return or(c.Version, 0x0C) }
func (c *ControllerConfig) aclLen() int          { return or(c.ACLLen, 251) }
func (c *ControllerConfig) aclNum() int          { return or(c.ACLNum, 8) }
func (c *ControllerConfig) credits() uint8       { return or(c.CommandCredits, 1) }
func (c *ControllerConfig) acceptListSize() int  { return max(0, or(c.AcceptListSize, 16)) }
func (c *ControllerConfig) resolvingSize() int   { return max(0, or(c.ResolvingListSize, 8)) }
func (c *ControllerConfig) maxLinks() int        { return or(c.MaxLinks, 16) }
func (c *ControllerConfig) advertisingSets() int { return or(c.AdvertisingSets, 4) }
func (c *ControllerConfig) maxOctets() int       { return min(max(27, or(c.MaxOctets, 251)), 251) }
func (c *ControllerConfig) duplicateCache() int  { return or(c.DuplicateCache, 256) }

// Controller is a simulated Bluetooth LE controller. It is also the
// hci.Transport of its first host: a new controller is plugged in. Close and
// Unplug leave it on the air without a host; Plug returns the transport for the
// next host.
type Controller struct {
	air       *Air
	node      *radio
	cfg       ControllerConfig
	owned     bool // by a Peripheral
	first     *port
	supported hci.SupportedCommands

	// Guarded by the air's lock.
	freeIn    [][]byte
	lostInput int64

	// The rest belongs to the air's goroutine.
	usedIn  [][]byte
	port    *port // nil: not plugged in
	hung    bool  // see Hang
	cure    Cure  // of hung
	absent  bool  // see Replug
	replug  timer
	input   ring.Ring[inPacket]
	inTimer timer
	powerState
	faults    faults
	stats     Stats
	buf       []byte                       // for packets to the host
	completed hci.NumberOfCompletedPackets // reused
}

// powerState is the state that HCI Reset clears.
type powerState struct {
	eventMask, eventMask2, leEventMask uint64

	random    hci.MAC
	hasRandom bool
	mode      commandMode
	accept    []hci.Addr
	privacy   privacy
	scan      scanState
	initiator initiatorState
	sets      []*advSet
	legacySet *advSet
	search    *periodicSearch // nil: no synchronization is searched
	receivers []*receiver
	conns     []*conn // by handle - firstHandle
	held      int     // data packets of the host
	done      []hci.CompletedPackets
	able      abilities
	chanMap   [5]byte
	p256      p256

	heldAnswers []heldAnswer // see CommandFault.AfterEvent
	overtaken   []*overtaken // see EventFault.Behind
}

// NewController adds a controller to the air. A nil cfg is the zero
// ControllerConfig.
func (a *Air) NewController(cfg *ControllerConfig) *Controller { return a.newController(cfg, false) }

func (a *Air) newController(cfg *ControllerConfig, owned bool) *Controller {
	c := &Controller{air: a, owned: owned}
	if cfg != nil {
		c.cfg = *cfg
	}
	var open bool
	c.node, open = a.register(c, c.cfg.Name)
	if c.cfg.Name == "" {
		c.node.name = fmt.Sprintf("hci%d", c.node.index)
	}
	if c.cfg.Address == (hci.MAC{}) && !c.cfg.NoAddress {
		i := c.node.index
		c.cfg.Address = hci.MAC{byte(i), byte(i >> 8), 0x00, 0x52, 0x4F, 0x00}
	}
	c.supported = c.cfg.supportedCommands()
	c.first = newPort(c)
	if c.port = c.first; !open {
		c.first.closePort(errClosed, true)
	}
	c.inTimer.fire = c.onInput
	c.powerOn() // touches nothing of the air yet
	return c
}

func (c *Controller) radio() *radio { return c.node }

// Address returns the controller's public address.
func (c *Controller) Address() hci.Addr {
	return hci.Addr{MAC: c.cfg.Address, Kind: hci.AddrPublic}
}

// ReadPacket implements hci.Transport, for the first host.
func (c *Controller) ReadPacket(b []byte) (int, error) { return c.first.ReadPacket(b) }

// WritePacket implements hci.Transport, for the first host.
func (c *Controller) WritePacket(b []byte) error { return c.first.WritePacket(b) }

// Close implements hci.Transport, for the first host.
func (c *Controller) Close() error { return c.first.Close() }

// ErrUnplugged is the error of a transport whose controller was unplugged.
var ErrUnplugged = errors.New("sim: controller unplugged")

func (c *Controller) unplugHost(cause error) {
	if p := c.port; p != nil {
		p.closePort(cause, false)
		c.powerOff(p)
	}
}

// Plug connects the controller to a new host and returns the transport for it.
// A host that is still connected is unplugged. A controller that Replug keeps
// away returns a transport that fails.
func (c *Controller) Plug() hci.Transport {
	p := newPort(c)
	if !c.air.runAndWait(func() {
		c.unplugHost(ErrUnplugged)
		c.applyCure(CureReopen)
		if c.absent {
			p.closePort(ErrUnplugged, true)
			return
		}
		c.port = p
	}) {
		p.closePort(errClosed, true)
	}
	return p
}

// powerOff takes the power away when the host of port p has gone.
func (c *Controller) powerOff(p *port) {
	if c.port != p {
		return
	}
	c.port = nil
	for c.input.Len() > 0 {
		c.usedIn = append(c.usedIn, c.input.Pop().buf)
	}
	c.air.disarm(&c.inTimer)
	c.powerOn()
}

// powerOn sets the state after power-on, which is also the state after HCI
// Reset. Links end without a packet on the air.
func (c *Controller) powerOn() {
	c.conns = nil // no event reports the end of the links
	c.dropLinks()
	c.stopScan()
	c.air.deafen(&c.initiator.listener)
	for _, s := range c.sets {
		s.adv.stopAdvertising()
	}
	if c.legacySet != nil {
		c.legacySet.adv.stopAdvertising()
	}
	c.air.disarm(&c.scan.expiry)
	c.dropPeriodic()
	for _, o := range c.overtaken {
		c.air.disarm(o.expiry)
	}
	c.powerState = powerState{
		eventMask:   0x00001FFFFFFFFFFF,
		leEventMask: 0x1F,
		chanMap:     [5]byte{0xff, 0xff, 0xff, 0xff, 0x1f},
		able: abilities{
			features: c.cfg.features(), version: c.cfg.version(),
			company: c.cfg.Manufacturer, subversion: c.cfg.Subversion,
			maxTx: c.cfg.maxOctets(), maxRx: c.cfg.maxOctets(),
			defaultTx: 27, defaultTime: startLengths.txTime,
			preferTx: c.phys(), preferRx: c.phys(),
		},
	}
	c.privacy.timeout = 15 * time.Minute
	c.scan.listener = listener{node: c.node, hears: c.hearsScanning}
	c.scan.interval, c.scan.window = 10*time.Millisecond, 10*time.Millisecond
	c.scan.expiry.fire = c.scanExpired
}

// dropLinks ends the controller's side of all its links, including links that
// are still being made.
func (c *Controller) dropLinks() {
	if c.node.links == 0 {
		return
	}
	var ends []*endpoint
	for _, l := range c.air.links {
		for _, e := range []*endpoint{&l.c, &l.p} {
			if e.radio == c.node && !e.dead {
				ends = append(ends, e)
			}
		}
	}
	for _, e := range ends {
		e.dropLink(hci.StatusHardwareFailure)
	}
}

// phys returns the PHYs that the controller supports.
func (c *Controller) phys() hci.PHYs {
	p, f := hci.PHYs1M, c.cfg.features()
	if f.Has(hci.Feature2MPHY) {
		p |= hci.PHYs2M
	}
	if f.Has(hci.FeatureCodedPHY) {
		p |= hci.PHYsCoded
	}
	return p
}

// armInput arms the timer for the first packet from the host. Packets of one
// instant are processed in the order of the controllers' indices.
func (c *Controller) armInput() {
	if c.input.Len() > 0 && !c.inTimer.armed() {
		c.air.armOrdered(&c.inTimer, c.input.At(0).at, uint64(c.node.index))
	}
}

func (c *Controller) onInput() {
	p := c.input.Pop()
	c.armInput()
	if c.receivePacket(p.buf) {
		c.usedIn = append(c.usedIn, p.buf)
	}
}
