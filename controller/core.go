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

// core is the state of one controller. It belongs to the loop. It has no channel,
// clock or I/O, so that a test can drive it without a goroutine: handlePacket,
// runTask and runTimers take the present time and append the packets to send to
// out. timers.nextDue returns when runTimers must be called next. Only loop.go
// joins core, transport and timer.
type core struct {
	cfg Config
	log *slog.Logger
	ctx context.Context // for log calls only

	now  time.Time // the time of the packet, task or deadline in hand
	out  [][]byte  // packets to send, in order; data packets return to free
	free [][]byte  // spare buffers for data packets
	dec  hci.Decoder
	err  error // why the Controller ends; nil before that
	info Info
	// lacks is why the controller has fewer commands than others; nil for most.
	lacks error
	// started reports that the start-up has ended.
	started bool
	// fresh reports that the controller has not answered the first Reset yet.
	fresh bool
	stats Stats

	timers          timers
	cmds            commands
	pacing          pacing
	remainder       remainder
	data            dataCredits
	shares          shares
	stalls          stalls
	links           map[hci.Handle]*Link
	heard           *Link                 // the link of links in the latest data or acknowledgment, or nil
	leaving         []*Link               // links that this host ends: no dial to their peers starts
	peripheralLinks int                   // links with the role of peripheral
	up              linkList              // links, for loops over all of them and for other goroutines
	failed          atomic.Pointer[error] // err, for other goroutines
	dial            dialer
	scan            scanning
	adv             advertising
	syncs           syncs
	quiet           quiet
	legacy          legacy
	idle            idleCheck
	linkCheck       linkCheck
	sweep           sweep

	own       hci.Addr // the address in use on air
	private   ownPrivate
	resolving resolving

	// onPeripheralLink is called with each new link on which this host is the
	// peripheral; nil leaves such links alone.
	onPeripheralLink func(*Link)
	// post hands a task to the loop. It must not be called on the loop.
	post   func(task) bool
	closed <-chan struct{} // closed after the end of the loop
}

// Stats are counters of dropped packets and of faults of the controller, from
// the start-up to one moment.
type Stats struct {
	ForeignAnswers    uint64 // answers to commands that were not pending
	MalformedPackets  uint64 // packets that could not be decoded
	MalformedReports  uint64 // advertising reports that are cut off, missing or too long, beside others in their event
	ReservedBits      uint64 // advertising reports with reserved bits in their type or PHYs, which are ignored
	UnknownHandles    uint64 // events and data for links that do not exist
	ExcessCredits     uint64 // completed packets reported beyond those sent
	DroppedAdvertRead uint64 // advertising report packets that the reader has dropped
	OrphanConnections uint64 // links closed at once because no caller waited for them
	LostEvents        uint64 // links that have begun or ended without an event
	StalledLinks      uint64 // links ended because their data was not acknowledged
	RepeatedEvents    uint64 // connection events for links that were up already
	LegacyFallbacks   uint64 // resets for the legacy commands; see Info.ExtendedRefused
	QuietScans        uint64 // scans that were restarted after 90 s without a report
	SilentScans       uint64 // those of them that were restarted in vain before
}

// setup initializes c. It must come before the first packet.
func (c *core) setup(cfg Config) {
	c.cfg, c.log, c.ctx = cfg, cfg.logger(), context.Background()
	c.links = map[hci.Handle]*Link{}
	// The controller accepts one command until it grants more (4.4).
	c.cmds = commands{
		pending: map[hci.Opcode]*command{}, unanswered: map[hci.Opcode]bool{}, credits: 1, granted: 1, limit: 1, window: 1,
	}
	c.pacing = pacing{c: c, pace: cfg.Pace}
	if cfg.Pace == nil {
		c.pacing.pace = &Pace{}
	}
	c.remainder.c = c
	c.cmds.starving.f = c.failStarved
	c.dial.init(c)
	c.scan.init(c)
	c.adv.init(c)
	c.syncs.init(c)
	c.private.init(c)
	c.quiet.c, c.resolving.c, c.legacy.c = c, c, c
	c.sweep.init(c)
	c.stalls.init(c)
	c.shares.timer.f = func(time.Time) {} // runTimers calls pumpData
	c.idle.init(c)
	c.linkCheck.init(c)
}

// handlePacket handles one packet of the controller. It does not keep b.
func (c *core) handlePacket(now time.Time, b []byte) {
	c.now, c.idle.heard = now, now
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
	case hci.PacketSCO, hci.PacketISO: // no such channel is ever opened
	default:
		c.stats.MalformedPackets++
		c.log.Log(c.ctx, LevelPacket, "packet of unknown type", "type", b[0])
	}
	c.pumpData()
}

// runTask runs a task that another goroutine has posted.
func (c *core) runTask(now time.Time, t task) {
	c.now = now
	t.Run(now)
	c.pumpData()
}

// runTimers runs the timers that are due.
func (c *core) runTimers(now time.Time) {
	c.now = now
	c.timers.runDue(now)
	c.pumpData()
}

// countFault adds one to a counter of the statistics. The first time is logged.
func (c *core) countFault(n *uint64, what string, args ...any) {
	if *n++; *n == 1 {
		c.log.Log(c.ctx, LevelController, what, args...)
	}
}

func (c *core) dropMalformed(err error) {
	c.stats.MalformedPackets++
	c.log.Log(c.ctx, LevelPacket, "malformed packet dropped", "error", err)
}

// sendPacket queues one H4 packet for the transport.
func (c *core) sendPacket(packet []byte) { c.out = append(c.out, packet) }

// handleEvent passes an event to its owner. A link gets its events before its
// LinkHandler does.
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
	case *hci.LEPeriodicAdvertisingSyncEstablished:
		c.syncs.handleEstablished(ev)
	case *hci.LEPeriodicAdvertisingReport:
		c.syncs.handleReport(ev)
	case *hci.LEPeriodicAdvertisingSyncLost:
		c.syncs.handleLost(ev)
	case *hci.HardwareError:
		if c.fresh { // from before the reset, which is the remedy
			c.log.Log(c.ctx, LevelController, "fault from before the reset ignored", "error", HardwareFault(ev.Code))
			return
		}
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
	case *hci.DataBufferOverflow:
		c.data.doubted = true
		c.log.Log(c.ctx, LevelController, "the controller had no buffer for data")
	case *hci.LEReadLocalP256PublicKeyComplete, *hci.LEGenerateDHKeyComplete,
		*hci.LEScanRequestReceived, *hci.LEChannelSelectionAlgorithm, *hci.VendorEvent, *hci.UnknownEvent:
		c.log.Log(c.ctx, LevelPacket, "event ignored")
	}
}

func (c *core) handleLinkEvent(h hci.Handle, ev hci.Event) {
	if l := c.links[h]; l != nil {
		l.handleLinkEvent(ev)
		return
	}
	c.stats.UnknownHandles++
	c.log.Log(c.ctx, LevelPacket, "event for an unknown link", "handle", h)
	c.sweep.noteUnknown(h)
}

// linkOf returns the link of a handle in a packet, or nil. The packets of one link often
// follow each other.
func (c *core) linkOf(h hci.Handle) *Link {
	if l := c.heard; l != nil && l.handle == h {
		return l
	}
	c.heard = c.links[h]
	return c.heard
}

// handleACL passes a data packet to the handler of its link.
func (c *core) handleACL(b []byte) {
	hdr, data, err := hci.ParseACL(b)
	if err != nil {
		c.dropMalformed(err)
		return
	}
	l := c.linkOf(hdr.Handle)
	if l == nil {
		c.stats.UnknownHandles++
		c.sweep.noteUnknown(hdr.Handle)
		return
	}
	l.heardAt = c.now
	if l.handler != nil {
		l.handler.ACL(c.now, hdr.Start, data)
	}
}

// failController ends the Controller with err. It is the only path to the end:
// for a fatal fault, for a failure of the transport and for Close. Only the first
// call counts.
func (c *core) failController(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.failed.Store(&err)
	if !errors.Is(err, errClosed) {
		c.log.Log(c.ctx, LevelController, "controller ended", "error", err)
	}
	// The links go first, so that a caller whose command fails finds them down.
	for _, l := range c.up.listLinks() {
		l.takeDown(&DisconnectError{Handle: l.handle, Peer: l.peer, Cause: err})
	}
	c.failCommands(err)
	c.dial.failDials(err)
	c.scan.failScanners(err)
	c.adv.failAdvertising(err)
	c.syncs.failSyncs(err)
	c.quiet.failJobs(err)
	c.private.stopRotation()
	c.timers.stopTimer(&c.stalls.timer)
	c.timers.stopTimer(&c.shares.timer)
	c.timers.stopTimer(&c.idle.timer)
	c.timers.stopTimer(&c.linkCheck.timer)
}

type task = loop.Task
