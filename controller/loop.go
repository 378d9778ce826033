package controller

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/moor-ble/moor/hci"
)

// packetBuffer holds one packet on its way from the reader to the loop.
type packetBuffer struct {
	n int
	b [hci.MaxPacketLen]byte
}

// readPackets is the reader: it reads packets until the transport fails. It handles
// them itself while the loop is idle, and otherwise hands them over. It blocks only in
// the transport, or while the loop has all buffers.
func (ctl *Controller) readPackets() {
	defer close(ctl.quit)
	p, made := new(packetBuffer), 1
	for {
		n, err := ctl.tr.ReadPacket(p.b[:])
		if err != nil {
			ctl.readErr <- err
			return
		}
		p.n = n
		advert := isAdvertising(p.b[:n])
		if restartsScan(p.b[:n]) {
			ctl.adverts.noteRestart()
		}
		switch {
		case ctl.handleIdle(p.b[:n], advert):
			continue
		case advert:
			if !ctl.adverts.push(p.b[:n]) && ctl.dropped.Add(1) == 1 {
				ctl.core.log.Log(ctl.core.ctx, LevelController, "advertising reports are dropped: they come faster than they are handled")
			}
			continue
		}
		ctl.ahead.Add(1)
		select {
		case ctl.packets <- p: // there is room as a rule, and this select is the cheaper one
		default:
			select {
			case ctl.packets <- p:
			case <-ctl.stop:
				return
			}
		}
		select {
		case p = <-ctl.free:
			continue
		default:
		}
		if made < packetBuffers {
			p = new(packetBuffer)
			made++
			continue
		}
		select {
		case p = <-ctl.free:
		case <-ctl.stop:
			return
		}
	}
}

// handleIdle handles a packet on the reader, if the loop is idle and no packet that has to
// come before it waits. That saves a change of goroutines. The loop still does all that may
// block, so it is woken if there is something to write, or a timer to set.
func (ctl *Controller) handleIdle(b []byte, advert bool) bool {
	if ctl.ahead.Load() > 0 || len(ctl.tasks) > 0 || !ctl.turn.TryLock() {
		return false
	}
	defer ctl.turn.Unlock()
	if advert {
		if ctl.adverts.waits() {
			return false
		}
		ctl.core.cutChains(ctl.adverts.takeCuts())
	}
	ctl.handleNow(b)
	if c := &ctl.core; c.err != nil || len(c.out) > 0 || ctl.mustRearm() {
		ctl.adverts.wake()
	}
	return true
}

// handleNow handles a packet that has just been read. ctl.turn must be held.
func (ctl *Controller) handleNow(b []byte) {
	now := time.Now()
	ctl.capturePacket(now, false, b)
	ctl.core.handlePacket(now, b)
}

// mustRearm reports whether the alarm of the loop would come too late. One that comes too
// early does no harm. ctl.turn must be held.
func (ctl *Controller) mustRearm() bool {
	next := ctl.core.timers.nextDue()
	return !next.IsZero() && (ctl.armed.IsZero() || next.Before(ctl.armed))
}

// runLoop is the loop, which owns the core, but for the packets that the reader handles
// while the loop is idle: ctl.turn is held by the one that works. The loop ends when the
// core has failed.
func (ctl *Controller) runLoop() {
	c := &ctl.core
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	patience := time.AfterFunc(time.Hour, ctl.closeStuckTransport)
	patience.Stop()
	for {
		select {
		case p := <-ctl.packets:
			ctl.turn.Lock()
			ctl.handleNow(p.b[:p.n])
			ctl.ahead.Add(-1)
			ctl.free <- p
		case <-ctl.adverts.ready:
			ctl.turn.Lock()
			ctl.handleAdverts()
		case t := <-ctl.tasks:
			ctl.turn.Lock()
			c.runTask(time.Now(), t)
		case <-alarm.C:
			ctl.turn.Lock()
			ctl.armed = time.Time{}
			c.runTimers(time.Now())
		case err := <-ctl.readErr:
			ctl.turn.Lock()
			c.now = time.Now()
			ctl.drainPackets()
			c.failController(ctl.transportError("read", err))
		}
		ctl.writePackets(patience)
		if c.err != nil {
			break // the loop keeps the turn
		}
		if ctl.mustRearm() {
			ctl.armed = c.timers.nextDue()
			alarm.Reset(time.Until(ctl.armed))
		}
		ctl.turn.Unlock()
	}
	ctl.shutDown()
}

// handleAdverts handles a batch of advertising reports. Other packets and tasks end the
// batch, so that they wait for one report at most.
func (ctl *Controller) handleAdverts() {
	for n := range advertBatch {
		if n > 0 && (len(ctl.packets) > 0 || len(ctl.tasks) > 0 || ctl.core.err != nil) {
			break
		}
		p := ctl.adverts.pop()
		if p == nil {
			return
		}
		ctl.core.cutChains(p.cuts)
		ctl.handleNow(p.b[:p.n])
		ctl.adverts.recycle(p)
	}
	ctl.adverts.wake()
}

// drainPackets handles the packets that were read before the transport failed.
func (ctl *Controller) drainPackets() {
	for {
		select {
		case p := <-ctl.packets:
			ctl.capturePacket(ctl.core.now, false, p.b[:p.n])
			ctl.core.handlePacket(ctl.core.now, p.b[:p.n])
			continue
		default:
		}
		break
	}
	for p := ctl.adverts.pop(); p != nil; p = ctl.adverts.pop() {
		ctl.capturePacket(ctl.core.now, false, p.b[:p.n])
		ctl.core.cutChains(p.cuts)
		ctl.core.handlePacket(ctl.core.now, p.b[:p.n])
	}
}

// writePackets sends the packets that the core has queued. A blocked write blocks
// the loop and with it every caller, so the transport is closed if a write takes
// longer than Config.CommandTimeout. Closing unblocks the write.
func (ctl *Controller) writePackets(patience *time.Timer) {
	c := &ctl.core
	if len(c.out) == 0 {
		return
	}
	patience.Reset(c.cfg.commandTimeout())
	defer patience.Stop()
	for i := 0; i < len(c.out); i++ { // handling an error may append
		p := c.out[i]
		c.out[i] = nil
		if err := ctl.tr.WritePacket(p); err != nil {
			c.failController(ctl.transportError("write", err))
			break
		}
		ctl.capturePacket(c.now, true, p)
		c.recycleBuffer(p)
	}
	c.out = c.out[:0]
}

// capturePacket writes a packet to the log and to the capture.
func (ctl *Controller) capturePacket(now time.Time, sent bool, p []byte) {
	if ctl.core.log.Enabled(ctl.core.ctx, LevelPacket) {
		what := "received"
		if sent {
			what = "sent"
		}
		ctl.core.log.Log(ctl.core.ctx, LevelPacket, what, "packet", hci.Describe(p))
	}
	if ctl.snoop == nil {
		return
	}
	if err := ctl.snoop.Packet(now, sent, p); err != nil {
		ctl.core.log.Log(ctl.core.ctx, LevelController, "capture ended", "error", err)
		ctl.snoop = nil
	}
}

// shutDown closes everything after the core has failed.
func (ctl *Controller) shutDown() {
	close(ctl.stop)
	_ = ctl.tr.Close()
	// Tasks that Post has accepted still run. On a failed core they report the
	// cause to their callers.
	for {
		select {
		case t := <-ctl.tasks:
			ctl.core.runTask(time.Now(), t)
			continue
		default:
		}
		break
	}
	<-ctl.quit
	close(ctl.done)
}

// closeStuckTransport unblocks a write that takes too long. It runs on a
// goroutine of the timer.
func (ctl *Controller) closeStuckTransport() {
	ctl.stuck.Store(true)
	_ = ctl.tr.Close()
}

// transportError returns the error that ends the Controller when the operation
// op of the transport fails with err.
func (ctl *Controller) transportError(op string, err error) error {
	if ctl.stuck.Load() {
		return &Error{"transport", ErrStuck}
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the other side closed it (%w)", err)
	} else if errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("controller: transport closed: %w", err)
	}
	return &Error{"transport " + op, err}
}
