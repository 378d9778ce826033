package controller

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/hci"
)

// startUp brings the controller into a known state and returns its description, without
// the answers to the commands of the remainder. A controller that fails to answer several
// commands at a time is started up again, one command at a time.
func (ctl *Controller) startUp(ctx context.Context) (*Info, error) {
	i, err := ctl.tryStartUp(ctx)
	if _, faulty := errors.AsType[*crowdError](err); faulty {
		i, err = ctl.tryStartUp(ctx)
	}
	return i, err
}

// tryStartUp runs on the goroutine of the caller. It sends the commands that a scan
// needs: a scan starts as soon as they are answered. Commands that do not depend on each
// other are sent together, as many as the controller grants (Vol 4, Part E, 4.4), once
// the first three have been answered well. With one credit they are sent in the same
// order, one at a time.
func (ctl *Controller) tryStartUp(ctx context.Context) (*Info, error) {
	i := &Info{}
	s := starter{ctx: ctx, ctl: ctl}
	reset := sendCommand(&s, hci.Reset{})
	s.awaitAnswers()
	need(&s, reset)
	version := sendCommand(&s, hci.ReadLocalVersionInformation{})
	s.awaitAnswers()
	i.Version = accept(&s, version)
	var whole bool
	if i.Commands, whole = s.readCommands(); whole && version.err == nil {
		s.raisePace()
	}
	features, public, mask := sendCommand(&s, hci.LEReadLocalSupportedFeatures{}), sendCommand(&s, hci.ReadBDADDR{}), s.sendEventMask(0)
	s.awaitAnswers()
	i.Features, i.Public = accept(&s, features), accept(&s, public)
	if isPlaceholder(i.Public) {
		ctl.core.log.Log(ctx, LevelController, "the address of the controller is a placeholder", "address", i.Public)
		i.Public = hci.MAC{}
	}
	i.Extended = !ctl.core.cfg.DisableExtended && allExtended(i.Commands)
	for _, q := range quirks {
		if s.err == nil && q.match(i) {
			ctl.core.log.Log(ctx, LevelController, "controller quirk", "symptom", q.symptom)
			q.apply(i)
			i.Quirks = append(i.Quirks, q.symptom)
		}
	}
	s.acceptEventMask(i, mask)
	s.chooseAddress(i)
	leMask, buffers, address := sendCommand(&s, hci.LESetEventMask{Mask: i.leEventMask()}), s.sendReadBuffers(i), s.sendAddress(i)
	s.awaitAnswers()
	accept(&s, leMask)
	s.acceptBuffers(i, buffers)
	if address != nil {
		need(&s, address)
	}
	if s.err != nil {
		return nil, s.err
	}
	if tr, ok := ctl.tr.(interface{ Skipped() uint64 }); ok && tr.Skipped() > 0 {
		ctl.core.log.Log(ctx, LevelController, "octets before the first answer were skipped", "octets", tr.Skipped())
	}
	return i, s.handOver(i)
}

// allExtended reports whether the controller has an extended command for each
// legacy command that it has, because the two kinds must not be mixed
// (Vol 4, Part E, 3.1.1). A controller that cannot advertise needs no commands for
// it.
func allExtended(s hci.SupportedCommands) bool {
	has := func(ops ...hci.Opcode) bool {
		return !slices.ContainsFunc(ops, func(op hci.Opcode) bool { return !s.Has(op) })
	}
	return has(hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable, hci.OpLEExtendedCreateConnection) &&
		(!s.Has(hci.OpLESetAdvertisingEnable) || has(hci.OpLESetAdvertisingSetRandomAddress, hci.OpLESetExtendedAdvertisingParameters,
			hci.OpLESetExtendedAdvertisingData, hci.OpLESetExtendedScanResponseData, hci.OpLESetExtendedAdvertisingEnable))
}

// eventMask is the event mask that the start-up sets.
type eventMask struct {
	cmd    hci.SetEventMask
	answer *answer[hci.None]
}

// sendEventMask queues the command that sets one of the masks to try.
func (s *starter) sendEventMask(n int) eventMask {
	cmd := hci.SetEventMask{Mask: eventMasks()[n]}
	return eventMask{cmd, sendCommand(s, cmd)}
}

// acceptEventMask sets the next mask if the controller has refused m. If it accepts none,
// it keeps its default.
func (s *starter) acceptEventMask(i *Info, m eventMask) {
	for n := 1; s.err == nil; n++ {
		err := m.answer.err
		if err == nil {
			i.setup = append(i.setup, m.cmd)
			return
		}
		if statusOf(err) == hci.StatusSuccess { // no answer of the controller
			s.err = err
			return
		}
		s.ctl.core.log.Log(s.ctx, LevelController, "event mask refused", "mask", m.cmd.Mask, "error", err)
		if n == len(eventMasks()) {
			return
		}
		m = s.sendEventMask(n)
		s.awaitAnswers()
	}
}

// sendReadBuffers queues the command that reads the size and number of the LE data
// buffers: version 2 if the controller has it (Vol 4, Part E, 7.8.2).
func (s *starter) sendReadBuffers(i *Info) func() hci.LEBufferSize {
	if !i.Commands.Has(hci.OpLEReadBufferSizeV2) {
		a := sendCommand(s, hci.LEReadBufferSize{})
		return func() hci.LEBufferSize { return accept(s, a) }
	}
	a := sendCommand(s, hci.LEReadBufferSizeV2{})
	return func() hci.LEBufferSize {
		b := accept(s, a)
		return hci.LEBufferSize{ACLLen: b.ACLLen, ACLNum: b.ACLNum}
	}
}

// acceptBuffers takes the data buffers that read returns. If there are none, it reads
// those of version 1 of the command, and then those shared with BR/EDR.
func (s *starter) acceptBuffers(i *Info, read func() hci.LEBufferSize) {
	b := read()
	i.ACLLen, i.ACLNum = int(b.ACLLen), int(b.ACLNum)
	if i.Commands.Has(hci.OpLEReadBufferSizeV2) && (i.ACLLen == 0 || i.ACLNum == 0) {
		b := try(s, hci.LEReadBufferSize{})
		i.ACLLen, i.ACLNum = int(b.ACLLen), int(b.ACLNum)
	}
	if i.ACLLen == 0 || i.ACLNum == 0 {
		b := try(s, hci.ReadBufferSize{})
		i.ACLLen, i.ACLNum, i.SharedBuffers = int(b.ACLLen), int(b.ACLNum), true
	}
	if s.err == nil && s.unknown >= 3 { // features, event mask and buffers
		s.err = ErrNoLE
	}
	const least = 27 // (7.8.2)
	if s.err == nil && (i.ACLLen < least || i.ACLNum == 0) {
		s.err = fmt.Errorf("the controller has %d data buffers of %d octets, LE needs at least one of %d", i.ACLNum, i.ACLLen, least)
	}
	i.ACLLen = min(i.ACLLen, hci.MaxPacketLen-hci.ACLHeaderLen)
}

// errNoPublic means that Config.Address is a public address that is not the
// controller's.
var errNoPublic = errors.New("it is not the public address of the controller: leave Config.Address empty, or set a random address")

// chooseAddress chooses the own address.
func (s *starter) chooseAddress(i *Info) {
	if s.err != nil {
		return
	}
	switch want := s.ctl.core.cfg.Address; {
	case want.Kind == hci.AddrRandom:
		i.Address = want
	case want != hci.Addr{} && want.MAC != i.Public:
		s.err = fmt.Errorf("own address %v: %w", want, errNoPublic)
	case i.Public != hci.MAC{}:
		i.Address = hci.Addr{MAC: i.Public}
	default:
		i.Address = hci.Addr{MAC: s.ctl.core.cfg.StaticAddress, Kind: hci.AddrRandom}
		if i.Address.MAC == (hci.MAC{}) {
			i.Address.MAC = NewStaticAddress()
		}
	}
}

// sendAddress queues the command that sets the own address in the controller if it is
// random, before the first scan: a controller that scans refuses it (7.8.4). Otherwise it
// returns nil.
func (s *starter) sendAddress(i *Info) *answer[hci.None] {
	if i.Address.Kind != hci.AddrRandom {
		return nil
	}
	return sendCommand(s, hci.LESetRandomAddress{Addr: i.Address.MAC})
}

// NewStaticAddress returns a new static random address (Vol 6, Part B, 1.3.2.1).
func NewStaticAddress() (m hci.MAC) {
	_, _ = rand.Read(m[:]) // never fails
	m[5] |= 0xC0
	return m
}

// handOver passes the result of the start-up to the loop. A controller that has taken
// several commands must be ready for another one by then: clones lose the count.
func (s *starter) handOver(i *Info) error {
	info := *i
	_, err := askLoop(s.ctx, &s.ctl.core, func(err error) error { return err }, func(_ func() bool, done func(hci.None, error)) {
		c := &s.ctl.core
		finish := func(err error) {
			if fault := c.pacing.takeFault(); fault != nil {
				err = fault
			}
			if err == nil {
				c.info, c.own, c.started = info, info.Address, true
				c.remainder.state = remainderDue
				c.data.length, c.data.total, c.data.free = info.ACLLen, info.ACLNum, info.ACLNum
				c.idle.startChecks()
			}
			done(hci.None{}, err)
		}
		if c.cmds.crowded {
			c.awaitCredit(finish)
			return
		}
		finish(nil)
	})
	return err
}
