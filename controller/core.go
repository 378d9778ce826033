package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/moor-ble/moor/hci"
	"github.com/moor-ble/moor/internal/loop"
)

// core is all state of one controller. Only the loop touches it; it has no
// channel, clock or I/O inside, so tests drive it without a goroutine: packet,
// call and expire take the present time, fill out with the packets to send,
// and leave in timers.next when they want to be called again.
type core struct {
	cfg Config
	log *slog.Logger
	ctx context.Context // for log calls alone

	now   time.Time // of the call being handled
	out   [][]byte  // packets to send, in order; returned to free once sent
	free  [][]byte  // spare data packet buffers
	dec   hci.Decoder
	err   error // why the device ended; nil while it lives
	info  Info
	stats Stats

	timers timers
	cmds   commands
	data   dataCredits
	links  map[hci.Handle]*Link
	up     atomic.Pointer[[]*Link] // the links in the order of their handles, for other goroutines
	dial   dialer
	scan   scanning
	adv    advertising
	quiet  quiet
	sweep  sweep

	own       hci.Addr // the address that is used on air
	private   ownPrivate
	resolving resolving

	// accept takes links that peers made to us as peripheral.
	onPeripheralLink func(*Link)
	// post is how links reach the loop from other goroutines.
	post   func(task) bool
	closed <-chan struct{} // closed after the loop's end
}

// Stats counts what a Controller dropped or found wrong. It is a snapshot.
type Stats struct {
	ForeignAnswers    uint64 // answers to commands that were not pending
	MalformedPackets  uint64 // packets that could not be decoded
	UnknownHandles    uint64 // events and data for links that do not exist
	ExcessCredits     uint64 // completed packets reported beyond those sent
	DroppedAdvertRead uint64 // advertising packets dropped before the loop, because it could not keep up
	OrphanConnections uint64 // connections that nobody waited for, closed again
	LostEvents        uint64 // links that had ended, or begun, without an event
}

// setup makes c ready for its first packet.
func (c *core) setup(cfg Config) {
	c.cfg, c.log, c.ctx = cfg, cfg.logger(), context.Background()
	c.links = map[hci.Handle]*Link{}
	// Until the controller says otherwise it takes one command (4.4).
	c.cmds = commands{pending: map[hci.Opcode]*command{}, unanswered: map[hci.Opcode]bool{}, credits: 1, limit: 1}
	c.cmds.starving.f = c.failStarved
	c.dial.init(c)
	c.scan.init(c)
	c.adv.init(c)
	c.private.init(c)
	c.quiet.c, c.resolving.c = c, c
	c.sweep.init(c)
}

// packet takes one packet from the controller. b is the caller's again after
// the call.
func (c *core) handlePacket(now time.Time, b []byte) {
	c.now = now
	if c.err != nil || len(b) == 0 {
		return
	}
	switch hci.PacketType(b[0]) {
	case hci.PacketEvent:
		ev, err := c.dec.Event(b[1:])
		if err != nil {
			c.dropMalformed(err)
			return
		}
		c.handleEvent(ev)
	case hci.PacketACL:
		c.handleACL(b[1:])
	case hci.PacketSCO, hci.PacketISO: // never asked for
	default:
		c.stats.MalformedPackets++
		c.log.Log(c.ctx, LevelPacket, "packet of unknown type", "type", b[0])
	}
	c.pumpData()
}

// call runs one task of another goroutine.
func (c *core) runTask(now time.Time, t task) {
	c.now = now
	t.Run(now)
	c.pumpData()
}

// expire runs the timers that are due.
func (c *core) runTimers(now time.Time) {
	c.now = now
	c.timers.runDue(now)
	c.pumpData()
}

func (c *core) dropMalformed(err error) {
	c.stats.MalformedPackets++
	c.log.Log(c.ctx, LevelPacket, "malformed packet dropped", "error", err)
}

// send queues one H4 packet for the transport.
func (c *core) sendPacket(packet []byte) { c.out = append(c.out, packet) }

// event dispatches. Events of procedures go to their owner; events of a link
// go to the link first, which tells its handler.
func (c *core) handleEvent(ev hci.Event) {
	switch ev := ev.(type) {
	case *hci.CommandComplete:
		c.handleCommandComplete(ev)
	case *hci.CommandStatus:
		c.handleCommandStatus(ev)
	case *hci.NumberOfCompletedPackets:
		c.handleCompletedPackets(ev)
	case *hci.LEConnectionComplete:
		c.handleConnectionComplete(ev.Status, connection{handle: ev.Handle, role: ev.Role, peer: ev.Peer, params: ev.Params})
	case *hci.LEEnhancedConnectionComplete:
		c.handleConnectionComplete(ev.Status, connection{ev.Handle, ev.Role, ev.Peer, ev.Params, ev.LocalRPA, ev.PeerRPA})
	case *hci.DisconnectionComplete:
		c.handleDisconnectionComplete(ev)
	case *hci.LEAdvertisingReport:
		c.scan.handleLegacyReports(ev)
	case *hci.LEExtendedAdvertisingReport:
		c.scan.handleExtendedReports(ev)
	case *hci.LEScanTimeout:
		c.scan.noteScanStopped()
	case *hci.LEAdvertisingSetTerminated:
		c.adv.handleSetTerminated(ev)
	case *hci.HardwareError:
		c.failController(&Error{"the controller reported a fault", HardwareFault(ev.Code)})
	case *hci.LEConnectionUpdateComplete:
		c.handleLinkEvent(ev.Handle, ev)
	case *hci.LEReadRemoteFeaturesComplete:
		c.handleLinkEvent(ev.Handle, ev)
	case *hci.ReadRemoteVersionInformationComplete:
		c.handleLinkEvent(ev.Handle, ev)
	case *hci.LEDataLengthChange:
		c.handleLinkEvent(ev.Handle, ev)
	case *hci.LEPHYUpdateComplete:
		c.handleLinkEvent(ev.Handle, ev)
	case *hci.EncryptionChange:
		c.handleLinkEvent(ev.Handle, ev)
	case *hci.EncryptionKeyRefreshComplete:
		c.handleLinkEvent(ev.Handle, ev)
	case *hci.LELongTermKeyRequest:
		c.handleLinkEvent(ev.Handle, ev)
	case *hci.LERemoteConnectionParameterRequest:
		c.handleLinkEvent(ev.Handle, ev)
	case *hci.LEReadLocalP256PublicKeyComplete, *hci.LEGenerateDHKeyComplete,
		*hci.LEScanRequestReceived, *hci.LEChannelSelectionAlgorithm, *hci.DataBufferOverflow, *hci.VendorEvent, *hci.UnknownEvent:
		c.log.Log(c.ctx, LevelPacket, "event without use")
	}
}

func (c *core) handleLinkEvent(h hci.Handle, ev hci.Event) {
	if l := c.links[h]; l != nil {
		l.handleLinkEvent(ev)
		return
	}
	c.stats.UnknownHandles++
	c.log.Log(c.ctx, LevelPacket, "event for no link of ours", "handle", h)
	c.sweep.noteStrange(h)
}

// acl hands data to its link.
func (c *core) handleACL(b []byte) {
	hdr, data, err := hci.ParseACL(b)
	if err != nil {
		c.dropMalformed(err)
		return
	}
	l := c.links[hdr.Handle]
	if l == nil {
		c.stats.UnknownHandles++
		c.sweep.noteStrange(hdr.Handle)
		return
	}
	l.noteHeard()
	if l.handler != nil {
		l.handler.ACL(c.now, hdr.Start, data)
	}
}

// fail ends the device with err: the one path for everything that a
// controller cannot come back from. Later calls are ignored.
func (c *core) failController(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	if !errors.Is(err, errClosed) {
		c.log.Log(c.ctx, LevelController, "device ended", "error", err)
	}
	// The links first: whoever learns by a command that the device has ended finds
	// them down.
	for _, l := range c.sortedLinks() {
		l.takeDown(&DisconnectError{Handle: l.handle, Peer: l.peer, Cause: err})
	}
	c.failCommands(err)
	c.dial.failDials(err)
	c.scan.failScanners(err)
	c.adv.failAdvertising(err)
	c.quiet.failJobs(err)
	c.private.stopRotation()
}

type task = loop.Task
