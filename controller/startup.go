package controller

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/moor-ble/moor/hci"
)

// start brings the controller into a known state. It runs on the caller's
// goroutine and talks to the loop like any other caller.
func (ctl *Controller) startUp(ctx context.Context) (*Info, error) {
	i := &Info{}
	s := starter{ctx: ctx, ctl: ctl}
	must(&s, hci.Reset{})
	i.Version = must(&s, hci.ReadLocalVersionInformation{})
	i.Commands = must(&s, hci.ReadLocalSupportedCommands{})
	i.Features = must(&s, hci.LEReadLocalSupportedFeatures{})
	if i.Commands.Has(hci.OpLEReadAllLocalSupportedFeatures) {
		// Page 0 has 64 bits, each further one 192 (Vol 6, Part B, 4.6).
		all := try(&s, hci.LEReadAllLocalSupportedFeatures{})
		i.FeaturePages = append([]byte(nil), all.Pages[:min(len(all.Pages), 8+24*int(all.MaxPage))]...)
	}
	i.Public = try(&s, hci.ReadBDADDR{})
	i.Extended = !ctl.core.cfg.DisableExtended && allExtended(i.Commands)
	for _, q := range quirks {
		if s.err == nil && q.match(i) {
			ctl.core.log.Log(ctx, LevelController, "controller quirk", "symptom", q.symptom)
			q.apply(i)
		}
	}
	must(&s, hci.SetEventMask{Mask: eventMask()})
	must(&s, hci.LESetEventMask{Mask: i.leEventMask()})
	s.readBuffers(i)
	s.try(i.Commands.Has(hci.OpWriteLEHostSupport), hci.WriteLEHostSupport{Enabled: true})
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
		s.try(i.Commands.Has(hci.OpLEWriteSuggestedDefaultDataLength) && i.Features.Has(hci.FeatureDataLength),
			hci.LEWriteSuggestedDefaultDataLength{TXOctets: i.maxTXOctets(), TXTime: i.maxTXTime()})
	}
	s.try(i.Commands.Has(hci.OpLESetDefaultPHY), hci.LESetDefaultPHY{})
	s.setAddress(i)
	if s.err != nil {
		return nil, s.err
	}
	return i, s.handOver(i)
}

// allExtended reports whether the extended commands can do all that the others
// can, for the two kinds must not be mixed (Vol 4, Part E, 3.1.1). A controller
// that does not advertise at all needs no commands for it.
func allExtended(s hci.SupportedCommands) bool {
	has := func(ops ...hci.Opcode) bool {
		return !slices.ContainsFunc(ops, func(op hci.Opcode) bool { return !s.Has(op) })
	}
	return has(hci.OpLESetExtendedScanParameters, hci.OpLESetExtendedScanEnable, hci.OpLEExtendedCreateConnection) &&
		(!s.Has(hci.OpLESetAdvertisingEnable) || has(hci.OpLESetAdvertisingSetRandomAddress, hci.OpLESetExtendedAdvertisingParameters,
			hci.OpLESetExtendedAdvertisingData, hci.OpLESetExtendedScanResponseData, hci.OpLESetExtendedAdvertisingEnable))
}

// starter runs the commands of the start-up until one that must succeed fails.
type starter struct {
	ctx context.Context
	ctl *Controller
	err error
}

// must runs a command that the device cannot do without.
func must[R any](s *starter, cmd hci.Command[R]) (v R) {
	if s.err == nil {
		v, s.err = Exec(s.ctx, s.ctl, cmd)
	}
	return v
}

// try runs a command whose failure leaves the zero value, unless the device
// has ended or ctx is over.
func try[R any](s *starter, cmd hci.Command[R]) (v R) {
	if s.err != nil {
		return v
	}
	v, err := Exec(s.ctx, s.ctl, cmd)
	if err != nil {
		s.ctl.core.log.Log(s.ctx, LevelController, "start-up goes on without", "error", err)
		if s.ctx.Err() != nil || s.ctl.Err() != nil {
			s.err = err
		}
		var zero R
		return zero
	}
	return v
}

func (s *starter) try(when bool, cmd hci.Command[hci.None]) {
	if when {
		try(s, cmd)
	}
}

// buffers finds the data buffers: those of LE by the newer or the older
// command, or those shared with BR/EDR (Vol 4, Part E, 7.8.2).
func (s *starter) readBuffers(i *Info) {
	if i.Commands.Has(hci.OpLEReadBufferSizeV2) {
		b := try(s, hci.LEReadBufferSizeV2{})
		i.ACLLen, i.ACLNum = int(b.ACLLen), int(b.ACLNum)
	}
	if i.ACLLen == 0 || i.ACLNum == 0 {
		b := must(s, hci.LEReadBufferSize{})
		i.ACLLen, i.ACLNum = int(b.ACLLen), int(b.ACLNum)
	}
	if i.ACLLen == 0 || i.ACLNum == 0 {
		b := try(s, hci.ReadBufferSize{})
		i.ACLLen, i.ACLNum, i.SharedBuffers = int(b.ACLLen), int(b.ACLNum), true
	}
	const least = 27 // (7.8.2)
	if s.err == nil && (i.ACLLen < least || i.ACLNum == 0) {
		s.err = fmt.Errorf("the controller offers %d buffers of %d octets for data, LE needs at least one of %d", i.ACLNum, i.ACLLen, least)
	}
	i.ACLLen = min(i.ACLLen, hci.MaxPacketLen-hci.ACLHeaderLen)
}

// errNoPublic says that a public address was asked for that is not there.
var errNoPublic = errors.New("the controller has another public address, or none: leave Config.Address empty, or give a random address")

// address decides on the own address and sets a random one.
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

// NewStaticAddress makes a static random address (Vol 6, Part B, 1.3.2.1).
func NewStaticAddress() (m hci.MAC) {
	_, _ = rand.Read(m[:]) // never fails
	m[5] |= 0xC0
	return m
}

// hand gives the loop what start-up found.
func (s *starter) handOver(i *Info) error {
	info := *i
	_, err := askLoop(s.ctx, &s.ctl.core, func(err error) error { return err }, func(_ func() bool, done func(hci.None, error)) {
		c := &s.ctl.core
		c.info, c.own = info, info.Address
		c.data.length, c.data.total, c.data.free = info.ACLLen, info.ACLNum, info.ACLNum
		done(hci.None{}, nil)
	})
	return err
}
