package hci

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Info is what a controller is and can do, as found at start-up.
type Info struct {
	// Address is the own address: the one in use, unless that is a private one; see
	// Device.UsePrivateAddresses.
	Address Addr
	// Public is the controller's public address; zero if it has none.
	Public MAC
	// Version says which specification the controller follows, and who made it.
	Version  LocalVersion
	Commands SupportedCommands
	Features Features // of the LE link layer, page 0
	// FeaturePages are all pages of LE features, on controllers that have more
	// than one (Core 6.0 and later); nil on others.
	FeaturePages []byte
	// ACLLen and ACLNum are the size and number of the controller's buffers for
	// data; SharedBuffers reports that they serve BR/EDR too.
	ACLLen, ACLNum int
	SharedBuffers  bool
	// Extended reports that scanning, initiating and advertising use the
	// extended commands. One Device never mixes the two kinds.
	Extended          bool
	AcceptListSize    int
	ResolvingListSize int
	// States are the supported combinations of states (Vol 4, Part E, 7.8.27).
	States LEStates
	// MaxData is the longest packet that the link layer can handle.
	MaxData MaximumDataLength

	scanBlocksInitiating bool // found out the hard way
}

// scanWhileInitiating reports whether the controller says that it can scan,
// actively, while it initiates.
func (i *Info) scanWhileInitiating() bool {
	return !i.scanBlocksInitiating && i.States.Has(LEStateActiveScanAndInitiate)
}

func (i *Info) maxTXOctets() uint16 { return max(27, min(251, i.MaxData.TXOctets)) }

func (i *Info) maxTXTime() time.Duration {
	return max(328*time.Microsecond, i.MaxData.TXTime)
}

// Bits of the event masks: events that this package understands
// (Vol 4, Part E, 7.3.1 and 7.8.1).
const (
	eventMask = 1<<4 | // Disconnection Complete
		1<<7 | // Encryption Change
		1<<11 | // Read Remote Version Information Complete
		1<<15 | // Hardware Error
		1<<25 | // Data Buffer Overflow
		1<<47 | // Encryption Key Refresh Complete
		1<<61 // LE Meta

	leEventMaskAlways = 1<<0 | // Connection Complete
		1<<1 | // Advertising Report
		1<<2 | // Connection Update Complete
		1<<3 | // Read Remote Features Complete
		1<<4 // Long Term Key Request
)

// leEventMask returns the LE events to ask for. A controller may refuse bits
// that it does not know, so they go with the features that bring them.
func (i *Info) leEventMask() uint64 {
	m := uint64(leEventMaskAlways)
	for _, b := range []struct {
		with bool
		bit  uint
	}{
		{i.Features.Has(FeatureConnParamRequest), 5},
		{i.Features.Has(FeatureDataLength), 6},
		{i.Commands.Has(OpLEReadLocalP256PublicKey), 7},
		{i.Commands.Has(OpLEGenerateDHKey), 8},
		{i.Features.Has(FeaturePrivacy), 9}, // Enhanced Connection Complete
		{i.Commands.Has(OpLESetPHY), 11},
		{i.Extended, 12}, // Extended Advertising Report
		{i.Extended, 16}, // Scan Timeout
		{i.Extended, 17}, // Advertising Set Terminated
	} {
		if b.with {
			m |= 1 << b.bit
		}
	}
	return m
}

// start brings the controller into a known state. It runs on the caller's
// goroutine and talks to the loop like any other caller.
func (d *Device) start(ctx context.Context) (*Info, error) {
	i := &Info{}
	s := starter{ctx: ctx, d: d}
	must(&s, Reset{})
	i.Version = must(&s, ReadLocalVersionInformation{})
	i.Commands = must(&s, ReadLocalSupportedCommands{})
	i.Features = must(&s, LEReadLocalSupportedFeatures{})
	if i.Commands.Has(OpLEReadAllLocalSupportedFeatures) {
		// Page 0 has 64 bits, each further one 192 (Vol 6, Part B, 4.6).
		all := try(&s, LEReadAllLocalSupportedFeatures{})
		i.FeaturePages = append([]byte(nil), all.Pages[:min(len(all.Pages), 8+24*int(all.MaxPage))]...)
	}
	i.Public = try(&s, ReadBDADDR{})
	i.Extended = !d.core.cfg.DisableExtended && i.Commands.extended()
	for _, q := range quirks {
		if s.err == nil && q.match(i) {
			d.core.log.Log(ctx, LevelDevice, "controller quirk", "symptom", q.symptom)
			q.apply(i)
		}
	}
	must(&s, SetEventMask{Mask: eventMask})
	must(&s, LESetEventMask{Mask: i.leEventMask()})
	s.buffers(i)
	s.try(i.Commands.Has(OpWriteLEHostSupport), WriteLEHostSupport{Enabled: true})
	if i.Commands.Has(OpLEReadFilterAcceptListSize) {
		i.AcceptListSize = int(try(&s, LEReadFilterAcceptListSize{}))
	}
	if i.Commands.Has(OpLEReadResolvingListSize) {
		i.ResolvingListSize = int(try(&s, LEReadResolvingListSize{}))
	}
	if i.Commands.Has(OpLEReadSupportedStates) {
		i.States = try(&s, LEReadSupportedStates{})
	}
	if i.Commands.Has(OpLEReadMaximumDataLength) {
		i.MaxData = try(&s, LEReadMaximumDataLength{})
		s.try(i.Commands.Has(OpLEWriteSuggestedDefaultDataLength) && i.Features.Has(FeatureDataLength),
			LEWriteSuggestedDefaultDataLength{TXOctets: i.maxTXOctets(), TXTime: i.maxTXTime()})
	}
	s.try(i.Commands.Has(OpLESetDefaultPHY), LESetDefaultPHY{})
	s.address(i)
	if s.err != nil {
		return nil, s.err
	}
	return i, s.hand(i)
}

// extended reports whether the extended commands can do all that the others
// can, for the two kinds must not be mixed (Vol 4, Part E, 3.1.1). A controller
// that does not advertise at all needs no commands for it.
func (s SupportedCommands) extended() bool {
	has := func(ops ...Opcode) bool {
		return !slices.ContainsFunc(ops, func(op Opcode) bool { return !s.Has(op) })
	}
	return has(OpLESetExtendedScanParameters, OpLESetExtendedScanEnable, OpLEExtendedCreateConnection) &&
		(!s.Has(OpLESetAdvertisingEnable) || has(OpLESetAdvertisingSetRandomAddress, OpLESetExtendedAdvertisingParameters,
			OpLESetExtendedAdvertisingData, OpLESetExtendedScanResponseData, OpLESetExtendedAdvertisingEnable))
}

// starter runs the commands of the start-up until one that must succeed fails.
type starter struct {
	ctx context.Context
	d   *Device
	err error
}

// must runs a command that the device cannot do without.
func must[R any](s *starter, cmd Command[R]) (v R) {
	if s.err == nil {
		v, s.err = Exec(s.ctx, s.d, cmd)
	}
	return v
}

// try runs a command whose failure leaves the zero value, unless the device
// has ended or ctx is over.
func try[R any](s *starter, cmd Command[R]) (v R) {
	if s.err != nil {
		return v
	}
	v, err := Exec(s.ctx, s.d, cmd)
	if err != nil {
		s.d.core.log.Log(s.ctx, LevelDevice, "start-up goes on without", "error", err)
		if s.ctx.Err() != nil || s.d.Err() != nil {
			s.err = err
		}
		var zero R
		return zero
	}
	return v
}

func (s *starter) try(when bool, cmd Command[None]) {
	if when {
		try(s, cmd)
	}
}

// buffers finds the data buffers: those of LE by the newer or the older
// command, or those shared with BR/EDR (Vol 4, Part E, 7.8.2).
func (s *starter) buffers(i *Info) {
	if i.Commands.Has(OpLEReadBufferSizeV2) {
		b := try(s, LEReadBufferSizeV2{})
		i.ACLLen, i.ACLNum = int(b.ACLLen), int(b.ACLNum)
	}
	if i.ACLLen == 0 || i.ACLNum == 0 {
		b := must(s, LEReadBufferSize{})
		i.ACLLen, i.ACLNum = int(b.ACLLen), int(b.ACLNum)
	}
	if i.ACLLen == 0 || i.ACLNum == 0 {
		b := try(s, ReadBufferSize{})
		i.ACLLen, i.ACLNum, i.SharedBuffers = int(b.ACLLen), int(b.ACLNum), true
	}
	const least = 27 // (7.8.2)
	if s.err == nil && (i.ACLLen < least || i.ACLNum == 0) {
		s.err = fmt.Errorf("the controller offers %d buffers of %d octets for data, LE needs at least one of %d", i.ACLNum, i.ACLLen, least)
	}
	i.ACLLen = min(i.ACLLen, MaxPacketLen-aclHeaderLen)
}

// errNoPublic says that a public address was asked for that is not there.
var errNoPublic = errors.New("the controller has another public address, or none: leave Config.Address empty, or give a random address")

// address decides on the own address and sets a random one.
func (s *starter) address(i *Info) {
	if s.err != nil {
		return
	}
	switch want := s.d.core.cfg.Address; {
	case want.Kind == AddrRandom:
		i.Address = want
	case want != Addr{} && want.MAC != i.Public:
		s.err = fmt.Errorf("own address %v: %w", want, errNoPublic)
		return
	case i.Public != MAC{}:
		i.Address = Addr{MAC: i.Public}
		return
	default:
		i.Address = Addr{MAC: s.d.core.cfg.StaticAddress, Kind: AddrRandom}
		if i.Address.MAC == (MAC{}) {
			i.Address.MAC = NewStaticAddress()
		}
	}
	must(s, LESetRandomAddress{Addr: i.Address.MAC})
}

// NewStaticAddress makes a static random address (Vol 6, Part B, 1.3.2.1).
func NewStaticAddress() (m MAC) {
	_, _ = rand.Read(m[:]) // never fails
	m[5] |= 0xC0
	return m
}

// hand gives the loop what start-up found.
func (s *starter) hand(i *Info) error {
	info := *i
	_, err := ask(s.ctx, &s.d.core, func(err error) error { return err }, func(_ func() bool, done func(None, error)) {
		c := &s.d.core
		c.info, c.own = info, info.Address
		c.data.length, c.data.total, c.data.free = info.ACLLen, info.ACLNum, info.ACLNum
		done(None{}, nil)
	})
	return err
}
