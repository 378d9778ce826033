package controller

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moor-ble/moor/hci"
)

// startUp brings the controller into a known state and returns its description.
// It runs on the goroutine of the caller and sends its commands with Exec.
func (ctl *Controller) startUp(ctx context.Context) (*Info, error) {
	i := &Info{}
	s := starter{ctx: ctx, ctl: ctl}
	must(&s, hci.Reset{})
	i.Version = try(&s, hci.ReadLocalVersionInformation{})
	i.Commands = s.readCommands()
	i.Features = try(&s, hci.LEReadLocalSupportedFeatures{})
	if i.Commands.Has(hci.OpLEReadAllLocalSupportedFeatures) {
		// Page 0 has 64 bits, every other page 192 (Vol 6, Part B, 4.6).
		all := try(&s, hci.LEReadAllLocalSupportedFeatures{})
		i.FeaturePages = append([]byte(nil), all.Pages[:min(len(all.Pages), 8+24*int(all.MaxPage))]...)
	}
	i.Public = try(&s, hci.ReadBDADDR{})
	if isPlaceholder(i.Public) {
		ctl.core.log.Log(ctx, LevelController, "the address of the controller is a placeholder", "address", i.Public)
		i.Public = hci.MAC{}
	}
	i.Extended = !ctl.core.cfg.DisableExtended && allExtended(i.Commands)
	for _, q := range quirks {
		if s.err == nil && q.match(i) {
			ctl.core.log.Log(ctx, LevelController, "controller quirk", "symptom", q.symptom)
			q.apply(i)
		}
	}
	s.setEventMask(i)
	try(&s, hci.LESetEventMask{Mask: i.leEventMask()})
	s.readBuffers(i)
	s.configure(i, i.Commands.Has(hci.OpWriteLEHostSupport), hci.WriteLEHostSupport{Enabled: true})
	if i.Commands.Has(hci.OpLEReadFilterAcceptListSize) {
		i.AcceptListSize = int(try(&s, hci.LEReadFilterAcceptListSize{}))
	}
	if i.Commands.Has(hci.OpLEReadResolvingListSize) {
		i.ResolvingListSize = int(try(&s, hci.LEReadResolvingListSize{}))
	}
	if i.Commands.Has(hci.OpLEReadSupportedStates) {
		i.States = try(&s, hci.LEReadSupportedStates{})
	}
	if i.Commands.Has(hci.OpLEReadMaximumDataLength) {
		i.MaxData = try(&s, hci.LEReadMaximumDataLength{})
		s.configure(i, i.Commands.Has(hci.OpLEWriteSuggestedDefaultDataLength) && i.Features.Has(hci.FeatureDataLength),
			hci.LEWriteSuggestedDefaultDataLength{TXOctets: i.maxTXOctets(), TXTime: i.maxTXTime()})
	}
	s.configure(i, i.Commands.Has(hci.OpLESetDefaultPHY), hci.LESetDefaultPHY{})
	s.setAddress(i)
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

// starter runs the commands of the start-up. Its methods do nothing after the
// first error.
type starter struct {
	ctx context.Context
	ctl *Controller
	err error
	// unknown counts the LE commands that the controller has answered with 0x01,
	// unknown HCI command.
	unknown int
}

// must runs a command whose failure ends the start-up.
func must[R any](s *starter, cmd hci.Command[R]) (v R) {
	if s.err == nil {
		v, s.err = Exec(s.ctx, s.ctl, cmd)
	}
	return v
}

// try runs an optional command and returns the zero value if it fails. The end of
// the Controller or of the context ends the start-up all the same.
func try[R any](s *starter, cmd hci.Command[R]) (v R) {
	if s.err != nil {
		return v
	}
	v, err := Exec(s.ctx, s.ctl, cmd)
	if err != nil {
		s.failOptional(err)
		var zero R
		return zero
	}
	return v
}

// failOptional notes the failure of an optional command.
func (s *starter) failOptional(err error) {
	failed, ok := errors.AsType[*CommandError](err)
	ended := ok && essential(failed.Op) && errors.Is(err, ErrNoAnswer)
	if s.ctx.Err() != nil || s.ctl.Err() != nil || ended {
		s.err = err
		return
	}
	const le = 0x08 // the group of the LE commands (7.8)
	if ok && failed.Op>>10 == le && statusOf(err) == hci.StatusUnknownCommand {
		s.unknown++
	}
	s.ctl.core.log.Log(s.ctx, LevelController, "start-up goes on without", "error", err)
}

// readCommands reads the list of supported commands. Of a list that is too short, it
// takes what there is.
func (s *starter) readCommands() (v hci.SupportedCommands) {
	if s.err != nil {
		return v
	}
	op := hci.OpReadLocalSupportedCommands
	list, err := askLoop(s.ctx, &s.ctl.core, commandFailed(op), func(wanted func() bool, done func([]byte, error)) {
		s.ctl.core.runCommandIf(wanted, hci.ReadLocalSupportedCommands{}, func(_ time.Time, ret []byte, err error) {
			done(slices.Clone(ret), err)
		})
	})
	if err != nil {
		s.failOptional(err)
	}
	copy(v[:], list)
	return v
}

// configure runs cmd, an optional command that a reset makes necessary again, if when
// is true.
func (s *starter) configure(i *Info, when bool, cmd hci.Command[hci.None]) {
	if when {
		try(s, cmd)
		i.setup = append(i.setup, cmd)
	}
}

// setEventMask sets the first event mask that the controller accepts. If it
// accepts none, it keeps its default.
func (s *starter) setEventMask(i *Info) {
	for _, mask := range eventMasks() {
		if s.err != nil {
			return
		}
		cmd := hci.SetEventMask{Mask: mask}
		_, err := Exec(s.ctx, s.ctl, cmd)
		if err == nil {
			i.setup = append(i.setup, cmd)
			return
		}
		if statusOf(err) == hci.StatusSuccess { // no answer of the controller
			s.err = err
			return
		}
		s.ctl.core.log.Log(s.ctx, LevelController, "event mask refused", "mask", mask, "error", err)
	}
}

// readBuffers reads the size and number of the data buffers: of the LE buffers,
// with version 2 or 1 of the command, or of the buffers shared with BR/EDR
// (Vol 4, Part E, 7.8.2).
func (s *starter) readBuffers(i *Info) {
	if i.Commands.Has(hci.OpLEReadBufferSizeV2) {
		b := try(s, hci.LEReadBufferSizeV2{})
		i.ACLLen, i.ACLNum = int(b.ACLLen), int(b.ACLNum)
	}
	if i.ACLLen == 0 || i.ACLNum == 0 {
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

// setAddress chooses the own address, and sets it in the controller if it is
// random.
func (s *starter) setAddress(i *Info) {
	if s.err != nil {
		return
	}
	switch want := s.ctl.core.cfg.Address; {
	case want.Kind == hci.AddrRandom:
		i.Address = want
	case want != hci.Addr{} && want.MAC != i.Public:
		s.err = fmt.Errorf("own address %v: %w", want, errNoPublic)
		return
	case i.Public != hci.MAC{}:
		i.Address = hci.Addr{MAC: i.Public}
		return
	default:
		i.Address = hci.Addr{MAC: s.ctl.core.cfg.StaticAddress, Kind: hci.AddrRandom}
		if i.Address.MAC == (hci.MAC{}) {
			i.Address.MAC = NewStaticAddress()
		}
	}
	must(s, hci.LESetRandomAddress{Addr: i.Address.MAC})
}

// NewStaticAddress returns a new static random address (Vol 6, Part B, 1.3.2.1).
func NewStaticAddress() (m hci.MAC) {
	_, _ = rand.Read(m[:]) // never fails
	m[5] |= 0xC0
	return m
}

// handOver passes the result of the start-up to the loop.
func (s *starter) handOver(i *Info) error {
	info := *i
	_, err := askLoop(s.ctx, &s.ctl.core, func(err error) error { return err }, func(_ func() bool, done func(hci.None, error)) {
		c := &s.ctl.core
		c.info, c.own, c.started = info, info.Address, true
		c.data.length, c.data.total, c.data.free = info.ACLLen, info.ACLNum, info.ACLNum
		c.idle.startChecks()
		done(hci.None{}, nil)
	})
	return err
}
